using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Data.Preparation;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Rivals;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Commands;

/// <summary>What an evaluation of a model that is not ours prints and writes, from its answers in a run folder.</summary>
/// <param name="Scoring">How answers are read and scored.</param>
/// <param name="Measures">What else is measured.</param>
/// <param name="Report">Where the report goes.</param>
/// <param name="Baselines">'paper' or null.</param>
/// <param name="Audit">Whether the figures are audited.</param>
internal sealed record OthersEvaluation(
    ScoringArguments Scoring, MeasureArguments Measures, ReportArguments Report, string? Baselines, bool Audit)
{
    /// <summary>`pfmvg eval --model biovil`: a rival answers a split with maps, which are scored as those of a file.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="configuration">The configuration as it is read.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="options">How maps are scored.</param>
    public int Run(ParseResult parsed, PfmvgConfiguration configuration, RivalSplitRequest request, ScoringOptions options)
    {
        var name = BioVilFiles.Name(request.Asked.Rival);
        if (Communicator.StartedTogether() > 1)
            throw new InputException($"{name} answers in one process; start it without mpirun, and give it threads with "
                + "--set threads=N.");
        using var interrupt = new Interrupt("the answers so far are kept.");
        using var display = new TerminalDisplay();
        var result = RivalRun.Execute(configuration, request, display, interrupt.Token);
        var answers = Measures.WithTraits(parsed, result.Predictions);
        return Print(parsed, configuration, request, (result.Folder, result.Data), answers, options, name, Settings(result.Folder),
            result);
    }

    /// <summary>Scores the answers, prints the tables and writes the report.</summary>
    /// <returns>The exit code: a phrase without an answer is a failure.</returns>
    public int Print(ParseResult parsed, PfmvgConfiguration configuration, SplitRequest request, (RunFolder Folder, PreparedData Data) run,
        IReadOnlyList<Prediction> answers, ScoringOptions options, string model, IEnumerable<(string Name, string Value)> settings,
        EvaluationResult? controlled = null)
    {
        var folder = run.Folder;
        var (scored, further) = Measures.Measure(parsed, answers, Scoring.Score(parsed, answers, options)
            .Each(table => table with { Sources = [SourceFile.Read("predictions", folder.PredictionsPath)] }));
        EvaluationRun.Record(folder, scored.Main);
        var audited = AuditPrinter.Run(Audit, answers, scored.Main);
        var beside = controlled is null ? new PrintedPart([], () => [])
            : new PrintedPart(ControlPrinter.Tables(scored.Main, controlled), () => ControlPrinter.Tidy(scored.Main, controlled));
        ScorePrinter.Print(scored, Scoring.Format(parsed), Baselines, further, beside, audited);
        Report.WriteSamples(parsed, answers, scored);
        Report.Write(parsed, scored.Main, $"{model}, {request.Split.ToString().ToLowerInvariant()} split", settings,
            configuration.Data.Dicom, folder.Path, EvalCommand.ImagePath(run.Data),
            [.. scored.Side, .. further, .. beside.Grids, .. audited.Grids]);
        Terminal.Standard.Message($"Answers: {folder.PredictionsPath}");
        var ours = RunFolder.ForPart(configuration, $"eval-{request.Split.ToString().ToLowerInvariant()}").PredictionsPath;
        // Maps and boxes have no protocol in common.
        Terminal.Standard.Message("Next: " + ShellWords.Join(File.Exists(ours) && options.Protocol != Protocol.MaskThresholds
            ? ["pfmvg", "compare", folder.PredictionsPath, ours] : ["pfmvg", "runs", "show", folder.Path]));
        return answers.Any(answer => (answer.BrokenPicture ?? answer.Unanswered) is not null) ? ExitCode.Failure : audited.Code;
    }

    private static IEnumerable<(string Name, string Value)> Settings(RunFolder folder)
    {
        var info = RunInfo.Read(folder.InfoPath);
        foreach (var key in (string[])["model", "grid", "interpolation", "pfmvg", "libtorch", "processor"])
            if (info.Environment.TryGetValue(key, out var value)) yield return (key, value);
        foreach (var file in info.Weights) yield return ($"weights {Path.GetFileName(file.Path)}", $"SHA-256 {file.Sha256}");
    }
}
