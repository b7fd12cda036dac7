using System.Globalization;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Comparing;

/// <summary>Several runs of one method, or of two, that answer the same questions with other seeds.</summary>
internal sealed class RunComparison
{
    private const int FewRuns = 10;

    private readonly IReadOnlyList<IReadOnlyList<ScoreTable>> _methods;
    private readonly Metric[] _metrics;
    private readonly string? _leftOut;

    private RunComparison(IReadOnlyList<IReadOnlyList<ScoreTable>> methods, Metric[] metrics, string? leftOut)
    {
        (_methods, _metrics, _leftOut) = (methods, metrics, leftOut);
        (Methods, Differences) = new RunStatistics(methods, metrics).Estimate(First.Options.Resamples, First.Options.Seed);
    }

    /// <summary>The figures of each method as [row][metric] in one list: the classes, their mean, the weighted row.</summary>
    public IReadOnlyList<RunFigure[]> Methods { get; }

    /// <summary>The second method's figures less the first's, in the same order; empty for one method.</summary>
    public Estimate[] Differences { get; }

    private ScoreTable First => _methods[0][0];

    private int Rows => First.Classes.Count + 2;

    /// <summary>Scores over the runs of one method.</summary>
    /// <param name="runs">The scores of each run; resamples and seed are taken from the first one's options.</param>
    /// <param name="names">What messages call them.</param>
    /// <param name="metrics">The figures wanted; all by default.</param>
    /// <exception cref="InputException">The runs have other rules or other samples.</exception>
    public static RunComparison Of(IReadOnlyList<ScoreTable> runs, IReadOnlyList<string> names, IReadOnlyList<Metric>? metrics = null) =>
        Of([runs], names, [.. metrics ?? runs[0].Metrics], null);

    /// <summary>The difference of two methods, each with its runs.</summary>
    /// <param name="a">The first method's runs.</param>
    /// <param name="b">The second method's runs.</param>
    /// <param name="names">What messages call all of them.</param>
    /// <param name="leftOut">What was left out before the scores; null for nothing.</param>
    /// <exception cref="InputException">The runs have other rules or other samples.</exception>
    public static RunComparison Between(
        IReadOnlyList<ScoreTable> a, IReadOnlyList<ScoreTable> b, IReadOnlyList<string> names, string? leftOut = null) =>
        Of([a, b], names, [.. Comparison.MetricsOf(b[0])], leftOut);

    private static RunComparison Of(
        IReadOnlyList<IReadOnlyList<ScoreTable>> methods, IReadOnlyList<string> names, Metric[] metrics, string? leftOut)
    {
        var all = methods.SelectMany(runs => runs).ToList();
        for (var i = 1; i < all.Count; i++) _ = Comparison.Pair(all[0], all[i], (names[0], names[i]));
        return new RunComparison(methods, metrics, leftOut);
    }

    /// <summary>A figure of the second method less the first's.</summary>
    public Estimate Difference(int row, Metric metric) => Differences[At(row, metric)];

    /// <summary>A figure over a method's runs.</summary>
    public RunFigure Figure(int method, int row, Metric metric) => Methods[method][At(row, metric)];

    /// <summary>The scores over the runs: mean with interval and standard deviation of each figure.</summary>
    public TextGrid PerClass(IReadOnlyList<Metric> shown) => new(
        $"Scores over {_methods[0].Count} runs, protocol {First.Protocol.Name}",
        ["class", "n", .. shown.SelectMany(metric => new[] { ScoreGrid.Label(metric), $"{ScoreGrid.Label(metric)} SD" })],
        [.. Lines(r => [.. shown.SelectMany(metric => Cells(0, r, metric))])],
        [
            .. ScoreGrid.Rules(First),
            "Each figure is the mean over the runs; SD is the standard deviation over them (by their number less one).",
            .. Uncertainty(),
            .. First.Notes,
        ]);

    /// <summary>The weighted figures of each run.</summary>
    public TextGrid EachRun(IReadOnlyList<Metric> shown, IReadOnlyList<string> files) => new(
        "The runs, weighted figures", ["run", .. shown.Select(ScoreGrid.Label)],
        [.. files.Index().Select(run => (IReadOnlyList<string>)[
            run.Item, .. shown.Select(metric => ScoreGrid.Figure(Figure(0, Rows - 1, metric).Runs[run.Index]))])],
        []);

