using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Scoring;

/// <summary>Average precision beside pycocotools 2.0.11, whose figures are in pycocotools.json.</summary>
public sealed class CocoFigureTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("clean")]
    [InlineData("wrong_class")] // results on pictures without the class
    [InlineData("many")]        // more than 100 results of a picture and class
    [InlineData("crowd")]       // iscrowd regions
    public void Average_precision_is_that_of_pycocotools_up_to_its_rounded_recall_steps(string name)
    {
        var table = Score(File($"{name}.results.json"), File($"{name}.truth.json"));
        var figures = JsonNode.Parse(System.IO.File.ReadAllText(File("pycocotools.json")))![name]!;
        Assert.Equal(figures["AP50"]!.GetValue<double>(), table.Mean[Metric.AveragePrecision50].Value, 0.002);
        foreach (var row in table.Classes)
            Assert.Equal(figures["AP50_per_class"]![row.Name]!.GetValue<double>(), row[Metric.AveragePrecision50].Value, 0.002);
        var crowds = System.IO.File.ReadAllText(File($"{name}.truth.json")).Split("\"iscrowd\": 1").Length - 1;
        Assert.Equal(figures["true_boxes"]!.GetValue<int>(), table.Boxes + crowds);
    }

    [Fact]
    public void Results_one_a_line_are_the_results_in_one_list()
    {
        var list = Score(File("clean.results.json"), File("clean.truth.json"));
        var lines = Score(File("pandas_records.jsonl"), File("clean.truth.json"));
        Assert.Equal(list.Rows.Select(row => row[Metric.AveragePrecision50].Value),
            lines.Rows.Select(row => row[Metric.AveragePrecision50].Value));
    }

    [Fact]
    public void Crowd_regions_are_no_questions_and_excuse_the_boxes_in_them()
    {
        const string Crowd = """, {"id": 2, "image_id": 7, "category_id": 1, "bbox": [200, 0, 200, 200], "iscrowd": 1}""";
        const string Results = """
            [{"image_id": 7, "category_id": 1, "bbox": [210, 10, 50, 50], "score": 0.9},
             {"image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 100], "score": 0.8}]
            """;
        Assert.Equal(0.5, Precision(Results, ""), 1e-12);
        Assert.Equal(1, Precision(Results, Crowd), 1e-12);
    }

    [Theory]
    [InlineData("[0, 0, 0, 100]")]
    [InlineData("[100, 100, -100, -100]")]
    [InlineData("[null, 0, 100, 100]")]
    [InlineData("[300, 300, 50, 50]")]
    public void A_box_that_covers_nothing_is_a_false_positive_as_any_other(string box) => Assert.Equal(0.5, Precision($$"""
        [{"image_id": 7, "category_id": 1, "bbox": {{box}}, "score": 0.9},
         {"image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 100], "score": 0.8}]
        """, ""), 1e-12);

    [Fact]
    public void Of_equally_certain_boxes_those_of_the_picture_with_the_lower_number_count_first()
    {
        // Picture 10 is listed first; as text "10" is before "7", too.
        const string Truth = """
            {"images": [{"id": 10, "file_name": "b.jpg", "width": 400, "height": 400},
                        {"id": 7, "file_name": "a.jpg", "width": 400, "height": 400}],
             "categories": [{"id": 1, "name": "Edema"}],
             "annotations": [{"id": 1, "image_id": 10, "category_id": 1, "bbox": [0, 0, 100, 100]},
                             {"id": 2, "image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 100]}]}
            """;
        const string Results = """
            [{"image_id": 10, "category_id": 1, "bbox": [0, 0, 100, 100], "score": 0.5},
             {"image_id": 7, "category_id": 1, "bbox": [300, 0, 100, 100], "score": 0.5}]
            """;
        var value = Score(Answers.Write(_folder.Path, "r.json", Results), Answers.Write(_folder.Path, "t.json", Truth))
            .Mean[Metric.AveragePrecision50].Value;
        Assert.Equal(51 * 0.5 / 101, value, 1e-12);
    }

    [Fact]
    public void Of_equally_certain_boxes_of_a_picture_a_swapped_one_counts_in_its_place()
    {
        const string Swapped = """{"image_id": 7, "category_id": 1, "bbox": [100, 100, -100, -100], "score": 0.8}""";
        const string Right = """{"image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 100], "score": 0.8}""";
        Assert.Equal(1, Precision($"[{Right}, {Swapped}]", ""), 1e-12);
        Assert.Equal(0.5, Precision($"[{Swapped}, {Right}]", ""), 1e-12);
    }

    private double Precision(string results, string more)
    {
        var truth = $$"""
            {"images": [{"id": 7, "file_name": "a.jpg", "width": 400, "height": 400}], "categories": [{"id": 1, "name": "Edema"}],
             "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [0, 0, 100, 100]}{{more}}]}
            """;
        var (resultFile, truthFile) = (Answers.Write(_folder.Path, "r.json", results), Answers.Write(_folder.Path, "t.json", truth));
        return Score(resultFile, truthFile, trust: true).Mean[Metric.AveragePrecision50].Value;
    }

    private static ScoreTable Score(string results, string truth, bool trust = false) => Scorer.Score(
        ExternalPredictions.Read(results, new ReadOptions { Truth = TruthFile.Read(truth), TrustCoordinates = trust }),
        new ScoringOptions { Protocol = Protocol.Map50, Resamples = 0 });

    private static string File(string name) =>
        Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Evaluation", "Files", name);
}
