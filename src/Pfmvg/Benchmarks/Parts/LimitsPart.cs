using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>The machine's limits by themselves: products in both types, reading memory, reading a file.</summary>
internal static class LimitsPart
{
    private const int FileBlock = 16 << 20, FileBlocks = 32;

    public static IEnumerable<BenchmarkLine> Measure(Workbench bench, string folder)
    {
        var language = bench.Sizes.Language;
        foreach (var type in (ScalarType[])[ScalarType.BFloat16, ScalarType.Float32])
            yield return Alone(
                bench.Limits.Products(type, bench.PromptPositions, language.HiddenSize, language.IntermediateSize), "GFLOP/s");
        yield return Alone(bench.Limits.MemoryRead(), "GB/s");
        var file = Workbench.TemporaryPath(folder);
        try
        {
            AtomicFile.Write(file, stream =>
            {
                var block = new byte[FileBlock];
                new Random(1).NextBytes(block);
                for (var i = 0; i < FileBlocks; i++) stream.Write(block);
            });
            yield return Alone(MachineLimits.FileRead([file]), "GB/s");
        }
        finally
        {
            File.Delete(file);
        }

        BenchmarkLine Alone(Limit limit, string unit) =>
            bench.Rounds.Measure($"limit: {limit.Name}", unit, limit.Work, null, limit.Run);
    }
}