    /// <summary>One figure of two methods.</summary>
    public TextGrid Grid(Metric metric) => new(
        $"{ScoreGrid.Label(metric)} over the runs, B - A", ["class", "n", "A", "A SD", "B", "B SD", "B - A"],
        [.. Lines(r => [.. Cells(0, r, metric), .. Cells(1, r, metric), Comparison.Signed(Difference(r, metric))])],
        [
            $"A and B: means over {_methods[0].Count} and {_methods[1].Count} runs; SD is the standard deviation over them (by their "
                + "number less one).",
            $"Protocol {First.Protocol.Name}; n = {First.Phrases} phrases, {First.Boxes} boxes. " +
                $"Several boxes: {First.Protocol.MultiBox}. Failures: {First.Protocol.Failure}.",
            .. Uncertainty(),
            .. _leftOut is null ? (string[])[] : [_leftOut],
            .. First.Notes,
        ]);

    /// <summary>
    /// Every figure as lines of a tidy table: the mean over a method's runs with its interval, its standard deviation (<c>_sd</c>), and the
    /// difference of two methods.
    /// </summary>
    /// <param name="names">The methods.</param>
    public TidyTable Tidy(params string[] names)
    {
        return new TidyTable($"Scores over runs, protocol {First.Protocol.Name}",
        [
            .. from r in Enumerable.Range(0, Rows)
               from metric in _metrics
               from line in Lines(r, metric)
               select line,
        ], [.. Uncertainty(), .. First.Notes], []);

        IEnumerable<TidyRow> Lines(int row, Metric metric)
        {
            for (var method = 0; method < _methods.Count; method++)
            {
                yield return Line(ScoreGrid.Key(metric), Figure(method, row, metric).Mean, names[method]);
                var deviation = Figure(method, row, metric).Deviation;
                yield return Line($"{ScoreGrid.Key(metric)}_sd", new Estimate(deviation, double.NaN, double.NaN), names[method]);
            }

            if (_methods.Count > 1) yield return Line(ScoreGrid.Key(metric), Difference(row, metric), $"{names[1]} - {names[0]}");

            TidyRow Line(string key, Estimate figure, string answers)
            {
                var of = MethodComparison.Row(First, row);
                return new TidyRow(of.Name, key, figure.Value, figure.Low, figure.High, of.Count, First.Protocol.Name,
                    TidyTable.Rule(First.Options), answers);
            }
        }
    }

    private IEnumerable<string> Uncertainty()
    {
        if (First.Options.Resamples == 0) yield break;
        yield return FormattableString.Invariant($"Intervals: 95 %, {First.Options.Resamples:N0} bootstrap resamples that draw ")
            + $"{First.Clusters} {First.ClusterKind}s and{(_methods.Count > 1 ? ", for A and B by themselves," : "")} the runs, seed "
            + $"{First.Options.Seed}, percentile.";
        if (_methods.Min(runs => runs.Count) < FewRuns)
            yield return $"Fewer than {FewRuns} runs: where the runs vary more than the patients, these intervals are too narrow (a "
                + "simulation finds 84 % instead of 95 % at 3 runs that vary twice as much, 90 % at runs that vary as much).";
    }

    private IEnumerable<string> Cells(int method, int row, Metric metric)
    {
        var nothing = _methods[method].All(run => MethodComparison.Row(run, row).Valid == 0);
        var figure = Figure(method, row, metric);
        return nothing ? ["-", "-"] : [ScoreGrid.Cell(figure.Mean), ScoreGrid.Figure(figure.Deviation)];
    }

    private IEnumerable<IReadOnlyList<string>> Lines(Func<int, IEnumerable<string>> cells) =>
        Enumerable.Range(0, Rows).Select(r => (Index: r, Row: MethodComparison.Row(First, r))).Select(row => (IReadOnlyList<string>)[
            row.Row.Name, row.Row.Count.ToString(CultureInfo.InvariantCulture), .. cells(row.Index)]);

    private int At(int row, Metric metric) => row * _metrics.Length + Array.IndexOf(_metrics, metric);
}
