using System.Globalization;
using System.Text.Json;
using Pfmvg.Evaluation.Scoring;

namespace Pfmvg.Evaluation.Tables;

/// <summary>Where published figures were read.</summary>
/// <param name="Key">By which the results name it.</param>
/// <param name="Title">Title of the article, page or repository.</param>
/// <param name="Year">Year.</param>
/// <param name="Where">Table or section.</param>
/// <param name="Id">Identifier.</param>
internal sealed record PublishedSource(string Key, string Title, int Year, string Where, string Id);

/// <summary>A figure that was published about MS-CXR.</summary>
/// <param name="Work">The model.</param>
/// <param name="Source">Key of the source.</param>
/// <param name="Protocol">Name of the protocol that comes nearest.</param>
/// <param name="Metric">Key of the figure.</param>
/// <param name="Row">"mean" over the classes, or "weighted" by samples.</param>
/// <param name="Label">The figure's name in the source's own words.</param>
/// <param name="Value">The figure, 0..1 where it is a share.</param>
/// <param name="N">Its samples; null when the source does not say.</param>
/// <param name="Rule">How its rule differs from the protocol's; null when it does not.</param>
/// <param name="Samples">What it was measured on.</param>
internal sealed record PublishedResult(
    string Work, string Source, string Protocol, string Metric, string Row, string Label, double Value, int? N, string? Rule,
    string Samples)
{
    /// <summary>Whether the figure may be compared with these scores, and why not.</summary>
    public string Comparable(ScoreTable? ours) => ours is null ? $"no: by {Protocol}, which is not scored here"
        : Rule is not null ? $"no: {Rule}"
        : N is null ? $"no: {Samples}"
        : N != ours.Phrases ? $"no: other samples ({N} there, {ours.Phrases} here), {Samples}"
        : $"only if the {N} phrases are the same: {Samples}";
}

/// <summary>What was published about MS-CXR by all families of protocols, each figure with the source in which it was read.</summary>
/// <param name="Sources">Where the figures were read.</param>
/// <param name="LeftOut">Figures of which no source could be read.</param>
/// <param name="Results">The figures.</param>
internal sealed record PublishedResults(
    IReadOnlyList<PublishedSource> Sources, IReadOnlyList<string> LeftOut, IReadOnlyList<PublishedResult> Results)
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    /// <summary>Reads the table that is built into the library.</summary>
    public static PublishedResults Load()
    {
        using var stream = typeof(PublishedResults).Assembly.GetManifestResourceStream("published-results.json")!;
        return JsonSerializer.Deserialize<PublishedResults>(stream, Options)!;
    }

    /// <summary>The published figures beside the same figures of these answers, where they were scored by that protocol.</summary>
    public TextGrid Grid(ScoredFamilies scored) => new(
        "Published results on MS-CXR beside these answers",
        ["model", "protocol", "figure", "published", "n", "here", "comparable", "source"],
        [.. Results.Select(result => (IReadOnlyList<string>)[
            result.Work, result.Protocol, result.Label, ScoreGrid.Figure(result.Value),
            result.N?.ToString(CultureInfo.InvariantCulture) ?? "?", ScoreGrid.Figure(Here(result, scored)),
            result.Comparable(Table(result, scored)), $"[{Place(result)}]"])],
        [
            "Strictly comparable are only answers to the same questions, scored by one program: see `pfmvg compare`.",
            .. Sources.Select((source, i) => $"[{i + 1}] {source.Title} ({source.Year}), {source.Where}; {source.Id}."),
            $"Left out, since they could not be read in their source: {string.Join("; ", LeftOut)}.",
        ]);

    /// <summary>The published figures as lines of a tidy table; their rule says how they differ and where they were read.</summary>
    public IEnumerable<TidyRow> Rows(ScoredFamilies scored) => Results.Select(result => new TidyRow(
        result.Row, result.Metric, result.Value, null, null, result.N, result.Protocol,
        $"comparable: {result.Comparable(Table(result, scored))}; source: "
            + $"{Sources[Place(result) - 1].Id}, {Sources[Place(result) - 1].Where}",
        $"{result.Work} (published)"));

    private int Place(PublishedResult result) => Sources.Index().First(source => source.Item.Key == result.Source).Index + 1;

    private static ScoreTable? Table(PublishedResult result, ScoredFamilies scored) =>
        scored.Tables.FirstOrDefault(table => table.Protocol.Name == result.Protocol);

    private static double? Here(PublishedResult result, ScoredFamilies scored)
    {
        if (Table(result, scored) is not { } table) return null;
        if (table.Further.FirstOrDefault(figure => figure.Row == result.Row && figure.Metric == result.Metric) is { } further)
            return further.Value;
        var row = result.Row == "mean" ? table.Mean : table.Weighted;
        return table.Metrics.Where(metric => ScoreGrid.Key(metric) == result.Metric).Select(metric => (double?)row[metric].Value)
            .FirstOrDefault();
    }
}
