using System.Globalization;
using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Evaluation.Comparing;

/// <summary>A figure of a recipe over its seeds, and how it differs from the first recipe's.</summary>
/// <param name="Value">Mean over the seeds.</param>
/// <param name="Seeds">The figure of each seed.</param>
/// <param name="Difference">From the first recipe, with its 95 % interval.</param>
/// <param name="Together">The same with an interval corrected for the number of recipes tried.</param>
/// <param name="P">Two-sided p value; NaN of the first recipe and without resamples.</param>
/// <param name="Adjusted">The p value with Holm's correction over the recipes tried.</param>
internal sealed record RecipeFigure(
    double Value, IReadOnlyList<double> Seeds, Estimate Difference, Estimate Together, double P, double Adjusted);

/// <summary>
/// Recipes on the same questions, each with the same seeds: paired differences to the first recipe. A resample draws patients and seeds
/// with replacement, the same for both recipes, so the interval speaks of other patients and, as far as the seeds tell, of other seeds.
/// </summary>
internal sealed class RecipeComparison
{
    private static readonly Metric[] Compared = [Metric.Iou, Metric.Accuracy50];

    private readonly IReadOnlyList<IReadOnlyList<ScoreTable>> _tables; // [recipe][seed]
    private readonly IReadOnlyList<int> _seeds;
    private readonly Dictionary<Metric, RecipeFigure[]> _figures = [];

    /// <summary>Compares.</summary>
    /// <param name="names">The recipes; the first is the one that the others are compared with.</param>
    /// <param name="seeds">The seeds of each recipe's runs.</param>
    /// <param name="tables">[recipe][seed], by a protocol with an IoU; resamples and their seed are those of the first.</param>
    /// <exception cref="InputException">The tables have other rules or other samples.</exception>
    public RecipeComparison(IReadOnlyList<string> names, IReadOnlyList<int> seeds, IReadOnlyList<IReadOnlyList<ScoreTable>> tables)
    {
        (Names, _seeds, _tables) = (names, seeds, tables);
        foreach (var metric in Compared) _figures.Add(metric, Figures(metric));
    }

    /// <summary>The recipes' names.</summary>
    public IReadOnlyList<string> Names { get; }

    private ScoreTable First => _tables[0][0];

    private int Tried => Names.Count - 1;

    /// <summary>A recipe's figure.</summary>
    public RecipeFigure this[Metric metric, int recipe] => _figures[metric][recipe];

    /// <summary>The table.</summary>
    /// <param name="settings">Of each recipe what differs from the first one's settings.</param>
    public TextGrid Grid(IReadOnlyList<IReadOnlyList<string>> settings) => new(
        $"Recipes over {_seeds.Count} {(_seeds.Count == 1 ? "seed" : "seeds")}",
        ["recipe", .. Compared.SelectMany(metric => (string[])[Label(metric), "SD", "difference", "p (Holm)"])],
        [.. Names.Select((name, r) => (IReadOnlyList<string>)[name, .. Compared.SelectMany(metric => Cells(this[metric, r], r == 0))])],
        [
            $"Means over the seeds {string.Join(", ", _seeds)}; SD: over the seeds (by their number less one). Differences are from "
                + $"{Names[0]}, paired over samples and seeds.",
            $"Protocol {First.Protocol.Name}; n = {First.Phrases} phrases, {First.Boxes} boxes. Failures: {First.Protocol.Failure}.",
            .. First.Options.Resamples == 0 ? (string[])[] :
            [
                string.Create(CultureInfo.InvariantCulture, $"Intervals: {First.Options.Resamples:N0} bootstrap resamples of ")
                    + $"{First.Clusters} {First.ClusterKind}s and of the seeds, the same for both recipes, seed {First.Options.Seed}, "
                    + $"percentile; Bonferroni's correction for {Tried} {(Tried == 1 ? "recipe" : "recipes")} tried: all of a column hold "
                    + $"together with 95 %, each with {(1 - 0.05 / Tried).ToString("0.00 %", CultureInfo.InvariantCulture)}.",
                $"p: two-sided, random exchanges of the two recipes within {First.ClusterKind}s, about these seeds; Holm's correction for "
                    + "the recipes tried, each figure by itself.",
            ],
            .. Names.Index().Skip(1).Select(recipe => settings[recipe.Index].Count == 0 ? $"{recipe.Item}: the same settings."
                : $"{recipe.Item}: {string.Join("; ", settings[recipe.Index])}."),
            .. First.Notes,
        ]);

