using System.CommandLine;
using Pfmvg.Asking;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg eval --ask`: a model behind a server answers a split; its answers are scored as those of a file.</summary>
internal static class AskEvaluation
{
    /// <summary>Asks, scores, prints the table and writes the report.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="configuration">The configuration as it is read.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="evaluation">What is printed and written.</param>
    public static int Run(ParseResult parsed, PfmvgConfiguration configuration, AskRequest request, OthersEvaluation evaluation)
    {
        if (Communicator.StartedTogether() > 1)
            throw new InputException("--ask sends its questions from one process; start it without mpirun, and ask more at a time with "
                + "--set ask.concurrency=N.");
        var scoring = evaluation.Scoring;
        var (options, reading) = (scoring.AllOptions(parsed, maps: false), scoring.Reading(parsed)); // refused before anything is sent
        options = options with { BoxReading = scoring.ForModel(parsed, options, configuration.Eval).BoxReading };
        using var interrupt = new Interrupt("the answers so far are kept.");
        using var display = new TerminalDisplay();
        var (folder, data) = AskRun.Execute(configuration, request, display, interrupt.Token);
        var answers = evaluation.Measures.WithTraits(parsed, PredictionFile.Read(folder.PredictionsPath, reading));
        return evaluation.Print(parsed, configuration, request, (folder, data), answers, options, request.Model,
            Settings(configuration.Ask ?? new AskSettings(), folder));
    }

    private static IEnumerable<(string Name, string Value)> Settings(AskSettings settings, RunFolder folder)
    {
        var info = RunInfo.Read(folder.InfoPath);
        foreach (var key in (string[])["model", "server", "pfmvg"])
            if (info.Environment.TryGetValue(key, out var value)) yield return (key, value);
        yield return ("prompt", AskPrompt.Wording(settings.Prompt));
        yield return ("pictures", settings.LongestSide == 0 ? "in their own size" : $"at most {settings.LongestSide} pixels long");
        yield return ("longest answer", $"{settings.MaxTokens} tokens");
        yield return ("temperature",
            settings.Temperature < 0 ? "the server's own" : FormattableString.Invariant($"{settings.Temperature}"));
        foreach (var key in (string[])["prompt_tokens", "completion_tokens"])
            if (info.Counts.TryGetValue(key, out var count)) yield return (key.Replace('_', ' '), Units.Count(count));
        if (info.Dicom is { } dicom) yield return ("DICOM pictures", $"gray by data.dicom={dicom}");
    }
}
