using System.Diagnostics;
using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Loading;
using Pfmvg.Distributed;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>What a dry run found.</summary>
/// <param name="Losses">Of its steps.</param>
/// <param name="ValidationLoss">Of one validation batch, per answer token; NaN where there is no validation split.</param>
/// <param name="StepSeconds">Duration of the last step; the first one includes what happens once.</param>
/// <param name="StepsPerEpoch">Steps of an epoch.</param>
/// <param name="Epoch">Expected time of an epoch with its validation.</param>
/// <param name="Stage">Expected time of all epochs.</param>
/// <param name="PeakBytes">The most memory that this process held.</param>
public sealed record Rehearsal(
    IReadOnlyList<double> Losses, double ValidationLoss, double StepSeconds, int StepsPerEpoch, TimeSpan Epoch, TimeSpan Stage,
        long PeakBytes);

/// <summary>The first steps of a stage on its real configuration, without a run folder: what `pfmvg train --dry-run` does.</summary>
public static class TrainingRehearsal
{
    private const int Steps = 2;

    /// <summary>Builds everything, takes two steps and one validation batch, and forgets them.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="options">Which stage and from where.</param>
    /// <param name="world">The processes that train together.</param>
    /// <param name="interrupt">Stops after the step at hand.</param>
    /// <exception cref="InputException">Something that the run needs is absent or wrong.</exception>
    public static Rehearsal Execute(PfmvgConfiguration configuration, TrainingOptions options, ICommunicator world,
        CancellationToken interrupt)
    {
        var settings = configuration.Stage(options.Stage);
        var from = TrainingRun.CheckStart(configuration, options, world.LocalRank);
        using var setup = GroundingSetup.Load(configuration, world.LocalRank, settings.MaxAnswerTokens, from);
        var training = Samples(Split.Train);
        if (training.Count == 0) throw new InputException($"{setup.Data.Folder}: has no {Manifest.FileName(settings.Task, Split.Train)}, so stage {options.Stage} has nothing to learn from; prepare the data sets that it needs.");
        using var trainer = new Trainer(setup.Model, settings, training, world);
        var steps = new List<StepEntry>();
        trainer.Try(Steps, steps.Add, interrupt);
        var (loss, validation) = Validate(Samples(Split.Validate));
        var step = steps[^1].Seconds;
        var epoch = TimeSpan.FromSeconds(step * trainer.StepsPerEpoch) + (settings.Validate ? validation : TimeSpan.Zero);
        return new Rehearsal([.. steps.Select(s => s.Loss)], loss, step, trainer.StepsPerEpoch, epoch, epoch * settings.Epochs,
            ProcessMemory.Peak);

        TrainingSamples Samples(Split split) =>
            new(setup.Data, setup.Data.Read(settings.Task, split), setup.Builder, settings, configuration.Model.ImageSize, configuration.Seed);

        // One batch, and how long the whole split would take on all processes.
        (double Loss, TimeSpan Whole) Validate(TrainingSamples samples)
        {
            if (samples.Count == 0) return (double.NaN, TimeSpan.Zero);
            var clock = Stopwatch.StartNew();
            var batch = Enumerable.Range(0, Math.Min(settings.BatchSize, samples.Count)).ToArray();
            var (sum, tokens) = trainer.ValidationLoss(samples, batch);
            if (settings.Task == SampleTask.Refer)
                new ModelAnswers(setup.Model, setup.Builder, configuration.Eval)
                    .Answer([.. batch.Select(i => samples.Samples[i])],
                    new SampleLoader(setup.Data, new LoaderOptions { Size = configuration.Model.ImageSize }).Whole, cancel: interrupt);
            return (sum / tokens, clock.Elapsed * ((double)samples.Count / batch.Length / world.Size));
        }
    }
}
