using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Distributed;
using Pfmvg.Runs;
using Pfmvg.Training;
using TorchSharp;

namespace Pfmvg.Benchmarks;

/// <summary>The memory of a training process after a step.</summary>
/// <param name="Step">Steps taken.</param>
/// <param name="ResidentBytes">Resident memory of the process, native libraries included.</param>
/// <param name="ManagedBytes">Bytes in the managed heap, uncollected garbage included.</param>
/// <param name="LiveTensors">Tensors that the training thread holds.</param>
public sealed record MemoryReading(int Step, long ResidentBytes, long ManagedBytes, long LiveTensors);

/// <summary>Shows whether memory stays flat over many steps of a stage; used by `pfmvg bench memory`.</summary>
public static class MemoryBenchmark
{
    /// <summary>Trains without run folder, validation and checkpoint.</summary>
    /// <param name="configuration">The configuration; its stage is made longer if it has too few steps.</param>
    /// <param name="options">The stage and its start.</param>
    /// <param name="steps">Steps to take.</param>
    /// <param name="every">Steps between readings.</param>
    /// <param name="read">Called with every reading.</param>
    /// <param name="interrupt">Stops after the current step.</param>
    /// <exception cref="InputException">Something that the stage needs is missing or wrong.</exception>
    public static void Run(PfmvgConfiguration configuration, TrainingOptions options, int steps, int every, Action<MemoryReading> read,
        CancellationToken interrupt)
    {
        var from = TrainingRun.CheckStart(configuration, options, localRank: 0);
        var settings = configuration.Stage(options.Stage) with { CheckpointEvery = 0 };
        using var setup = GroundingSetup.Load(configuration, 0, settings.MaxAnswerTokens, from);
        var task = settings.Task == StageTask.Caption ? SampleTask.Caption : SampleTask.Refer;
        var samples = setup.Samples(setup.Data.Read(task, Split.Train), settings);
        if (samples.Count == 0)
            throw new InputException($"{setup.Data.Folder}: has no {Manifest.FileName(task, Split.Train)}, so there is nothing to train on.");
        var world = new SingleProcess();
        var perStep = settings.BatchSize * settings.Accumulate;
        var perEpoch = (samples.Count + perStep - 1) / perStep;
        var lengthened = settings with { Epochs = Math.Max(settings.Epochs, steps / perEpoch + 1) };
        using var trainer = new Trainer(setup.Model, lengthened, samples, world);
        trainer.Try(steps, entry =>
        {
            if (entry.Step % every == 0)
                read(new MemoryReading((int)entry.Step, ProcessMemory.Resident, GC.GetTotalMemory(forceFullCollection: false),
                    DisposeScopeManager.Statistics.ThreadTotalLiveCount));
        }, interrupt);
    }
}
