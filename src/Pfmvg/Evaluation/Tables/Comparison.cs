using System.Globalization;
using Pfmvg.Data.Files;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Tables;

/// <summary>The difference B - A of one figure over the same samples.</summary>
/// <param name="A">The figure of A.</param>
/// <param name="B">The figure of B.</param>
/// <param name="Difference">B - A with its 95 % interval, patients drawn together.</param>
/// <param name="P">
/// Two-sided p value: how often a difference at least as large arises when each patient's answers of A and B change places at
/// random.
/// </param>
/// <param name="Adjusted">The p value with Holm's correction over the classes; equal to <paramref name="P"/> in a summary row.</param>
public sealed record PairedDifference(double A, double B, Estimate Difference, double P, double Adjusted);

/// <summary>One line of a comparison.</summary>
/// <param name="Name">Class, "mean" or "weighted".</param>
/// <param name="Count">Samples.</param>
/// <param name="Figures">The difference of each figure.</param>
public sealed record ComparisonRow(string Name, int Count, IReadOnlyDictionary<Metric, PairedDifference> Figures);

/// <summary>A sample in both sets.</summary>
public sealed record SampleChange(ScoredSample A, ScoredSample B)
{
    /// <summary>IoU of B minus IoU of A.</summary>
    public double Iou => B.Iou - A.Iou;
}

/// <summary>A paired comparison of two sets of answers to the same questions.</summary>
public sealed record Comparison
{
    private static readonly Metric[] OfSamples = [Metric.Iou, Metric.Dice, Metric.Accuracy50];

    /// <summary>The scores of A and of B.</summary>
    public required (ScoreTable A, ScoreTable B) Tables { get; init; }

    /// <summary>The classes, then "mean" and "weighted".</summary>
    public required IReadOnlyList<ComparisonRow> Rows { get; init; }

    /// <summary>Every sample in both, the largest change of IoU first.</summary>
    public required IReadOnlyList<SampleChange> Changes { get; init; }

    /// <summary>The figures that are compared, in order of importance.</summary>
    public IReadOnlyList<Metric> Metrics => MetricsOf(Tables.B);

    /// <summary>The figures of a table that can be compared: average precision where the protocol has it.</summary>
    internal static IReadOnlyList<Metric> MetricsOf(ScoreTable table) =>
        table.Options.Protocol == Protocol.Map50 ? table.Metrics : OfSamples;

    /// <summary>Whether boxes are compared with heat maps, each by the measure of its kind.</summary>
    internal bool IsMixed => IsBoxesBesideMaps(Tables.A.Options.Protocol, Tables.B.Options.Protocol);

    // Both take a phrase of a picture as a sample, and the union of its true boxes as the truth.
    private static bool IsBoxesBesideMaps(Protocol a, Protocol b) =>
        (a, b) is (Protocol.PhraseUnion, Protocol.MaskThresholds) or (Protocol.MaskThresholds, Protocol.PhraseUnion);

    /// <summary>What was left out before the scores, for the note under the tables; null for nothing.</summary>
    public string? LeftOut { get; init; }

    /// <summary>The predictions of two sets whose samples are in both, and what a reader must know about the others.</summary>
    /// <exception cref="InputException">No sample is in both.</exception>
    public static (IReadOnlyList<Prediction> A, IReadOnlyList<Prediction> B, string LeftOut) Common(
        IReadOnlyList<Prediction> a, IReadOnlyList<Prediction> b)
    {
        var (inA, inB) = (a.Select(row => row.Id).ToHashSet(IdComparer.Instance), b.Select(row => row.Id).ToHashSet(IdComparer.Instance));
        var (onlyA, onlyB) = (a.Count(row => !inB.Contains(row.Id)), b.Count(row => !inA.Contains(row.Id)));
        if (onlyA == a.Count)
            throw new InputException($"None of A's {a.Count} samples is among B's {b.Count}; there is nothing to compare.");
        return ([.. a.Where(row => inB.Contains(row.Id))], [.. b.Where(row => inA.Contains(row.Id))],
            $"Compared: the {a.Count - onlyA} samples that are in both; {onlyA} only in A and {onlyB} only in B are left out.");
    }

    /// <summary>Compares two tables of the same protocol over the same samples.</summary>
    /// <param name="a">Scores of the first set.</param>
    /// <param name="b">Scores of the second set; resamples and seed are taken from its options.</param>
    /// <exception cref="InputException">The tables have other rules or other samples.</exception>
    public static Comparison Between(ScoreTable a, ScoreTable b) => Between(a, b, ("A", "B"));

