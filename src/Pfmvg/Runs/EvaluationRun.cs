using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Evaluation;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>The phrases of a split through the model, into predictions.jsonl: the first half of `pfmvg eval`.</summary>
public static class EvaluationRun
{
    /// <summary>Answers a split and writes predictions.jsonl into the run folder `eval-SPLIT`.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="split">The split.</param>
    /// <param name="from">Trained tensors; null takes stage 2's result.</param>
    /// <param name="fromBase">Evaluate the base weights alone (zero-shot).</param>
    /// <param name="part">Name of the folder within the run; null names it after the split.</param>
    /// <param name="world">The processes that answer together, each its share.</param>
    /// <param name="tell">Told on rank 0, in a line each, what a user wants to know.</param>
    /// <param name="answered">Told on rank 0 how many of how many phrases are answered.</param>
    /// <param name="interrupt">Stops between batches; nothing is written.</param>
    /// <returns>On rank 0 the folder and the predictions; elsewhere the folder alone.</returns>
    /// <exception cref="InputException">There is no trained model, no such split, or the data or weights are wrong.</exception>
    public static (RunFolder Folder, IReadOnlyList<Prediction> Predictions, PreparedData Data) Execute(
        PfmvgConfiguration configuration, Split split, string? from, bool fromBase, string? part, ICommunicator world, Action<string> tell,
        Action<int, int> answered, CancellationToken interrupt)
    {
        from = CheckModel(configuration, from, fromBase, world.LocalRank);
        var data = GroundingSetup.OpenData(configuration);
        var samples = data.Read(SampleTask.Refer, split);
        if (samples.Count == 0) throw new InputException($"{data.Folder}: has no {Manifest.FileName(SampleTask.Refer, split)}, so there is nothing to evaluate; prepare MS-CXR.");
        var folder = RunFolder.Of(configuration, part ?? $"eval-{split.ToString().ToLowerInvariant()}");
        using var hold = world.Rank == 0 ? folder.Begin(configuration, ExistingRun.Overwrite) : null;
        using var setup = GroundingSetup.Load(configuration, world.LocalRank, configuration.Stage2.MaxAnswerTokens, from);
        if (world.Rank == 0)
            foreach (var file in setup.Files) tell($"weights  {file.Path}: {file.Report}");

        // Phrases on one picture stay together, so that it is encoded once.
        var ordered = samples.OrderBy(s => s.Image, StringComparer.Ordinal).ToList();
        var share = ordered.Where((_, i) => (long)i * world.Size / ordered.Count == world.Rank).ToList();
        var answers = new ModelAnswers(setup.Model, setup.Builder, configuration.Eval).Answer(
            share, setup.Pictures().Whole,
            count => { if (world.Rank == 0) answered(count, share.Count); }, interrupt);
        var own = Path.Combine(Path.GetTempPath(), $"pfmvg-{Guid.NewGuid():N}.jsonl");
        var predictions = answers;
        if (world.Size > 1)
        {
            // The ranks' shares travel as the lines of the file itself.
            PredictionFile.Write(own, answers, keepPatients: true);
            var parts = world.Gather(File.ReadAllBytes(own));
            File.Delete(own);
            if (world.Rank == 0)
            {
                AtomicFile.Write(own, stream => { foreach (var bytes in parts) stream.Write(bytes); });
                predictions = PredictionFile.Read(own);
                File.Delete(own);
            }
        }

        if (world.Rank != 0) return (folder, [], data);
        if (setup.Features is { } features) tell(features.Summary);
        var place = samples.Select((s, i) => (s.Id, i)).ToDictionary(p => p.Id, p => p.i);
        predictions = [.. predictions.OrderBy(p => place[p.Id])];
        PredictionFile.Write(folder.PredictionsPath, predictions);
        new RunInfo
        {
            Status = RunStatus.Finished,
            Started = DateTimeOffset.UtcNow,
            Ended = DateTimeOffset.UtcNow,
            Ranks = world.Size,
            Environment = RunInfo.DescribeEnvironment(),
            Weights = from is null ? [] : RunFile.Of([GroundingSetup.Trained(from)], cancel: interrupt),
            Counts = new Dictionary<string, long> { ["phrases"] = predictions.Count },
        }.Write(folder.InfoPath);
        return (folder, predictions, data);
    }

    /// <summary>Finds what an evaluation would fail on in a moment, before any work: the device and the model.</summary>
    /// <returns>The trained tensors; null for the base weights alone.</returns>
    /// <exception cref="InputException">The device or the trained model is not there.</exception>
    public static string? CheckModel(PfmvgConfiguration configuration, string? from, bool fromBase, int localRank)
    {
        _ = ConfiguredModel.Device(configuration.Device, localRank);
        if (fromBase) return null;
        from ??= FinishedStage2(configuration);
        _ = GroundingSetup.Trained(from);
        return from;
    }

    private static string FinishedStage2(PfmvgConfiguration configuration)
    {
        var folder = RunFolder.Of(configuration, "stage2");
        return File.Exists(folder.InfoPath) && RunInfo.Read(folder.InfoPath).Status == RunStatus.Finished
            ? folder.Path
            : throw new InputException($"No trained stage 2 in {folder.Path}: run `pfmvg train --stage 2` first, or name another model with --from, or --from base for the base weights alone.");
    }
}
