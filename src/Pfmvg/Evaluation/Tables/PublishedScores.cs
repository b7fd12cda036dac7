using System.Text.Json;

namespace Pfmvg.Evaluation.Tables;

/// <summary>A published row: one score per class in the order of <see cref="PublishedScores.Classes"/>.</summary>
/// <param name="PerClass">null where the paper prints "-": no valid answer in that class.</param>
/// <param name="Mean">The published average over the eight classes.</param>
/// <param name="Weighted">The published weighted score; null when the paper gives none.</param>
public sealed record PublishedRow(IReadOnlyList<double?> PerClass, double? Mean, double? Weighted);

/// <summary>The tables of the PFMVG paper (MS-CXR), by table and then by method.</summary>
/// <param name="Classes">The eight classes of MS-CXR in the order of the paper.</param>
/// <param name="PhraseCounts">Phrases per class in MS-CXR, in that order.</param>
/// <param name="Iou">Table 1: IoU.</param>
/// <param name="Dice">Table 2: Dice.</param>
/// <param name="AblationIou">Table 3: IoU without and with each training stage.</param>
/// <param name="AblationDice">Table 4: Dice, likewise.</param>
public sealed record PublishedScores(
    IReadOnlyList<string> Classes,
    IReadOnlyList<int> PhraseCounts,
    IReadOnlyDictionary<string, PublishedRow> Iou,
    IReadOnlyDictionary<string, PublishedRow> Dice,
    IReadOnlyDictionary<string, PublishedRow> AblationIou,
    IReadOnlyDictionary<string, PublishedRow> AblationDice)
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Reads the tables that are built into the library.</summary>
    public static PublishedScores Load()
    {
        using var stream = typeof(PublishedScores).Assembly.GetManifestResourceStream("published-scores.json")!;
        using var document = JsonDocument.Parse(stream);
        var root = document.RootElement;
        string[] classes = [.. root.GetProperty("classes").EnumerateArray().Select(name => name.GetString()!)];
        var counts = root.GetProperty("ms_cxr_phrase_counts");
        return new PublishedScores(
            classes,
            [.. classes.Select(name => counts.GetProperty(name).GetInt32())],
            Table("iou"), Table("dice"), Table("ablation_iou"), Table("ablation_dice"));

        IReadOnlyDictionary<string, PublishedRow> Table(string name) =>
            root.GetProperty(name).Deserialize<OrderedDictionary<string, PublishedRow>>(Options)!;
    }
}
