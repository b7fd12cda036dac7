using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Scoring;

public sealed class RowOrderTests : IDisposable
{
    private static readonly ScoringOptions Options = new() { Resamples = 300, Seed = 3 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Protocol.PfmvgBox)]
    [InlineData(Protocol.PhraseUnion)]
    [InlineData(Protocol.SingleBox)]
    public void Figures_and_intervals_do_not_depend_on_the_order_of_the_rows(Protocol protocol)
    {
        var rows = Rows(1);
        var expected = Scorer.Score(rows, Options with { Protocol = protocol });
        foreach (var other in Orders(rows))
        {
            var table = Scorer.Score(other, Options with { Protocol = protocol });
            foreach (var (a, b) in expected.Rows.Zip(table.Rows))
                foreach (var metric in expected.Metrics) Assert.Equal((a.Name, a[metric]), (b.Name, b[metric]));
            Assert.Equal(ScoreGrid.Notes(expected), ScoreGrid.Notes(table));
        }
    }

    [Theory]
    [InlineData(Protocol.PfmvgBox)]
    [InlineData(Protocol.PhraseUnion)]
    public void Differences_intervals_and_p_values_do_not_depend_on_the_order_of_the_rows(Protocol protocol)
    {
        var (a, b) = (Rows(1), Rows(2));
        var expected = Compare(a, b);
        foreach (var (otherA, otherB) in Orders(a).Zip(Orders(b).Reverse()))
            foreach (var (row, other) in expected.Rows.Zip(Compare(otherA, otherB).Rows))
                foreach (var (metric, difference) in row.Figures) Assert.Equal(difference, other.Figures[metric]);

        Comparison Compare(IReadOnlyList<Prediction> one, IReadOnlyList<Prediction> two) => Comparison.Between(
            Scorer.Score(one, Options with { Protocol = protocol }), Scorer.Score(two, Options with { Protocol = protocol }));
    }

    [Fact]
    public void Samples_stay_in_the_order_of_the_rows()
    {
        var rows = Orders(Rows(1)).First();
        Assert.Equal(rows.Select(row => row.Id), Scorer.Score(rows, Options).Samples.Select(sample => sample.Id));
    }

    [Fact]
    public void Other_subsets_are_counted_on_each_side_and_compared_on_what_is_common_when_asked()
    {
        var (a, b) = (Rows(1)[..30], Rows(2)[10..]);
        var error = Assert.Throws<InputException>(() => Comparison.Between(Scorer.Score(a, Options), Scorer.Score(b, Options))).Message;
        Assert.Contains("A has 30 samples and B has 50: 10 are in A, but not in B (the first is 's0') and 30 are in B, but not in A "
            + "(the first is 's30')", error, StringComparison.Ordinal);
        Assert.Contains("--common", error, StringComparison.Ordinal);

        var (commonA, commonB, leftOut) = Comparison.Common(a, b);
        Assert.Equal(commonA.Select(row => row.Id), commonB.Select(row => row.Id));
        var comparison = Comparison.Between(Scorer.Score(commonA, Options), Scorer.Score(commonB, Options)) with { LeftOut = leftOut };
        Assert.Equal(20, comparison.Rows[^1].Count);
        Assert.Contains("Compared: the 20 samples that are in both; 10 only in A and 30 only in B are left out.",
            comparison.Grid().Notes);
        Assert.Contains("nothing to compare", Assert.Throws<InputException>(() => Comparison.Common(a[..10], b)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_confidence_of_null_is_unknown_and_half_of_them_is_an_error()
    {
        const string Line = """
            {"id": "a", "image": "i", "class": "Edema", "phrase": "p", "width": 9, "height": 9, "truth": [[1, 1, 5, 5]],
             "coordinates": "pixels-xyxy", "boxes": [[1, 2, 3, 4], [1, 1, 4, 4]], "confidence": CONFIDENCE}
            """;
        Assert.Null(Read("[null, null]").Confidence);
        Assert.Null(Read("null").Confidence);
        Assert.Equal([0.5, 0.25], Read("[0.5, 0.25]").Confidence);
        Assert.Contains("null beside others", Assert.Throws<InputException>(() => Read("[0.5, null]")).Message, StringComparison.Ordinal);

        Prediction Read(string confidence) => PredictionFile.Read(Answers.Write(_folder.Path, "null.jsonl",
            Line.ReplaceLineEndings(" ").Replace("CONFIDENCE", confidence, StringComparison.Ordinal)))[0];
    }

    // As rows are merged from several processes: another order of the file, and of the patients in it.
    private static IEnumerable<List<Prediction>> Orders(List<Prediction> rows)
    {
        yield return [.. rows.AsEnumerable().Reverse()];
        yield return [.. rows.Where((_, i) => i % 3 == 1), .. rows.Where((_, i) => i % 3 == 0), .. rows.Where((_, i) => i % 3 == 2)];
    }

    private static List<Prediction> Rows(int seed)
    {
        var (truths, answers) = (new CounterRandom(9, "truths"), new CounterRandom(seed, "answers"));
        return [.. Enumerable.Range(0, 60).Select(i =>
        {
            var (x, y) = (50 + 500 * truths.NextDouble(), 50 + 500 * truths.NextDouble());
            var truth = new Box(x, y, x + 50 + 200 * truths.NextDouble(), y + 50 + 200 * truths.NextDouble());
            return Answers.Make($"s{i}", [truth], [truth.Move(60 * answers.NextNormal(), 60 * answers.NextNormal())]) with
            {
                Image = $"picture {i / 2}",
                Class = i / 2 % 3 == 0 ? "Edema" : "Pneumonia",
                Phrase = i / 2 % 5 == 0 ? "one phrase of two boxes" : $"phrase {i}",
                Patient = $"p{i / 4}",
                Width = 1000,
                Height = 1000,
            };
        })];
    }
}
