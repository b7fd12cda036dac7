using Pfmvg.Distributed;
using Pfmvg.Tensors;
using Pfmvg.Text;
using Pfmvg.Training;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>
/// Summing the gradients over the processes: MPI alone against reading memory in all of them at once, then the trainer's
/// exchange against MPI alone.
/// </summary>
internal static class AllReducePart
{
    /// <param name="bench">Sizes and processes.</param>
    /// <param name="options">Rows of a training step.</param>
    /// <param name="step">A training step that was measured in the same run, to compare with.</param>
    public static IEnumerable<BenchmarkLine> Measure(Workbench bench, ModelBenchmarkOptions options, BenchmarkLine? step)
    {
        using var scope = NewDisposeScope();
        var (world, count) = (bench.World, bench.Sizes.TrainedParameters);
        var sent = 2.0 * sizeof(float) * count * (world.Size - 1) / world.Size;
        var bare = Together(Bare(zeros(count, ScalarType.Float32)));

        var read = bench.Limits.MemoryRead();
        yield return bench.Rounds.Measure($"bare MPI_Allreduce, {world.Size} processes", "GB/s", sent,
            read with { Run = Together(read.Run) }, bare);

        using var parameter = new Parameter(zeros(count, ScalarType.Float32, bench.Device));
        using var gradients = new GradientBuffer([parameter], StepSums.Numbers, staged: bench.Device.type == DeviceType.CUDA);
        var numbers = new float[StepSums.Numbers];
        var (name, duration) = step is null ? StepProducts(bench, options) : (step.Part, step.Seconds);
        yield return bench.Rounds.Measure($"gradient exchange, {world.Size} processes", "GB/s", sent,
            new Limit("bare MPI_Allreduce", sent, bare),
            Together(() =>
            {
                gradients.SumOverRanks(world, numbers);
                bench.Synchronize();
            }),
            seconds => Workbench.Text($"{sizeof(float) * (double)count / 1e6:f0} MB of gradients; {seconds / duration:p1} of {name}"));

        Action Together(Action run) => () =>
        {
            world.Barrier();
            run();
        };
    }

    private static unsafe Action Bare(Tensor values)
    {
        var mpi = OpenMpi.Load()!; // it has connected the processes
        return () =>
        {
            var count = checked((int)values.numel());
            mpi.AllReduce(OpenMpi.InPlace, TensorMemory.Address(values), count, mpi.Float, mpi.Sum, mpi.World);
        };
    }

    // Without a measured step: how long its matrix products alone would take at the machine's own rate.
    private static (string Name, double Seconds) StepProducts(Workbench bench, ModelBenchmarkOptions options)
    {
        var (rows, length) = (options.Batch ?? bench.Configuration.Stage(2).BatchSize, bench.PromptPositions);
        var products = bench.LayerProducts(rows * length);
        var once = bench.Rounds.Measure("products", "GFLOP/s", products.Work, null, products.Run);
        var work = bench.Flops.TrainingStep(rows, length, (long)rows * TypicalLengths.Box);
        return (Workbench.Text($"the products of a stage 2 step, {rows} x {length}"), work / products.Work * once.Seconds);
    }
}
