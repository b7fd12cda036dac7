using System.IO.Compression;
using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Measures;

/// <summary>
/// Further measures beside figures of other programs. Those of measures.json were worked out in Python from the definitions in
/// docs/evaluation.md on the data of <see cref="Drawn"/>: areas by counting pixels of NumPy masks, IoU and precision as exact
/// fractions, cells of maps by a matrix of the shares of pixels in them.
/// </summary>
public sealed class MeasureReferenceTests : IDisposable
{
    private static readonly string Files = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Evaluation", "Files");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Measures_of_boxes_are_those_of_a_second_implementation() =>
        AssertEqual("boxes", Measure(Drawn.Boxes(), new ScoringOptions { Resamples = 0 }));

    [Fact]
    public void Measures_of_heat_maps_are_those_of_a_second_implementation() => AssertEqual("maps", Measure(Drawn.Maps(_folder.Path),
        new ScoringOptions { Protocol = Protocol.MaskThresholds, HeatMapMayHaveHoles = true, Resamples = 0 }));

    [Theory]
    [InlineData("clean")]
    [InlineData("wrong_class")]
    [InlineData("many")]
    [InlineData("crowd")]
    public void Average_precision_over_ten_thresholds_is_that_of_pycocotools(string name)
    {
        var predictions = ExternalPredictions.Read(Path.Combine(Files, $"{name}.results.json"),
            new ReadOptions { Truth = TruthFile.Read(Path.Combine(Files, $"{name}.truth.json")) });
        var options = new ScoringOptions { Protocol = Protocol.Map50, Resamples = 0 };
        var figures = FurtherMeasures.Of(Scorer.Score(predictions, options), predictions, MeasureRequest.Parse("map", options.Protocol));
        var expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Files, "pycocotools.json")))![name]!["AP"]!.GetValue<double>();
        Assert.Equal(expected, figures.At("mean", "map@[.5:.95]").Value!.Value, 0.001);
    }

    /// <summary>The maps and figures of BioViL's own tools, at the size of the picture and NaN outside of the crop.</summary>
    [Theory]
    [InlineData("b1")]
    [InlineData("b2")]
    [InlineData("b3")]
    [InlineData("t2")]
    public void The_contrast_to_noise_ratio_is_that_of_BioViL(string id)
    {
        var described = Fixtures.Json("rivals", "biovil", "cases.json")["cases"]!.AsArray().Single(c => (string?)c!["id"] == id)!;
        var (width, height) = (described["width"]!.GetValue<int>(), described["height"]!.GetValue<int>());
        Box[] truth = [.. described["boxes_xywh"]!.AsArray().Select(box => box!.AsArray().Select(n => n!.GetValue<double>()).ToArray())
            .Select(n => Box.FromXywh(n[0], n[1], n[2], n[3]))];
        var scores = described["scores"]!.AsArray();
        var maps = NearestMaps(Fixtures.Path("rivals", "biovil", "cases", id, "maps.npz"), width * height);
        Assert.Equal(scores.Count, maps.Count);
        for (var i = 0; i < maps.Count; i++)
        {
            HeatMap.Write(_folder.In("map.npy"), maps[i], height, width);
            Prediction[] answer = [Answers.Make("a", truth, []) with
            {
                Width = width, Height = height, Boxes = null, HeatMap = _folder.In("map.npy"),
            }];
            var figures = Measure(answer,
                new ScoringOptions { Protocol = Protocol.MaskThresholds, HeatMapMayHaveHoles = true, Resamples = 0 });
            var cnr = scores[i]!["cnr"]!.GetValue<double>();
            Assert.Equal(cnr, figures.At("weighted", "cnr").Value!.Value, 1e-5);
            Assert.Equal(Math.Abs(cnr), figures.At("weighted", "cnr_abs").Value!.Value, 1e-5);
            Assert.Equal(scores[i]!["raw_miou"]!.GetValue<double>(),
                figures.Where(figure => figure.Row == "mean" && figure.Metric.StartsWith("iou@mask", StringComparison.Ordinal))
                    .Average(figure => figure.Value!.Value), 1e-6);
        }
    }

    private static List<float[]> NearestMaps(string path, int pixels)
    {
        using var archive = ZipFile.OpenRead(path);
        using var stream = archive.GetEntry("nearest.npy")!.Open();
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        var file = memory.ToArray();
        var values = new float[(file.Length - 10 - BitConverter.ToUInt16(file, 8)) / sizeof(float)];
        Buffer.BlockCopy(file, file.Length - sizeof(float) * values.Length, values, 0, sizeof(float) * values.Length);
        return [.. values.Chunk(pixels)];
    }

    private static IReadOnlyList<Figure> Measure(IReadOnlyList<Prediction> predictions, ScoringOptions options) =>
        FurtherMeasures.Of(Scorer.Score(predictions, options), predictions, MeasureRequest.Parse("all", options.Protocol));

    private static void AssertEqual(string set, IReadOnlyList<Figure> figures)
    {
        var expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Files, "measures.json")))![set]!.AsObject();
        Assert.Equal(expected.SelectMany(metric => metric.Value!.AsObject().Select(row => (metric.Key, row.Key))).Order(),
            figures.Select(figure => (figure.Metric, figure.Row)).Order());
        foreach (var figure in figures)
        {
            var (value, n) = (expected[figure.Metric]![figure.Row]![0], expected[figure.Metric]![figure.Row]![1]!.GetValue<int>());
            Assert.Equal((figure.Metric, figure.Row, n), (figure.Metric, figure.Row, figure.N));
            Assert.Equal(value!.GetValue<double>(), figure.Value!.Value, 1e-10);
        }
    }
}
