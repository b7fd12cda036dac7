using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Measures;

public sealed class SubgroupTests : IDisposable
{
    private static readonly ScoringOptions Options = new() { Resamples = 200 };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Protocol.PfmvgBox)]
    [InlineData(Protocol.PhraseUnion)]
    [InlineData(Protocol.Map50)]
    public void A_group_has_the_scores_of_its_samples_alone_and_the_difference_to_those_of_the_others(Protocol protocol)
    {
        List<Prediction> rows = [.. Drawn.Boxes().Select((row, i) => row with { Traits = Of(i) })];
        var options = Options with { Protocol = protocol };
        var groups = Subgroups.Of(Scorer.Score(rows, options), rows).Figures;
        foreach (var sex in (string[])["F", "M"])
        {
            var one = Scorer.Score(rows.FindAll(row => row.Traits.Sex == sex), options).Weighted;
            var rest = Scorer.Score(rows.FindAll(row => row.Traits.Sex is { } other && other != sex), options).Weighted;
            foreach (var (metric, name) in protocol == Protocol.Map50 ? [(Metric.AveragePrecision50, "ap@0.5")]
                : ((Metric, string)[])[(Metric.Iou, "iou"), (Metric.Dice, "dice"), (Metric.Accuracy50, "acc@0.5")])
            {
                Assert.Equal(one[metric].Value, groups.At($"sex={sex}", name).Value!.Value, 1e-12);
                Assert.Equal(one.Count, groups.At($"sex={sex}", name).N);
                var difference = groups.At($"sex={sex}", $"{name}_minus_rest");
                Assert.Equal(one[metric].Value - rest[metric].Value, difference.Value!.Value, 1e-12);
                Assert.Equal(one.Count + rest.Count, difference.N);
                Assert.True(difference.Low < difference.Value && difference.Value < difference.High);
            }
        }

        Assert.DoesNotContain(groups, figure => figure.Row.StartsWith("source=", StringComparison.Ordinal)); // all have the same

        static Traits Of(int i) => Traits.Read(i % 5 == 0 ? null : i % 2 == 0 ? "female" : "M", null, null, "one", null);
    }

    [Fact]
    public void Sizes_are_thirds_and_the_groups_of_a_trait_hold_every_sample_once()
    {
        var rows = Answers.Varied(200);
        var table = Scorer.Score(rows, Options with { Resamples = 0 });
        var (figures, notes) = Subgroups.Of(table, rows);
        var iou = figures.Where(figure => figure.Metric == "iou").ToLookup(figure => figure.Row.Split('=')[0]);
        Assert.Equal(["boxes", "size"], iou.Select(trait => trait.Key).Order());
        foreach (var trait in iou)
        {
            Assert.Equal(table.Samples.Count, trait.Sum(figure => figure.N));
            Assert.Equal(table.Weighted[Metric.Iou].Value,
                trait.Sum(figure => figure.N * figure.Value!.Value) / table.Samples.Count, 1e-12);
        }

        Assert.Equal(["size=small", "size=medium", "size=large"], iou["size"].Select(figure => figure.Row));
        Assert.All(iou["size"], figure => Assert.InRange(figure.N, table.Samples.Count / 3 - 2, table.Samples.Count / 3 + 2));
        Assert.Contains(notes, note => note.StartsWith("size: thirds by the share of the picture", StringComparison.Ordinal));
    }

    [Fact]
    public void Sides_and_lengths_are_those_of_the_phrase()
    {
        List<Prediction> rows = [.. Answers.Varied(6).Zip((string[])["left effusion", "right basal opacity", "bilateral effusions",
            "edema", "large opacity in the left lower lobe", "a left and a right effusion that have both grown"],
            (row, phrase) => row with { Phrase = phrase, Truth = [row.Truth[0]] })];
        var figures = Subgroups.Of(Scorer.Score(rows, Options), rows).Figures.Where(figure => figure.Metric == "iou").ToList();
        Assert.Equal([("side=both", 2), ("side=left", 2), ("side=right", 1), ("side=none", 1)],
            figures.Where(figure => figure.Row.StartsWith("side", StringComparison.Ordinal)).Select(figure => (figure.Row, figure.N)));
        Assert.Equal([("words=1-3", 4), ("words=4-7", 1), ("words=8+", 1)],
            figures.Where(figure => figure.Row.StartsWith("words", StringComparison.Ordinal)).Select(figure => (figure.Row, figure.N)));
    }

    [Fact]
    public void Traits_are_kept_in_bands_and_codes_and_what_cannot_be_read_is_unknown()
    {
        string[] lines =
        [
            Line("a", """ "sex": "female", "age": 67.2, "view": "pa", "scanner": "Agfa DX-D" """),
            Line("b", """ "sex": "M", "age": "091Y", "source": "ms-cxr" """),
            Line("c", """ "sex": {"code": 1}, "age": "1950-02-03", "view": 7, "scanner": "two\nlines" """),
            Line("d", """ "age": "18-39" """),
        ];
        var read = PredictionFile.Read(Answers.Write(_folder.Path, "p.jsonl", lines));
        Assert.Equal(
            [
                new Traits("F", "60-79", "PA", null, "Agfa DX-D"), new Traits("M", "80+", null, "ms-cxr", null),
                new Traits(null, null, "7", null, null), new Traits(null, "18-39", null, null, null),
            ], read.Select(row => row.Traits));
        PredictionFile.Write(_folder.In("again.jsonl"), read);
        Assert.Equal(read.Select(row => row.Traits), PredictionFile.Read(_folder.In("again.jsonl")).Select(row => row.Traits));

        static string Line(string id, string more) => $$"""
            {"id": "{{id}}", "image": "{{id}}.png", "class": "Edema", "phrase": "x", "width": 9, "height": 9, "truth": [[1, 1, 5, 5]],
            """.ReplaceLineEndings(" ") + $"\"answer\": \"\", {more}}}";
    }

    [Fact]
    public void Tables_of_pictures_and_of_patients_tell_the_traits()
    {
        Prediction[] rows =
        [
            Answers.WithIou("a", 0.5) with { Image = "files/p10/p10000032/s50414267/aaaa.jpg", Patient = "p1" },
            Answers.WithIou("b", 0.5) with { Image = "files/p10/p10000764/s57375967/bbbb.jpg", Patient = "p2" },
        ];
        var metadata = Answers.Write(_folder.Path, "mimic-cxr-2.0.0-metadata.csv",
            "dicom_id,subject_id,study_id,ViewPosition", "bbbb,10000764,57375967,AP", "cccc,1,1,LATERAL", "aaaa,10000032,50414267,PA");
        var patients = Answers.Write(_folder.Path, "patients.csv",
            "subject_id,gender,anchor_age,anchor_year", "10000032,F,52,2180", "1,M,44,2180", "10000764,M,86,2180");
        var joined = TraitTable.Join(TraitTable.Join(rows, metadata), patients);
        Assert.Equal([new Traits("F", "40-59", "PA", null, null), new Traits("M", "80+", "AP", null, null)],
            joined.Select(row => row.Traits));
        var padchest = Answers.Write(_folder.Path, "master_table.csv",
            "ImageID,StudyDate_DICOM,PatientBirth,PatientSex_DICOM,Projection,Manufacturer_DICOM",
            "aaaa.png,20140915,1930.0,F,AP,Philips", "aaaa.png,20140915,1930.0,F,AP,Philips");
        Assert.Equal([new Traits("F", "80+", "AP", null, "Philips"), Traits.Unknown],
            TraitTable.Join(rows, padchest).Select(row => row.Traits));
    }

    [Theory]
    [InlineData("sex\nF", "no column tells which sample, picture or patient a row is about")]
    [InlineData("id,height\na,5", "no column is known; name one of sex, gender")]
    [InlineData("id,sex\nz,F", "none of its rows is about one of the 1 samples")]
    [InlineData("id,sex\na,F\na,M", "the same id stands at")]
    public void A_table_that_tells_nothing_or_two_things_is_refused(string text, string reason)
    {
        var error = Assert.Throws<InputException>(() => TraitTable.Join([Answers.WithIou("a", 0.5)],
            Answers.Write(_folder.Path, "t.csv", text)));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_trait_with_a_value_for_everybody_is_no_group()
    {
        List<Prediction> rows = [.. Drawn.Boxes().Select((row, i) => row with { Traits = Traits.Unknown with { Scanner = $"unit {i}" } })];
        var (figures, notes) = Subgroups.Of(Scorer.Score(rows, Options with { Resamples = 0 }), rows);
        Assert.DoesNotContain(figures, figure => figure.Row.StartsWith("scanner", StringComparison.Ordinal));
        Assert.Contains(notes, note => note.StartsWith("scanner: ", StringComparison.Ordinal));
    }

    [Fact]
    public void The_command_prints_further_measures_and_subgroups_and_writes_them_to_scores_json()
    {
        var rows = Drawn.Boxes().FindAll(row => row.Truth.Count > 0 && row.Boxes is not null
            && row.Boxes.All(box => double.IsFinite(box.Left)));
        PredictionFile.Write(_folder.In("p.jsonl"), rows);
        var result = Shell.RunPfmvg("eval", "--predictions", _folder.In("p.jsonl"), "--metrics", "acc@0.4,radfact", "--subgroups",
            "--resamples", "50", "--out", _folder.In("out"), "--no-images");
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("Further measures", result.Output, StringComparison.Ordinal);
        Assert.Contains("acc@T: share of the protocol's samples with IoU beyond T.", result.Output, StringComparison.Ordinal);
        Assert.Contains("boxes=several", result.Output, StringComparison.Ordinal);
        var scores = JsonNode.Parse(File.ReadAllText(_folder.In("out", "scores.json")))!;
        var expected = FurtherMeasures.Of(Scorer.Score(rows, Options with { Resamples = 50 }), rows,
            MeasureRequest.Parse("acc@0.4,radfact", Protocol.PfmvgBox));
        foreach (var (figure, node) in expected.Zip(scores["further"]!.AsArray()))
            Assert.Equal(figure, new Figure(node!["row"]!.GetValue<string>(), node["metric"]!.GetValue<string>(),
                node["value"]?.GetValue<double>(), node["low"]?.GetValue<double>(), node["high"]?.GetValue<double>(),
                node["n"]!.GetValue<int>()));
        Assert.Contains(scores["further"]!.AsArray(), node => node!["row"]!.GetValue<string>() == "boxes=several"
            && node["metric"]!.GetValue<string>() == "iou_minus_rest");
        Assert.NotEmpty(scores["further_rules"]!.AsArray());
        Assert.Contains("boxes=several", File.ReadAllText(_folder.In("out", "report.html")), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--metrics", "cnr")]
    [InlineData("--metrics", "acc@2")]
    [InlineData("--traits", "p.csv")] // without --subgroups
    public void A_wrong_option_is_one_sentence_and_exit_code_2(string option, string value)
    {
        PredictionFile.Write(_folder.In("p.jsonl"), Answers.Varied(20));
        var result = Shell.RunPfmvg("eval", "--predictions", _folder.In("p.jsonl"), option, value);
        Assert.True(result.ExitCode == 2, result.ToString());
        Assert.StartsWith("error: " + option, result.Error, StringComparison.Ordinal);
    }
}
