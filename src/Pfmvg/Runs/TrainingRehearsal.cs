using System.Diagnostics;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Tensors;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>What a dry run found.</summary>
public sealed record Rehearsal
{
    /// <summary>Losses of its steps.</summary>
    public required IReadOnlyList<double> Losses { get; init; }

    /// <summary>Loss of one validation batch per answer token; NaN where there is no validation split.</summary>
    public required double ValidationLoss { get; init; }

    /// <summary>Duration of the last step; the first one includes what happens once.</summary>
    public required double StepSeconds { get; init; }

    /// <summary>Steps of an epoch.</summary>
    public required int StepsPerEpoch { get; init; }

    /// <summary>Expected time of an epoch with its validation.</summary>
    public required TimeSpan Epoch { get; init; }

    /// <summary>Expected time of all epochs.</summary>
    public required TimeSpan Stage { get; init; }

    /// <summary>The most memory that this process held, in bytes.</summary>
    public required long PeakBytes { get; init; }
}

/// <summary>The first steps of a stage on its real configuration, without a run folder: what `pfmvg train --dry-run` does.</summary>
public static class TrainingRehearsal
{
    private const int Steps = 2;

    /// <summary>
    /// Builds everything, takes two steps and answers one validation batch, and forgets them. Samples, seeds, caches and workers
    /// are those of the run itself.
    /// </summary>
    /// <param name="session">The configuration, and who computes together.</param>
    /// <param name="options">Which stage and from where.</param>
    /// <exception cref="InputException">Something that the run needs is absent or wrong.</exception>
    public static Rehearsal Execute(Session session, TrainingOptions options)
    {
        var (start, world) = (options.Start(session.Configuration), session.World);
        session.PrepareData();
        var configuration = session.Configuration;
        var settings = configuration.Stage(options.Stage);
        var data = GroundingSetup.OpenData(configuration);
        var heldOut = data.Read(settings.Task, Split.Validate);
        TrainingForecast.RequireBest(configuration, options.Stage, heldOut.Count);
        var split = GroundingSetup.TrainingSplit(data, options.Stage, settings);
        if (options.Recompute(session, split) is { } recompute)
        {
            settings = recompute.In(settings);
            if (recompute.Said is { } why) session.Tell(why);
        }

        using var setup = options.Load(session, start?.Path, split);
        setup.Truncation = session.Truncation;
        if (start is not null) session.Tell($"start  {start.Describe()}");
        foreach (var note in setup.Notes) session.Tell(note);
        var training = setup.Learner(split, settings);
        if (training.Mixture is { } mixture) session.Tell(mixture);
        var sums = session.GradientWorld(session.Tell);
        using var nccl = sums as NcclCommunicator;
        using var trainer = new Trainer(training, settings, sums);
        TrainingForecast.Check(options, configuration, training, trainer, session.Tell);
        var steps = new List<StepEntry>();
        trainer.Rehearse(Steps, step =>
        {
            steps.Add(step);
            GpuMemory.Note();
        }, session.Interrupt);
        var validation = setup.Learner(TaughtMixture.ToValidate(heldOut, settings), settings.Unmixed);
        var (loss, duration) = Validate(validation);
        var seconds = steps[^1].Seconds;
        var epoch = TimeSpan.FromSeconds(seconds * trainer.StepsPerEpoch) + (settings.Validate ? duration : TimeSpan.Zero);
        return new Rehearsal
        {
            Losses = [.. steps.Select(s => s.Loss)],
            ValidationLoss = loss,
            StepSeconds = seconds,
            StepsPerEpoch = trainer.StepsPerEpoch,
            Epoch = epoch,
            Stage = epoch * settings.Epochs,
            PeakBytes = ProcessMemory.Peak,
        };

        // One batch, and how long the whole split would take on all processes.
        (double Loss, TimeSpan Whole) Validate(ILearner samples)
        {
            if (samples.Samples.Count == 0) return (double.NaN, TimeSpan.Zero);
            var clock = Stopwatch.StartNew();
            var batch = Enumerable.Range(0, Math.Min(settings.BatchSize, samples.Samples.Count)).ToArray();
            var (sum, tokens) = samples.Measure(batch, cancel: session.Interrupt);
            if (settings.Task == SampleTask.Refer)
                setup.Answers().Answer([.. batch.Select(i => samples.Samples[i])], setup.Pictures().Whole, cancel: session.Interrupt);
            return (sum / tokens, clock.Elapsed * ((double)samples.Samples.Count / batch.Length / world.Size));
        }
    }
}
