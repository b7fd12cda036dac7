using System.Globalization;
using System.Text.Json.Serialization;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Runs.Records;

/// <summary>The trained tensors that an evaluation asked or a training began with, and which of a run's checkpoints they are.</summary>
/// <param name="Choice">"last", "best" (by validation), or "named" where the user named a file and left no choice.</param>
/// <param name="Path">Absolute path of the file or of the adapter folder.</param>
/// <param name="Run">Name and part of the run that wrote it; null where it is not in a run's folder.</param>
/// <param name="Step">Steps that it has taken; null where that is not known.</param>
public sealed record UsedCheckpoint(string Choice, string Path, string? Run, long? Step)
{
    private const string Noted = "Model: ";

    /// <summary>The measure of the validation, "wiou" or "loss"; null but for the best checkpoint.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Measure { get; init; }

    /// <summary>Its value of <see cref="Measure"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public double? Value { get; init; }

    /// <summary>The setting that chose it; null where nothing did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Setting { get; init; }

    /// <summary>The line under a table that names the model.</summary>
    /// <param name="model">Null for the base weights alone.</param>
    internal static string Note(UsedCheckpoint? model) => $"{Noted}{model?.Describe() ?? "the base weights alone"}.";

    /// <summary>Whether a line under a table is <see cref="Note"/>.</summary>
    internal static bool IsNote(string line) => line.StartsWith(Noted, StringComparison.Ordinal);

    /// <summary>Scores of a run's answers that are read from their file, with the note on their model where the run tells it.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="path">The file of the answers.</param>
    internal static ScoreTable NameBeside(ScoreTable scores, string path)
    {
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path))!;
        if (!System.IO.Path.GetFileName(path).StartsWith("predictions.jsonl", StringComparison.Ordinal)
            || !File.Exists(System.IO.Path.Combine(folder, "run.json"))) return scores;
        return RunInfo.Read(System.IO.Path.Combine(folder, "run.json")).Model is not { } model ? scores // or noted by an earlier version
            : scores with { Notes = [.. scores.Notes, Note(model)] };
    }

    /// <summary>In words, for tables, reports and the console; no path is in it.</summary>
    public string Describe()
    {
        var step = Step is null ? null : string.Create(CultureInfo.InvariantCulture, $"step {Step}");
        var value = Value is not { } number ? null
            : string.Create(CultureInfo.InvariantCulture, $"validation {(Measure == "wiou" ? "wIoU" : Measure)} {number:f4}");
        var facts = string.Join(", ", new[] { step, value }.OfType<string>());
        return Choice == "named" ? $"the checkpoint that was named, {System.IO.Path.GetFileName(Path)}"
            : $"the {Choice} checkpoint of {Run}{(facts.Length > 0 ? $" ({facts})" : "")}, {Setting}={Choice}";
    }
}
