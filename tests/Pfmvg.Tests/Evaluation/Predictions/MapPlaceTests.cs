using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Rivals;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using TorchSharp;

namespace Pfmvg.Tests.Evaluation.Predictions;

/// <summary>
/// Maps kept on their grid, with the place that they have in the picture. The reference figures of cases.json were made from the maps of
/// the original code with NumPy, pixel by pixel.
/// </summary>
public sealed class MapPlaceTests : IDisposable
{
    private const double Tolerance = 1e-4; // of the reference figures

    private static readonly string Root = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "rivals", "biovil");
    private static readonly JsonArray Cases = JsonNode.Parse(File.ReadAllText(Path.Combine(Root, "cases.json")))!["cases"]!.AsArray();

    private readonly TemporaryFolder _folder = new();

    public static TheoryData<string> Ids => [.. Cases.Select(one => one!["id"]!.GetValue<string>())];

    public void Dispose() => _folder.Dispose();

    [Theory, MemberData(nameof(Ids))]
    public void A_grid_with_its_place_scores_as_the_map_of_the_whole_picture_digit_for_digit_and_as_the_reference(string id)
    {
        using var scope = torch.NewDisposeScope();
        var one = Cases.Single(entry => entry!["id"]!.GetValue<string>() == id)!;
        var (width, height) = (Size(one, "width"), Size(one, "height"));
        var grids = Npy.Read(Path.Combine(Root, "cases", id, "smoothed.npy")); // (phrases, rows, columns)
        var (rows, columns) = ((int)grids.shape[1], (int)grids.shape[2]);
        foreach (var (i, scores) in one["scores"]!.AsArray().Index())
            foreach (var smooth in (bool[])[false, true])
            {
                var cells = grids[i].contiguous().data<float>().ToArray();
                var place = SimilarityMap.Place(width, height, Size(one, "resize"), Size(one, "crop"), smooth);
                var truth = one["boxes_xywh"]!.AsArray().Select(box => box!.AsArray().Select(n => n!.GetValue<double>()).ToArray())
                    .Select(box => new Box(box[0], box[1], box[0] + box[2], box[1] + box[3])).ToList();
                Prediction whole = new()
                {
                    Id = "a", Image = "a.png", Class = "c", Phrase = "p", Width = width, Height = height, Truth = truth,
                    HeatMap = _folder.In("whole.npy"),
                };
                HeatMap.Write(whole.HeatMap, place.Enlarge(cells, rows, columns, width, height), height, width);
                HeatMap.Write(_folder.In("grid.npy"), cells, rows, columns);
                var grid = ThroughFile(whole with { HeatMap = "grid.npy", MapPlace = place });
                Assert.Equal(place, grid.MapPlace);
                foreach (var scale in Enum.GetValues<MapScale>())
                {
                    var (expected, actual) = (Measure(whole, scale, holes: true), Measure(grid, scale, holes: false));
                    Assert.Equal(expected, actual);
                    if (smooth) continue;
                    var name = scale == MapScale.Raw ? "raw" : "minmax";
                    Assert.Equal(scores![$"{name}_miou"]!.GetValue<double>(), actual.Iou, Tolerance);
                    Assert.Equal(scores[$"{name}_mdice"]!.GetValue<double>(), actual.Dice, Tolerance);
                    Assert.Equal(scores["cnr"]!.GetValue<double>(), actual.Contrast!.Value, Tolerance);
                }
            }
    }

    [Fact]
    public void NaN_within_a_placed_grid_spoils_it_and_around_it_does_not()
    {
        HeatMap.Write(_folder.In("sound.npy"), [0.6f, 0.6f, 0.6f, 0.6f], 2, 2);
        HeatMap.Write(_folder.In("spoiled.npy"), [0.6f, float.NaN, 0.6f, 0.6f], 2, 2);
        var answer = Answer("sound.npy", new MapPlace(2, 1, 4));
        Assert.Equal((0.5, Flaw.None), Score(answer)); // the truth is twice the square
        Assert.Equal((0.0, Flaw.NotFinite), Score(Answer("spoiled.npy", new MapPlace(2, 1, 4))));

        (double, Flaw) Score(Prediction of)
        {
            var sample = Assert.Single(Scorer.Score([of], Options(MapScale.Raw, holes: false)).Samples);
            return (Math.Round(sample.Iou, 12), sample.Flaw);
        }
    }

    [Fact]
    public void A_map_of_one_value_is_above_no_threshold_after_scaling_and_values_beyond_1_need_no_leave()
    {
        HeatMap.Write(_folder.In("flat.npy"), [7, 7], 1, 2);
        HeatMap.Write(_folder.In("large.npy"), [0, 255], 1, 2);
        var flat = Answer("flat.npy", null);
        Assert.Equal(0, Measure(flat, MapScale.Minmax, holes: false).Iou);
        Assert.Throws<InputException>(() => Measure(Answer("large.npy", null), MapScale.Raw, holes: false));
        Assert.True(Measure(Answer("large.npy", null), MapScale.Minmax, holes: false).Iou > 0);
    }

    [Fact]
    public void The_scale_stands_in_the_rules_the_notes_and_the_short_rule_of_a_table()
    {
        HeatMap.Write(_folder.In("m.npy"), [0, 1], 1, 2);
        foreach (var (scale, words) in ((MapScale, string)[])[(MapScale.Raw, "raw: "), (MapScale.Minmax, "minmax: ")])
        {
            var table = Scorer.Score([Answer("m.npy", null)], Options(scale, holes: false));
            Assert.StartsWith(words, table.Rules.Single(rule => rule.Key == "map_scale").Value, StringComparison.Ordinal);
            Assert.Contains(Pfmvg.Evaluation.Tables.ScoreGrid.Notes(table),
                note => note.Contains($"map scale: {words}", StringComparison.Ordinal));
            Assert.Equal(scale == MapScale.Minmax, Pfmvg.Evaluation.Tables.TidyTable.Rule(table.Options)
                .Contains("minmax", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("""{"left": 2, "top": 1, "side": 8, "interpolation": "nearest"}""", "does not lie in the picture of 12 x 8 pixels")]
    [InlineData("""{"left": -1, "top": 0, "side": 4, "interpolation": "nearest"}""", "does not lie in the picture")]
    [InlineData("""{"left": 0, "top": 0, "side": 0, "interpolation": "nearest"}""", "does not lie in the picture")]
    [InlineData("""{"left": 0, "top": 0, "side": 4}""", "'interpolation' is missing")]
    [InlineData("""{"left": 0, "top": 0, "side": 4, "interpolation": "bicubic"}""", "the interpolation 'bicubic' is not known")]
    [InlineData("""{"left": 0, "side": 4, "interpolation": "nearest"}""", "'top' is missing")]
    [InlineData("""{"left": 0.5, "top": 0, "side": 4, "interpolation": "nearest"}""", "'left' must be a whole number")]
    [InlineData("[0, 0, 4]", "'map_place' must be an object")]
    public void A_place_that_cannot_be_is_refused_with_its_line(string place, string words)
    {
        var line = JsonNode.Parse(PredictionFile.ToBytes([Answer("m.npy", null)], keepPatients: false))!;
        line["map_place"] = JsonNode.Parse(place);
        File.WriteAllText(_folder.In("p.jsonl"), line.ToJsonString());
        var refused = Assert.Throws<InputException>(() => PredictionFile.Read(_folder.In("p.jsonl")));
        Assert.Contains(words, refused.Message, StringComparison.Ordinal);
        Assert.Contains("p.jsonl:1", refused.Message, StringComparison.Ordinal);
    }

    private Prediction Answer(string map, MapPlace? place) => new()
    {
        Id = "a", Image = "a.png", Class = "c", Phrase = "p", Width = 12, Height = 8, Truth = [new Box(2, 1, 10, 5)],
        HeatMap = _folder.In(map), MapPlace = place,
    };

    private Prediction ThroughFile(Prediction answer)
    {
        PredictionFile.Write(_folder.In("p.jsonl"), [answer]);
        return Assert.Single(PredictionFile.Read(_folder.In("p.jsonl")));
    }

    private static (double Iou, double Dice, double? Contrast, bool Hit) Measure(Prediction answer, MapScale scale, bool holes)
    {
        var options = Options(scale, holes);
        var sample = Assert.Single(Scorer.Score([answer], options).Samples);
        var measures = Assert.Single(MapMeasures.Read([sample], options));
        return (sample.Iou, sample.Dice, measures.Contrast, measures.Hit);
    }

    private static ScoringOptions Options(MapScale scale, bool holes) => new()
    {
        Protocol = Protocol.MaskThresholds, MapScale = scale, HeatMapMayHaveHoles = holes, Resamples = 0,
    };

    private static int Size(JsonNode one, string key) => one[key]!.GetValue<int>();
}
