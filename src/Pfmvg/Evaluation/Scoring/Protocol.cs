using Pfmvg.Configuration;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Scoring;

/// <summary>The ways in which the literature scores phrase grounding. Their figures are not comparable with each other.</summary>
public enum Protocol
{
    /// <summary>
    /// One sample per true box, as PFMVG's authors train and score: a phrase with two boxes is two samples with the same text.
    /// </summary>
    PfmvgBox,

    /// <summary>One sample per phrase: the union of its true boxes against the union of the predicted ones.</summary>
    PhraseUnion,

    /// <summary>Only the phrases with exactly one true box: mean IoU and accuracy.</summary>
    SingleBox,

    /// <summary>
    /// Heat maps cut at 0.1, 0.2, 0.3, 0.4 and 0.5; each mask is scored against the union of the true boxes, and the five
    /// scores are averaged.
    /// </summary>
    MaskThresholds,

    /// <summary>
    /// Average precision per class at IoU 0.5, of boxes with confidences; the boxes of a phrase compete for its true boxes.
    /// </summary>
    Map50,
}

/// <summary>What happens to an answer with a flaw.</summary>
public enum AnswerRule
{
    /// <summary>The numbers count as they stand: swapped corners cover nothing, a box beyond the picture stays beyond it.</summary>
    Raw,

    /// <summary>Corners are sorted and clamped to the picture first.</summary>
    Repair,

    /// <summary>
    /// Every flaw scores 0, even a box partly outside, more boxes than the phrase has where one counts, and an answer that was cut off.
    /// </summary>
    Strict,

    /// <summary>Exactly the authors' evaluator: the answer must begin with a box, and every side is one pixel longer.</summary>
    Original,
}

/// <summary>The rules behind a table, in words; printed with every table.</summary>
/// <param name="Name">The protocol's name on the command line.</param>
/// <param name="Sample">What one sample is.</param>
/// <param name="MultiBox">What happens when there are several true or predicted boxes.</param>
/// <param name="Failure">What a flawed or missing answer scores.</param>
/// <param name="Area">How areas are measured.</param>
public sealed record ProtocolDescription(string Name, string Sample, string MultiBox, string Failure, string Area)
{
    /// <summary>The names on the command line, in the order of <see cref="Protocol"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = ["pfmvg-box", "phrase-union", "single-box", "mask-thresholds", "map50"];

    /// <summary>The protocol of a name.</summary>
    /// <exception cref="InputException">There is no such protocol.</exception>
    public static Protocol Parse(string name)
    {
        for (var i = 0; i < Names.Count; i++)
            if (Names[i].Equals(name, StringComparison.OrdinalIgnoreCase)) return (Protocol)i;
        throw new InputException($"There is no protocol '{name}'; use one of {string.Join(", ", Names)}.");
    }

    /// <summary>Which box counts where one does.</summary>
    internal const string One = "the answer's most certain box, or its first where it carries no confidences";

    /// <summary>The rules that these options mean.</summary>
    public static ProtocolDescription Describe(ScoringOptions options)
    {
        var (sample, multiBox) = options.Protocol switch
        {
            Protocol.PfmvgBox => ("one true box of a phrase", $"each true box is a sample of its own; what counts for it is {One}"),
            Protocol.PhraseUnion => ("one phrase of a picture", "union of all true boxes against the union of all predicted boxes"),
            Protocol.SingleBox => ("one phrase with exactly one true box",
                $"phrases with several true boxes are left out; what counts is {One}"),
            Protocol.MaskThresholds => ("one phrase of a picture",
                "union of all true boxes against the map " + (options.MapScale == MapScale.Minmax
                    ? "(each scaled to -1..1 by its least and most) " : "") + "above each of 0.1, 0.2, 0.3, 0.4, 0.5; mean over the five"),
            _ => ("one predicted box",
                "by falling confidence, each of a phrase's 100 most certain takes the free true box that it overlaps most, if IoU >= 0.5; "
                + "any other box is a false positive"),
        };
        var failure = (options.Protocol, options.Rule) switch
        {
            (Protocol.MaskThresholds, _) => "no map" + (options.HeatMapMayHaveHoles ? "" : ", a map with NaN or infinite values")
                + " or one without a value above 0.1 scores 0",
            (_, AnswerRule.Raw) => "no box, swapped corners or an empty box score 0; numbers beyond the picture count as they stand",
            (_, AnswerRule.Repair) => "corners are sorted and clamped to the picture first; no box or an empty one scores 0",
            (_, AnswerRule.Strict) =>
                "any flaw scores 0: no box, too few numbers, out of range, swapped, empty, cut off, more boxes than the phrase has where "
                + "one counts",
            _ => "as the authors' evaluator: an answer that does not begin with a box scores 0, the first four numbers count",
        };
        return new ProtocolDescription(Names[(int)options.Protocol], sample, multiBox, failure,
            options.AddsPixel ? "original pixels, one pixel added to each side (the authors' helper)" : "original pixels, continuous");
    }
}

/// <summary>How to score.</summary>
public sealed record ScoringOptions
{
    /// <summary>What a sample is.</summary>
    public Protocol Protocol { get; init; } = Protocol.PfmvgBox;

    /// <summary>The usual rules, and the settings that are about reading answers.</summary>
    public static ScoringOptions Of(EvalSettings settings) => new() { BoxReading = settings.BoxReading };

    /// <summary>What happens to flawed answers.</summary>
    public AnswerRule Rule { get; init; } = AnswerRule.Raw;

    /// <summary>How numbers on the grid of 0..100 are read in answers that are text.</summary>
    public BoxReading BoxReading { get; init; }

    /// <summary>Adds one pixel to every side, as the authors' helper does.</summary>
    public bool PlusOne { get; init; }

    /// <summary>Every side is one pixel longer, by <see cref="PlusOne"/> or by the rule.</summary>
    internal bool AddsPixel => PlusOne || Rule == AnswerRule.Original;

    /// <summary>Accuracy counts IoU >= threshold instead of IoU > threshold (which is what the authors' evaluator does).</summary>
    public bool InclusiveAccuracy { get; init; }

    /// <summary>NaN in a heat map counts as below every threshold instead of spoiling the whole map.</summary>
    public bool HeatMapMayHaveHoles { get; init; }

    /// <summary>What the thresholds of heat maps are compared with.</summary>
    internal MapScale MapScale { get; init; }

    /// <summary>Accepts heat maps that reach beyond 1, which is not the scale of the thresholds.</summary>
    public bool AnyHeatMapScale { get; init; }

    /// <summary>How the answers were read, for the rules that a table is printed with; null when they come from our own model.</summary>
    public ReadOptions? Reading { get; init; }

    /// <summary>How the ends of the intervals are found.</summary>
    public IntervalMethod Intervals { get; init; }

    /// <summary>Resamples for the 95 % intervals; 0 for none.</summary>
    public int Resamples { get; init; } = 10_000;

    /// <summary>Seed of the resamples.</summary>
    public long Seed { get; init; }

    /// <summary>The pictures are phantoms: every table and report says that the scores are not clinical.</summary>
    public bool Synthetic { get; init; }
}
