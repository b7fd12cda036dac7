using System.Globalization;
using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Evaluation.Tables;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Reports;

public sealed class SampleTableTests : IDisposable
{
    private static readonly string[] Shareable =
    [
        "n", "class", "patient", "picture", "width", "height", "true_count", "true_boxes", "predicted_count", "predicted_boxes", "iou",
        "dice", "valid", "flaw", "confidence", "size", "side", "protocol", "rule",
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The reference is described in <see cref="TidyTableTests"/>.</summary>
    [Fact]
    public void Iou_dice_and_size_of_every_sample_are_those_of_an_independent_calculation()
    {
        var answers = PredictionFile.Read(TidyTableTests.InFiles("tidy_random.jsonl"));
        var csv = StrictCsv.Read(Write("s.csv", answers));
        var expected = JsonNode.Parse(File.ReadAllText(TidyTableTests.InFiles("tidy_random.figures.json")))!["samples"]!.AsArray();
        Assert.Equal(expected.Count, csv.Count);
        for (var i = 0; i < csv.Count; i++)
            foreach (var (column, at) in (IEnumerable<(string, int)>)[("iou", 0), ("dice", 1), ("size", 2)])
                Assert.Equal(expected[i]![at]!.GetValue<double>(), TidyTableTests.Number(csv[i][column])!.Value, 1e-14);
        Assert.Equal(answers.Select(answer => answer.Boxes!.Count), csv.Select(line =>
            int.Parse(line["predicted_count"], CultureInfo.InvariantCulture) + (line["flaw"] == "swapped" ? 1 : 0)));
        Assert.Equal(["both", "left", "none", "right"], csv.Select(line => line["side"]).Distinct().Order());
    }

    [Fact]
    public void Csv_and_json_lines_hold_the_same()
    {
        var answers = Answers.Varied(80);
        var csv = StrictCsv.Read(Write("s.csv", answers, phrases: true, identifiers: true));
        var lines = Write("s.jsonl", answers, phrases: true, identifiers: true).TrimEnd('\n').Split('\n')
            .Select(line => JsonNode.Parse(line)!).ToList();
        Assert.Equal(csv.Count, lines.Count);
        foreach (var (cells, json) in csv.Zip(lines))
        {
            Assert.Equal(cells.Keys, json.AsObject().Select(pair => pair.Key));
            foreach (var (name, cell) in cells)
                Assert.Equal(cell, json[name] switch
                {
                    null => "",
                    JsonValue value when value.TryGetValue(out bool truth) => truth ? "TRUE" : "FALSE",
                    JsonArray boxes => boxes.ToJsonString(),
                    var value => value.ToString(),
                });
        }

        Assert.Contains(csv, line => line["flaw"] == "too_few_numbers");
        Assert.Contains(csv, line => line["true_count"] == "1");
    }

    [Fact]
    public void Neither_phrases_nor_identifiers_nor_patients_are_in_it_unless_asked_for()
    {
        var answers = Answers.Varied(60).ConvertAll(answer => answer with { Patient = $"secret-{answer.Patient}" });
        var text = Write("s.csv", answers);
        Assert.Equal(Shareable, StrictCsv.Header(text));
        foreach (var secret in (string[])["secret", "phrase s", ".png", "s1,"])
            Assert.DoesNotContain(secret, text, StringComparison.Ordinal);
        var names = StrictCsv.Read(text).ConvertAll(line => line["patient"]);
        PredictionFile.Write(_folder.In("p.jsonl"), answers);
        var own = PredictionFile.Read(_folder.In("p.jsonl")).SelectMany(answer => answer.Truth.Select(_ => answer.Patient!));
        Assert.Equal(own, names); // the same names as in a predictions file

        Assert.Equal(["n", "phrase", .. Shareable.Skip(1)], StrictCsv.Header(Write("p.csv", answers, phrases: true)));
        var open = StrictCsv.Read(Write("i.csv", answers, identifiers: true))[0];
        Assert.Equal((answers[0].Id, answers[0].Patient, answers[0].Image), (open["id"], open["patient"], open["picture"]));
    }

    [Fact]
    public void Samples_of_several_protocols_stand_below_each_other_and_boxes_read_as_json()
    {
        var answer = Answers.Make("a", [new Box(0, 0, 10, 10), new Box(20, 0, 30, 10)], [new Box(0, 0, 10.25, 10)])
            with { Confidence = [0.5] };
        ScoreTable[] tables = [Scorer.Score([answer], new ScoringOptions { Resamples = 0 }),
            Scorer.Score([answer], new ScoringOptions { Resamples = 0, Protocol = Protocol.PhraseUnion })];
        new SampleTable(true, true).Write(_folder.In("s.csv"), [answer], tables);
        var csv = StrictCsv.Read(File.ReadAllText(_folder.In("s.csv")));
        Assert.Equal([("1", "a", "pfmvg-box"), ("2", "a#2", "pfmvg-box"), ("1", "a", "phrase-union")],
            csv.Select(line => (line["n"], line["id"], line["protocol"])));
        Assert.Equal("[[0,0,10,10],[20,0,30,10]]", csv[2]["true_boxes"]);
        Assert.Equal(("[[0,0,10.25,10]]", "0.5", "", "0.0002"),
            (csv[2]["predicted_boxes"], csv[2]["confidence"], csv[2]["patient"], csv[2]["size"]));
    }

    [Fact]
    public void A_comparison_leaves_its_numbers_and_the_paired_scores()
    {
        var options = new ScoringOptions { Resamples = 20 };
        var (a, b) = (Scorer.Score(Answers.Varied(40, seed: 1), options), Scorer.Score(Answers.Varied(40, seed: 2), options));
        var comparison = Pfmvg.Evaluation.Tables.Comparison.Between(a, b);
        ComparisonFiles.Write(_folder.Path, Pfmvg.Evaluation.Tables.TidyComparison.Of(comparison));
        ComparisonFiles.WriteSamples(_folder.Path, comparison, withPhrases: false);
        var samples = StrictCsv.Read(File.ReadAllText(_folder.In("samples.csv")));
        Assert.Equal(b.Samples.Select(sample => (double?)sample.Iou), samples.Select(line => TidyTableTests.Number(line["iou_b"])));
        Assert.DoesNotContain("phrase", samples[0].Keys);
        Assert.Equal(StrictCsv.Read(File.ReadAllText(_folder.In("comparison.csv"))).Count,
            JsonNode.Parse(File.ReadAllText(_folder.In("comparison.json")))!["figures"]!.AsArray().Count);
        ComparisonFiles.WriteSamples(_folder.Path, comparison, withPhrases: true);
        Assert.Equal("phrase s0", StrictCsv.Read(File.ReadAllText(_folder.In("samples.csv")))[0]["phrase"]);
    }

    [Theory]
    [InlineData("s.txt")]
    [InlineData("samples")]
    public void A_name_that_tells_no_form_is_refused(string name) =>
        Assert.Contains(".csv or .jsonl", Assert.Throws<InputException>(() => SampleTable.IsCsv(name)).Message, StringComparison.Ordinal);

    private string Write(string name, IReadOnlyList<Prediction> answers, bool phrases = false, bool identifiers = false)
    {
        new SampleTable(identifiers, phrases).Write(_folder.In(name), answers,
            [Scorer.Score(answers, new ScoringOptions { Resamples = 0 })]);
        return File.ReadAllText(_folder.In(name));
    }
}
