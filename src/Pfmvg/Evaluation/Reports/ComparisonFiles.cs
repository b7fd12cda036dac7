using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Reports;

/// <summary>What a comparison leaves in a folder for other programs.</summary>
internal static class ComparisonFiles
{
    /// <summary>Writes comparison.csv and comparison.json: every difference and p value.</summary>
    /// <param name="folder">The folder; it is made.</param>
    /// <param name="tidy">The comparison.</param>
    public static void Write(string folder, TidyTable tidy)
    {
        AtomicFile.WriteText(Path.Combine(folder, "comparison.csv"), tidy.ToCsv());
        AtomicFile.WriteText(Path.Combine(folder, "comparison.json"), tidy.ToJson());
    }

    /// <summary>Writes samples.csv: the paired scores of two sets.</summary>
    /// <param name="folder">The folder; it is made.</param>
    /// <param name="comparison">The comparison.</param>
    /// <param name="withPhrases">Puts identifiers and phrases into it, which are patient data in MS-CXR.</param>
    public static void WriteSamples(string folder, Comparison comparison, bool withPhrases)
    {
        var patients = new Pseudonyms("p");
        var place = comparison.Tables.B.Samples.Index().ToDictionary(sample => sample.Item, sample => sample.Index);
        string[] texts = withPhrases ? ["id", "phrase"] : [];
        AtomicFile.WriteText(Path.Combine(folder, "samples.csv"), CsvLines.Write(
            ["n", .. texts, "class", "patient", "iou_a", "iou_b", "dice_a", "dice_b", "flaw_a", "flaw_b"],
            comparison.Changes.OrderBy(change => place[change.B]).Select((change, i) =>
            {
                var asked = change.B.Prediction;
                string[] shown = withPhrases ? [change.B.Id, asked.Phrase] : [];
                return (IReadOnlyList<string>)[
                    FormattableString.Invariant($"{i + 1}"), .. shown, asked.Class,
                    asked.Patient is { } patient ? patients.Of(patient) : "",
                    CsvLines.Cell(change.A.Iou), CsvLines.Cell(change.B.Iou), CsvLines.Cell(change.A.Dice), CsvLines.Cell(change.B.Dice),
                    ScoreGrid.Key(change.A.Flaw), ScoreGrid.Key(change.B.Flaw)];
            })));
    }
}
