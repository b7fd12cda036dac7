using Pfmvg.Models.Building;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>Loading the base weights from files, against reading the files.</summary>
internal static class LoadingPart
{
    private const long LargestShard = 5L << 30;

    /// <param name="bench">Sizes and the type to load into.</param>
    /// <param name="parent">Folder for the files.</param>
    /// <param name="stored">Type in the files.</param>
    public static BenchmarkLine Measure(Workbench bench, string parent, ScalarType stored)
    {
        var folder = Workbench.TemporaryPath(parent);
        try
        {
            var paths = new WeightPaths(Path.Combine(folder, "vision.pth"), Path.Combine(folder, "language"), null);
            BaseWeights.WriteRandom(bench.Sizes, paths, stored, ShardFormat.SafeTensors, LargestShard, bench.Configuration.Seed);
            string[] files = [paths.Vision, .. Directory.GetFiles(paths.Language, "*.safetensors")];
            var bytes = files.Sum(file => new FileInfo(file).Length);
            var before = ProcessMemory.Resident;
            var name = stored == bench.Type ? "load weights" : $"load {stored} weights".ToLowerInvariant();
            var line = bench.Rounds.Measure(name, "GB/s", bytes, MachineLimits.FileRead(files),
                () => ModelBuilder.Load(bench.Sizes, paths, bench.Type, bench.Device, 1).Model.Dispose());
            return line with
            {
                Note = Workbench.Text($"{bytes / 1e9:f2} GB; peak {(line.PeakBytes - before) / 1e9:f2} GB above what was there"),
            };
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }
}
