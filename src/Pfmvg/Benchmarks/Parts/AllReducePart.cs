namespace Pfmvg.Benchmarks.Parts;

/// <summary>Summing the gradients over the processes, against reading memory in all of them at once.</summary>
internal static class AllReducePart
{
    public static BenchmarkLine Measure(Workbench bench)
    {
        var world = bench.World;
        var gradients = new float[bench.Sizes.TrainedParameters];
        var sent = 2.0 * sizeof(float) * gradients.Length * (world.Size - 1) / world.Size;
        var read = bench.Limits.MemoryRead();
        return bench.Rounds.Measure($"all-reduce, {world.Size} processes", "GB/s", sent, read with { Run = Together(read.Run) },
            Together(() => world.AllReduceSum(gradients)),
            _ => Workbench.Text($"{sizeof(float) * (double)gradients.Length / 1e6:f0} MB of gradients"));

        Action Together(Action run) => () =>
        {
            world.Barrier();
            run();
        };
    }
}