    /// <summary>Every number, also those that are not corrected, and of each seed.</summary>
    public byte[] ToJson(IReadOnlyList<IReadOnlyList<string>> settings, IReadOnlyList<IReadOnlyList<string>> folders)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, JsonOutput.Indented))
        {
            json.WriteStartObject();
            json.WriteString("protocol", First.Protocol.Name);
            json.WriteNumber("phrases", First.Phrases);
            json.WriteString("clusters_are", First.ClusterKind);
            json.WriteNumber("clusters", First.Clusters);
            json.WriteNumber("resamples", First.Options.Resamples);
            json.WriteNumber("recipes_tried", Tried);
            json.WriteString("correction", "together: Bonferroni; p_holm: Holm");
            json.WriteBoolean("synthetic", First.Options.Synthetic);
            json.WriteStartArray("recipes");
            foreach (var (r, name) in Names.Index())
            {
                json.WriteStartObject();
                json.WriteString("name", name);
                json.WriteStartArray("settings");
                foreach (var setting in settings[r]) json.WriteStringValue(setting);
                json.WriteEndArray();
                json.WriteStartArray("runs");
                foreach (var (s, seed) in _seeds.Index())
                {
                    json.WriteStartObject();
                    json.WriteNumber("seed", seed);
                    json.WriteString("folder", folders[r][s]);
                    foreach (var metric in Compared) json.WriteNumberOrNull(ScoreGrid.Key(metric), this[metric, r].Seeds[s]);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                foreach (var metric in Compared) Write(json, ScoreGrid.Key(metric), this[metric, r], r == 0);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Write(Utf8JsonWriter json, string key, RecipeFigure figure, bool isFirst)
    {
        json.WriteStartObject(key);
        json.WriteNumberOrNull("value", figure.Value);
        json.WriteNumberOrNull("sd", RunStatistics.Deviation(figure.Seeds));
        if (!isFirst)
        {
            json.WriteNumberOrNull("difference", figure.Difference.Value);
            json.WriteNumberOrNull("low", figure.Difference.Low);
            json.WriteNumberOrNull("high", figure.Difference.High);
            json.WriteNumberOrNull("low_together", figure.Together.Low);
            json.WriteNumberOrNull("high_together", figure.Together.High);
            json.WriteNumberOrNull("p", figure.P);
            json.WriteNumberOrNull("p_holm", figure.Adjusted);
        }

        json.WriteEndObject();
    }

    private static IEnumerable<string> Cells(RecipeFigure figure, bool isFirst) =>
    [
        ScoreGrid.Figure(figure.Value), ScoreGrid.Figure(RunStatistics.Deviation(figure.Seeds)),
        isFirst ? "" : Comparison.Signed(figure.Together), isFirst ? "" : Comparison.Probability(figure.Adjusted),
    ];

    private static string Label(Metric metric) => metric == Metric.Iou ? "wIoU" : ScoreGrid.Label(metric);

    private RecipeFigure[] Figures(Metric metric)
    {
        var seeds = _tables.Select(own => own.Select(table => table.Weighted[metric].Value).ToArray()).ToArray();
        var figures = _tables.Select(
            (_, r) => r == 0 ? ((Estimate Alone, Estimate Together, double P)?)null : Difference(metric, r)).ToArray();
        var adjusted = Holm.Adjust([.. figures.Skip(1).Select(figure => figure!.Value.P)]);
        return [.. figures.Select((figure, r) => figure is { } one
            ? new RecipeFigure(seeds[r].Average(), seeds[r], one.Alone, one.Together, one.P, adjusted[r - 1])
            : new RecipeFigure(seeds[r].Average(), seeds[r], Estimate.None, Estimate.None, double.NaN, double.NaN))];
    }

    private (Estimate Alone, Estimate Together, double P) Difference(Metric metric, int recipe)
    {
        var options = First.Options;
        var pairs = _seeds.Select((seed, s) => Comparison.Pair(_tables[0][s], _tables[recipe][s],
            ($"{Names[0]} with seed {seed}", $"{Names[recipe]} with seed {seed}"))).ToList();
        _ = Comparison.Pair(First, _tables[0][^1], (Names[0], $"{Names[0]} with seed {_seeds[^1]}"));
        var clusters = Scorer.InOrder(First.Samples).Select(sample => sample.Cluster).Distinct().Index()
            .ToDictionary(cluster => cluster.Item, cluster => cluster.Index);
        var sums = pairs.ConvertAll(_ => new double[clusters.Count]); // [seed][cluster]
        var counts = new int[clusters.Count];
        foreach (var pair in pairs[0]) counts[clusters[pair.A.Cluster]]++;
        foreach (var (s, own) in pairs.Index())
            foreach (var pair in own.OrderBy(pair => pair.A.Key, StringComparer.Ordinal))
                sums[s][clusters[pair.A.Cluster]] += Value(pair.B) - Value(pair.A);
        var (samples, all) = ((double)counts.Sum(), sums.Select(own => own.Sum()).ToArray());
        var value = all.Average() / samples;
        if (options.Resamples == 0)
            return (new Estimate(value, double.NaN, double.NaN), new Estimate(value, double.NaN, double.NaN), double.NaN);
        var drawn = new double[options.Resamples];
        var extreme = 0;
        double[] means = [.. counts.Select((_, c) => sums.Average(own => own[c]))];
        Parallel.For(0, drawn.Length, r =>
        {
            var (random, seeds) = (new CounterRandom(options.Seed, "bootstrap", r), new CounterRandom(options.Seed, "seeds", r));
            var times = new int[counts.Length];
            for (var i = 0; i < times.Length; i++) times[random.Next(times.Length)]++;
            var (total, weight) = (0.0, 0.0);
            for (var c = 0; c < times.Length; c++) weight += times[c] * counts[c];
            for (var s = 0; s < sums.Count; s++)
            {
                var own = sums[seeds.Next(sums.Count)];
                for (var c = 0; c < times.Length; c++) total += times[c] * own[c];
            }

            drawn[r] = total / weight / sums.Count;
            var stays = new bool[counts.Length];
            PairedStatistics.Exchange(options.Seed, r, stays);
            var exchanged = 0.0;
            for (var c = 0; c < stays.Length; c++) exchanged += stays[c] ? means[c] : -means[c];
            if (Math.Abs(exchanged / samples) >= Math.Abs(value) - TableStatistics.Rounding) Interlocked.Increment(ref extreme);
        });
        Array.Sort(drawn);
        return (Interval(0.05), Interval(0.05 / Tried), (extreme + 1.0) / (drawn.Length + 1));

        Estimate Interval(double outside) =>
            new(value, Bootstrap.Quantile(drawn, outside / 2), Bootstrap.Quantile(drawn, 1 - outside / 2));

        double Value(ScoredSample sample) => metric == Metric.Iou ? sample.Iou
            : TableStatistics.IsBeyond(sample.Iou, 0.5, options) ? 1 : 0;
    }
}
