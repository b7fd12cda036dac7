using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>The phrases of an evaluation that name nothing in their picture; none where `eval.negatives` is 0.</summary>
internal sealed class NegativeQuestions
{
    private readonly Dictionary<string, NegativeKind> _kinds;

    private NegativeQuestions(IReadOnlyList<(Sample Sample, NegativeKind Kind)> drawn)
    {
        Samples = [.. drawn.Select(negative => negative.Sample)];
        _kinds = drawn.ToDictionary(negative => negative.Sample.Id, negative => negative.Kind);
    }

    /// <summary>Makes them from all phrases of a split, as many as the configuration says.</summary>
    /// <param name="split">All of its phrases; those with a true box are asked.</param>
    /// <param name="configuration">Share and seed.</param>
    /// <param name="folder">Where the data are, for messages.</param>
    /// <exception cref="InputException">None can be made.</exception>
    public static NegativeQuestions Of(IReadOnlyList<Sample> split, PfmvgConfiguration configuration, string folder)
    {
        var (share, phrases) = (configuration.Eval.Negatives, split.Count(sample => sample.Boxes.Count > 0));
        if (share == 0) return new NegativeQuestions([]);
        var drawn = new NegativePhrases(split, configuration.Seed).Draw(NegativePhrases.Count(share, phrases));
        return drawn.Count > 0 ? new NegativeQuestions(drawn)
            : throw new InputException($"{folder}: no phrase of the split can be asked that names nothing in its picture (eval.negatives): "
                + "the phrases have no class, or every picture has every class, and there are no normal sentences; set it to 0.");
    }

    /// <summary>The questions.</summary>
    public IReadOnlyList<Sample> Samples { get; }

    /// <summary>The file of their answers in a run folder.</summary>
    public static string FileOf(RunFolder folder) => folder.In("negatives.jsonl");

    /// <summary>Whether they are still to be asked.</summary>
    public bool AreMissing(RunFolder folder, bool continues) => Samples.Count > 0 && !(continues && File.Exists(FileOf(folder)));

    /// <summary>The answers in a run folder, with where their phrases come from.</summary>
    public IReadOnlyList<AnsweredNegative> In(RunFolder folder) =>
        Samples.Count == 0 || !File.Exists(FileOf(folder)) ? []
            : [.. PredictionFile.FromBytes(File.ReadAllBytes(FileOf(folder)), FileOf(folder)).Select(answer =>
                new AnsweredNegative(answer, AbstentionMeasures.Name(_kinds[answer.Id])))];
}