    /// <summary>The same, with other names of the sets in messages.</summary>
    internal static Comparison Between(ScoreTable a, ScoreTable b, (string A, string B) sets)
    {
        var pairs = Pair(a, b, sets);
        var place = Scorer.InOrder(b.Samples).Index().ToDictionary(sample => sample.Item, sample => sample.Index);
        pairs.Sort((one, other) => place[one.B].CompareTo(place[other.B])); // sums and draws do not depend on the order of the rows
        var options = b.Options;
        var clusters = pairs.Select(pair => pair.B.Cluster).Distinct().Select((name, index) => (name, index))
            .ToDictionary(c => c.name, c => c.index);
        var classes = b.Classes.Select(row => pairs.FindAll(pair => pair.B.Prediction.Class == row.Name)).ToList();
        var names = b.Classes.Select(row => row.Name).Append("mean").Append("weighted").ToList();
        var rows = names.Select(_ => new Dictionary<Metric, PairedDifference>()).ToList();
        if (options.Protocol == Protocol.Map50) // belongs to no single sample
        {
            Metric[] metrics = [.. b.Metrics];
            var (differences, ps) = new PairedFigures(a, b, metrics).Estimate(options.Resamples, options.Seed, options.Intervals);
            foreach (var (m, metric) in metrics.Index())
                Add(metric, [.. differences.Where((_, f) => f % metrics.Length == m)], [.. ps.Where((_, f) => f % metrics.Length == m)]);
        }
        else
        {
            foreach (var metric in OfSamples)
            {
                var paired = new PairedStatistics(classes.ConvertAll(members => members.ConvertAll(
                    pair => (Value(metric, pair.B) - Value(metric, pair.A), clusters[pair.B.Cluster]))), clusters.Count);
                var (differences, ps) = paired.Estimate(options.Resamples, options.Seed, options.Intervals);
                Add(metric, differences, ps);
            }
        }

        return new Comparison
        {
            Tables = (a, b),
            Rows = [.. names.Select((name, row) => new ComparisonRow(name,
                row < classes.Count ? b.Classes[row].Count : b.Weighted.Count, rows[row]))],
            Changes = [.. pairs.OrderByDescending(change => Math.Abs(change.Iou))], // LINQ's order is stable
        };

        void Add(Metric metric, Estimate[] differences, double[] ps)
        {
            var adjusted = Holm.Adjust(ps.AsSpan(0, classes.Count));
            for (var row = 0; row < rows.Count; row++)
            {
                var (rowA, rowB) = row < classes.Count ? (a.Classes[row], b.Classes[row])
                    : row == classes.Count ? (a.Mean, b.Mean) : (a.Weighted, b.Weighted);
                rows[row][metric] = new PairedDifference(rowA[metric].Value, rowB[metric].Value, differences[row], ps[row],
                    row < classes.Count ? adjusted[row] : ps[row]);
            }
        }

        double Value(Metric metric, ScoredSample sample) => metric switch
        {
            Metric.Iou => sample.Iou,
            Metric.Dice => sample.Dice,
            _ => TableStatistics.IsBeyond(sample.Iou, 0.5, options) ? 1 : 0,
        };
    }

    /// <summary>The comparison as a table of one figure.</summary>
    public TextGrid Grid(Metric metric = Metric.Iou)
    {
        var label = ScoreGrid.Label(metric);
        var (table, resamples) = (Tables.B, Tables.B.Options.Resamples.ToString("N0", CultureInfo.InvariantCulture));
        ScoreRow[] a = [.. Tables.A.Classes, Tables.A.Mean, Tables.A.Weighted], b = [.. table.Classes, table.Mean, table.Weighted];
        return new TextGrid($"{label}, B - A", ["class", "n", "A", "B", "B - A", "p", "p (Holm)"],
            [.. Rows.Select((row, r) => (IReadOnlyList<string>)[
                row.Name, row.Count.ToString(CultureInfo.InvariantCulture),
                .. Cells(row.Figures[metric], a[r], b[r], r < Rows.Count - 2)])],
            [
                .. Protocols(),
                $"Intervals: 95 %, {resamples} bootstrap resamples of {table.Clusters} {table.ClusterKind}s, " +
                    $"both sets drawn together, seed {table.Options.Seed}, {ScoringRules.Method(table.Options.Intervals)}.",
                $"p: two-sided, {resamples} random exchanges of A and B within {table.ClusterKind}s; " +
                    $"Holm's correction is over the {Rows.Count - 2} classes.",
                $"Failures count 0 in the difference. {ScoreGrid.Signs}",
                ScoreGrid.Further(table),
                .. LeftOut is null ? (string[])[] : [LeftOut],
                .. table.Notes,
            ]);

        IReadOnlyList<string> Protocols()
        {
            var size = $"n = {table.Phrases} phrases, {table.Boxes} boxes.";
            if (!IsMixed) return [$"Protocol {table.Protocol.Name}; {size} {Rule(table)}"];
            return
            [
                $"TWO MEASURES: A by {Tables.A.Protocol.Name}, B by {table.Protocol.Name}; {size} A difference is one of the methods "
                    + "and of the measures together.",
                $"A: {Rule(Tables.A)}", $"B: {Rule(table)}", ScoreGrid.Further(Tables.A),
            ];
        }

        static string Rule(ScoreTable table) => $"Several boxes: {table.Protocol.MultiBox}. Failures: {table.Protocol.Failure}.";

        static IEnumerable<string> Cells(PairedDifference d, ScoreRow a, ScoreRow b, bool isClass) =>
        [
            ScoreGrid.Figure(a, d.A), ScoreGrid.Figure(b, d.B), Signed(d.Difference), Probability(d.P),
            isClass ? Probability(d.Adjusted) : "",
        ];
    }

