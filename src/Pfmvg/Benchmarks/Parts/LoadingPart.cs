using Pfmvg.Models.Building;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>Loading the base weights from files, against reading the files.</summary>
internal static class LoadingPart
{
    private const long LargestShard = 5L << 30;

    public static BenchmarkLine Measure(Workbench bench, string parent)
    {
        var folder = Workbench.TemporaryPath(parent);
        try
        {
            var paths = new WeightPaths(Path.Combine(folder, "vision.pth"), Path.Combine(folder, "language"), null);
            BaseWeights.WriteRandom(bench.Sizes, paths, bench.Type, ShardFormat.SafeTensors, LargestShard, bench.Configuration.Seed);
            string[] files = [paths.Vision, .. Directory.GetFiles(paths.Language, "*.safetensors")];
            var bytes = files.Sum(file => new FileInfo(file).Length);
            var before = ProcessMemory.Resident;
            var line = bench.Rounds.Measure("load weights", "GB/s", bytes, MachineLimits.FileRead(files),
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
