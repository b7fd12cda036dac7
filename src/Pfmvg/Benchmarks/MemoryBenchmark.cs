using Pfmvg.Runs;
using Pfmvg.Training;
using TorchSharp;

namespace Pfmvg.Benchmarks;

/// <summary>The memory of a training process after a step.</summary>
/// <param name="Step">Steps taken.</param>
/// <param name="ResidentBytes">Resident memory of the process, native libraries included.</param>
/// <param name="ManagedBytes">Bytes in the managed heap, uncollected garbage included.</param>
/// <param name="LiveTensors">Tensors that the training thread holds.</param>
internal sealed record MemoryReading(int Step, long ResidentBytes, long ManagedBytes, long LiveTensors);

/// <summary>Shows whether memory stays flat over many steps of a stage; used by `pfmvg bench memory`.</summary>
internal static class MemoryBenchmark
{
    /// <summary>Trains and forgets; no run folder, no validation, no checkpoint.</summary>
    /// <param name="session">The configuration; its stage is lengthened where it has too few steps.</param>
    /// <param name="options">Which stage and from where.</param>
    /// <param name="steps">Steps to take.</param>
    /// <param name="every">Steps between readings.</param>
    /// <param name="read">Gets every reading.</param>
    /// <exception cref="InputException">Something that the stage needs is absent or wrong.</exception>
    public static void Run(Session session, TrainingOptions options, int steps, int every, Action<MemoryReading> read)
    {
        var configuration = session.Configuration;
        var from = options.Start(configuration)?.Path;
        session.PrepareData();
        var settings = configuration.Stage(options.Stage) with { CheckpointEvery = 0 };
        using var setup = GroundingSetup.Load(configuration, session.World.LocalRank, settings.MaxAnswerTokens, from, session.Interrupt);
        var samples = setup.Samples(GroundingSetup.TrainingSplit(setup.Data, options.Stage, settings), settings);
        var perEpoch = (samples.Count + settings.BatchSize * settings.Accumulate - 1) / (settings.BatchSize * settings.Accumulate);
        using var trainer = new Trainer(setup.Model, settings with
        {
            Epochs = Math.Max(settings.Epochs, steps / perEpoch + 1),
        }, samples, session.World);
        trainer.Rehearse(steps, entry =>
        {
            if (entry.Step % every == 0)
                read(new MemoryReading((int)entry.Step, ProcessMemory.Resident, GC.GetTotalMemory(forceFullCollection: false),
                    DisposeScopeManager.Statistics.ThreadTotalLiveCount));
        }, session.Interrupt);
    }
}