    /// <summary>A difference with its interval, both with their signs.</summary>
    internal static string Signed(Estimate difference) =>
        difference.HasInterval ? $"{Signed(difference.Value)} [{Signed(difference.Low)}, {Signed(difference.High)}]"
            : Signed(difference.Value);

    /// <summary>A p value to three decimals.</summary>
    internal static string Probability(double p) =>
        double.IsNaN(p) ? "n/a" : p < 0.001 ? "< 0.001" : p.ToString("0.000", CultureInfo.InvariantCulture);

    private static string Signed(double value) => value.ToString("+0.000;-0.000;0.000", CultureInfo.InvariantCulture);

    /// <summary>The samples whose IoU changed most.</summary>
    /// <param name="count">How many.</param>
    /// <param name="withPhrases">Shows identifiers and phrases, which are patient data in MS-CXR.</param>
    public TextGrid ChangesGrid(int count = 10, bool withPhrases = true)
    {
        string[] columns = ["sample", "class", "IoU A", "IoU B", "B - A"];
        return new TextGrid(
            $"The {Math.Min(count, Changes.Count)} samples that changed most",
            withPhrases ? [.. columns, "phrase"] : columns,
            [.. Changes.Take(count).Select(Row)],
            []);

        IReadOnlyList<string> Row(SampleChange change, int i)
        {
            string[] cells =
            [
                withPhrases ? change.B.Id : $"#{i + 1}", change.B.Prediction.Class,
                ScoreGrid.Figure(change.A.Iou), ScoreGrid.Figure(change.B.Iou), Signed(change.Iou),
            ];
            return withPhrases ? [.. cells, change.B.Prediction.Phrase] : cells;
        }
    }

    /// <summary>The samples of two tables, side by side.</summary>
    /// <exception cref="InputException">The tables have other rules or other samples.</exception>
    internal static List<SampleChange> Pair(ScoreTable a, ScoreTable b, (string A, string B) sets)
    {
        var (nameA, nameB) = sets;
        if (a.Protocol != b.Protocol && !IsBoxesBesideMaps(a.Options.Protocol, b.Options.Protocol))
            throw new InputException(
                $"{nameA} was scored by {a.Protocol.Name} and {nameB} by {b.Protocol.Name}, or by other rules; only equal rules compare.");
        // A phrase that is asked several times is one sample, whichever of its rows comes first.
        var inA = a.Samples.ToDictionary(sample => sample.Key);
        List<ScoredSample> onlyB = [];
        List<SampleChange> pairs = [];
        foreach (var sample in b.Samples)
        {
            if (!inA.Remove(sample.Key, out var other))
            {
                onlyB.Add(sample);
                continue;
            }

            if (other.Prediction.Class != sample.Prediction.Class || !other.Truth.ToHashSet().SetEquals(sample.Truth))
                throw new InputException($"The sample '{sample.Id}' has another class or another truth in {nameA} than in {nameB}; " +
                    "compare answers to the same questions.");
            pairs.Add(new SampleChange(other, sample));
        }

        if (onlyB.Count + inA.Count == 0) return pairs;
        throw new InputException($"{nameA} has {a.Samples.Count} samples and {nameB} has {b.Samples.Count}: "
            + $"{Missing(inA.Values, nameA, nameB)} and {Missing(onlyB, nameB, nameA)}; "
            + "compare answers to the same questions, or with --common what is in both.");

        static string Missing(IReadOnlyCollection<ScoredSample> samples, string here, string there) => samples.Count == 0
            ? $"none is only in {here}"
            : $"{samples.Count} {(samples.Count == 1 ? "is" : "are")} in {here}, but not in {there} (the first is '{samples.First().Id}')";
    }
}
