using System.Globalization;
using System.Text.RegularExpressions;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Measures;

/// <summary>A further measure, or a family of them that is computed together. docs/evaluation.md defines each.</summary>
internal enum MeasureKind
{
    /// <summary>Mean average precision, at a threshold or averaged over .5:.95.</summary>
    Map,

    /// <summary>Share of the protocol's samples with IoU beyond a threshold.</summary>
    Acc,

    /// <summary>Precision, recall and F1 of single boxes at a threshold.</summary>
    Regions,

    /// <summary>F1 of a phrase's boxes at a threshold, and the share of phrases where it is 1.</summary>
    Set,

    /// <summary>Share of phrases whose point lies in the truth.</summary>
    Pointing,

    /// <summary>Distance between centres.</summary>
    Center,

    /// <summary>RadFact's precision and recall of boxes.</summary>
    RadFact,

    /// <summary>Share of the true area that is covered, and share of the predicted area that is true.</summary>
    Coverage,

    /// <summary>Whether a phrase without a true box is answered by no box, and the others by one.</summary>
    Abstention,

    /// <summary>How many boxes an answer has, and the IoU of the best pairing with the true ones.</summary>
    Boxes,

    /// <summary>Contrast-to-noise ratio of a heat map.</summary>
    Cnr,

    /// <summary>IoU and Dice of a heat map at each threshold.</summary>
    Thresholds,
}

/// <summary>A measure that was asked for.</summary>
/// <param name="Kind">Which one.</param>
/// <param name="Threshold">The threshold of IoU; null where there is none, and for the average over .5:.95.</param>
internal sealed partial record MeasureRequest(MeasureKind Kind, double? Threshold = null)
{
    /// <summary>COCO's thresholds 0.5, 0.55, ..., 0.95.</summary>
    public static readonly double[] CocoThresholds = [.. Enumerable.Range(0, 10).Select(i => (50 + 5 * i) / 100.0)];

    /// <summary>What can be asked for, as it is written.</summary>
    public const string Names =
        "map, map@T, acc@T, regions@T, set@T, pointing, center, radfact, coverage, abstention, boxes; of heat maps pointing, cnr, "
        + "thresholds; all (but boxes)";

    private static readonly MeasureRequest[] OfMaps = [new(MeasureKind.Pointing), new(MeasureKind.Cnr), new(MeasureKind.Thresholds)];

    private static readonly MeasureRequest[] OfBoxes =
    [
        new(MeasureKind.Map), new(MeasureKind.Map, 0.5), new(MeasureKind.Map, 0.75),
        .. Enumerable.Select([0.1, 0.3, 0.5, 0.7], t => new MeasureRequest(MeasureKind.Acc, t)),
        new(MeasureKind.Regions, 0.5), new(MeasureKind.Set, 0.5), new(MeasureKind.Pointing), new(MeasureKind.Center),
        new(MeasureKind.RadFact), new(MeasureKind.Coverage), new(MeasureKind.Abstention),
    ];

    /// <summary>Reads a list such as "map,acc@0.4,pointing", or "all": what the answers of the protocol have.</summary>
    /// <exception cref="InputException">A name is none, or its measure is not one of the protocol's answers.</exception>
    public static IReadOnlyList<MeasureRequest> Parse(string list, Protocol protocol)
    {
        MeasureRequest[] possible = protocol == Protocol.MaskThresholds ? OfMaps
            : protocol == Protocol.Map50 ? [.. OfBoxes.Where(request => request.Kind != MeasureKind.Acc)] : OfBoxes;
        return [.. list.Split(',', StringSplitOptions.TrimEntries).SelectMany(name => name == "all" ? possible : [One(name)]).Distinct()];

        MeasureRequest One(string name)
        {
            var match = Form().Match(name);
            var threshold = match.Groups["t"] is { Success: true } written
                ? double.Parse(written.ValueSpan, CultureInfo.InvariantCulture) : (double?)null;
            if (!match.Success || !Enum.TryParse<MeasureKind>(match.Groups["kind"].ValueSpan, ignoreCase: true, out var kind)
                || match.Groups["coco"].Success && kind != MeasureKind.Map)
                throw Wrong("there is no such measure");
            var wants = kind is MeasureKind.Acc or MeasureKind.Regions or MeasureKind.Set;
            if (wants && threshold is null) throw Wrong("it needs a threshold of IoU, as in " + name + "@0.5");
            if (threshold is not null && !(wants || kind == MeasureKind.Map)) throw Wrong("this measure has no threshold");
            if (threshold is > 1 || threshold == 0 && kind != MeasureKind.Acc) throw Wrong("the threshold of IoU is above 0 and at most 1");
            return possible.Any(request => request.Kind == kind) || kind == MeasureKind.Boxes && possible != OfMaps
                ? new MeasureRequest(kind, threshold)
                : throw Wrong($"the protocol {ProtocolDescription.Names[(int)protocol]} has no such measure");

            InputException Wrong(string what) => new($"--metrics {name}: {what}; use some of {Names}.");
        }
    }

    /// <summary>How the measure is defined, in a sentence for the note under a table.</summary>
    public string Rule => Kind switch
    {
        MeasureKind.Map => "map@T: mean over the classes of COCO's average precision at IoU >= T; map@[.5:.95]: averaged over T = 0.5, "
            + "0.55, ..., 0.95; n: true boxes",
        MeasureKind.Acc => "acc@T: share of the protocol's samples with IoU beyond T",
        MeasureKind.Regions => "precision, recall, f1@T: of all boxes; predicted and true ones of a phrase are paired one to one, the "
            + "largest IoU first, if IoU >= T",
        MeasureKind.Set => "set_f1, set_exact@T: per phrase, F1 of its boxes paired one to one at IoU >= T, and whether it is 1; a phrase "
            + "without a true box counts 1 if it is answered by no box",
        MeasureKind.Pointing => "pointing: the centre of the answer's box (of a map the centre of its highest cell, of equal ones the "
            + "first row by row) lies in a true box of the phrase, edges included; no answer counts 0",
        MeasureKind.Center => "center_error: from the centre of the answer's box to the nearest true box's, in diagonals of the picture "
            + "and in pixels; answers without a box have none and are left out",
        MeasureKind.RadFact => "radfact_precision: share of phrases answered by boxes where more than half of their area is in true boxes; "
            + "radfact_recall: share of phrases with true boxes where more than half of their area is in predicted ones",
        MeasureKind.Coverage => "coverage: share of a phrase's true area that predicted boxes cover; iobb: share of its predicted area "
            + "that is true; no box counts 0",
        MeasureKind.Abstention => "n_acc: share of phrases without a true box that are answered by no box (unanswered ones are left out); "
            + "t_acc: share of phrases with a true box that are not",
        MeasureKind.Boxes => "count_right: share of phrases that are answered by as many boxes as they have; set_iou: per phrase, summed "
            + "IoU of the one-to-one pairing that has most of it, over the larger of both numbers of boxes",
        MeasureKind.Cnr => "cnr: mean inside the true boxes minus mean outside, over the root of the summed variances; cnr_abs: its "
            + "absolute value per phrase; no map or a spoiled one counts 0; one without values on both sides, or flat on both, is left out",
        _ => $"iou, dice@mask...: of the map above each of {string.Join(", ", HeatMap.Thresholds.Select(Text))}",
    };

    /// <summary>A threshold as it is printed.</summary>
    public static string Text(double threshold) => threshold.ToString("0.0########", CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?<kind>[a-z]+)(?:@(?<t>[0-9]{0,2}\.?[0-9]{1,9})|(?<coco>@\[0?\.50?:0?\.95\]))?$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Form();
}
