using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Distributed;
using Pfmvg.Runs;
using Pfmvg.Training;
using TorchSharp;

namespace Pfmvg.Benchmarks;

/// <summary>What a training process holds after a step.</summary>
/// <param name="Step">Steps taken.</param>
/// <param name="ResidentBytes">Resident memory of the process, native libraries included.</param>
/// <param name="ManagedBytes">Bytes in the managed heap, garbage that is not yet collected included.</param>
/// <param name="LiveTensors">Tensors that the training thread holds.</param>
public sealed record MemoryReading(int Step, long ResidentBytes, long ManagedBytes, long LiveTensors);

/// <summary>Whether memory stays flat over many steps of a stage: what `pfmvg bench memory` does.</summary>
public static class MemoryBenchmark
{
    /// <summary>Trains and forgets; no run folder, no validation, no checkpoint.</summary>
    /// <param name="configuration">The configuration; its stage is lengthened where it has too few steps.</param>
    /// <param name="options">Which stage and from where.</param>
    /// <param name="steps">Steps to take.</param>
    /// <param name="every">Steps between readings.</param>
    /// <param name="read">Told every reading.</param>
    /// <param name="interrupt">Stops after the step at hand.</param>
    /// <exception cref="InputException">Something that the stage needs is absent or wrong.</exception>
    public static void Run(
        PfmvgConfiguration configuration, TrainingOptions options, int steps, int every, Action<MemoryReading> read,
            CancellationToken interrupt)
    {
        var from = TrainingRun.CheckStart(configuration, options, localRank: 0);
        var settings = configuration.Stage(options.Stage) with { CheckpointEvery = 0 };
        using var setup = GroundingSetup.Load(configuration, 0, settings.MaxAnswerTokens, from);
        var samples = setup.Samples(setup.Data.Read(settings.Task, Split.Train), settings);
        if (samples.Count == 0) throw new InputException($"{setup.Data.Folder}: has no {Manifest.FileName(settings.Task, Split.Train)}, so there is nothing to train on.");
        var world = new SingleProcess();
        var perEpoch = (samples.Count + settings.BatchSize * settings.Accumulate - 1) / (settings.BatchSize * settings.Accumulate);
        using var trainer = new Trainer(setup.Model, settings with
        {
            Epochs = Math.Max(settings.Epochs, steps / perEpoch + 1),
        }, samples, world);
        trainer.Try(steps, entry =>
        {
            if (entry.Step % every == 0)
                read(new MemoryReading((int)entry.Step, ProcessMemory.Resident, GC.GetTotalMemory(forceFullCollection: false),
                    DisposeScopeManager.Statistics.ThreadTotalLiveCount));
        }, interrupt);
    }
}
