using System.Text;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Predictions;

public sealed class HeatMapTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_map_is_cut_at_five_thresholds_and_the_scores_are_averaged()
    {
        // A 2 x 2 map of a 200 x 100 picture; the truth is its left half. Cells of 100 x 50.
        var map = Write("m", "<f4", 2, 2, [0.15f, 0.25f, 0.55f, 0.0f]);
        var sample = Assert.Single(Score(map, [new Box(0, 0, 100, 100)]).Samples);
        // > 0.1: cells 1, 2, 3 -> 2/3; > 0.2: cells 2, 3 -> 1 of 3 cells; > 0.3, 0.4, 0.5: cell 3 -> 1/2 each.
        Assert.Equal((2.0 / 3 + 1.0 / 3 + 3 * 0.5) / 5, sample.Iou, 1e-12);
        Assert.Equal((0.8 + 0.5 + 3 * (2.0 / 3)) / 5, sample.Dice, 1e-12);
        Assert.True(sample.Valid);
    }

    [Fact]
    public void Cells_and_pixels_agree_for_overlapping_truth_and_any_map_size()
    {
        var random = new CounterRandom(1, "map");
        foreach (var (rows, columns) in ((int, int)[])[(1, 1), (4, 5), (20, 10), (100, 200)])
        {
            var values = Enumerable.Range(0, rows * columns).Select(_ => (float)random.NextDouble() * 0.7f).ToArray();
            Box[] truth = [new(10, 10, 90, 60), new(50, 30, 150, 95), new(0, 80, 5, 100)];
            var sample = Assert.Single(Score(Write("m", "<f4", rows, columns, values), truth).Samples);
            var (iou, dice) = (0.0, 0.0);
            foreach (var threshold in (float[])[0.1f, 0.2f, 0.3f, 0.4f, 0.5f]) // every pixel of the 200 x 100 picture, one by one
            {
                var (both, either, sum) = (0, 0, 0);
                for (var y = 0; y < 100; y++)
                    for (var x = 0; x < 200; x++)
                    {
                        var over = values[y * rows / 100 * columns + x * columns / 200] > threshold;
                        var inside = truth.Any(box => x >= box.Left && x < box.Right && y >= box.Top && y < box.Bottom);
                        both += over && inside ? 1 : 0;
                        either += over || inside ? 1 : 0;
                        sum += (over ? 1 : 0) + (inside ? 1 : 0);
                    }

                iou += both / (double)either / 5;
                dice += 2.0 * both / sum / 5;
            }

            Assert.Equal(iou, sample.Iou, 1e-12);
            Assert.Equal(dice, sample.Dice, 1e-12);
        }
    }

    [Theory]
    [InlineData("<f2")]
    [InlineData("<f4")]
    [InlineData(">f4")]
    [InlineData("<f8")]
    public void A_value_at_a_threshold_is_not_above_it_in_any_type(string type)
    {
        var map = Write("m", type, 1, 5, [0.1f, 0.2f, 0.3f, 0.4f, 0.5f]);
        var sample = Assert.Single(Score(map, [new Box(0, 0, 200, 100)]).Samples);
        Assert.Equal((0.8 + 0.6 + 0.4 + 0.2 + 0) / 5, sample.Iou, 1e-12);
    }

    [Fact]
    public void Fortran_order_and_a_leading_one_are_understood()
    {
        var plain = Iou(Write("a", "<f4", 2, 3, [0.9f, 0, 0, 0.9f, 0.9f, 0]));
        Assert.Equal(plain, Iou(Write("b", "<f4", 2, 3, [0.9f, 0.9f, 0, 0.9f, 0, 0], fortran: true)));
        Assert.Equal(plain, Iou(Write("c", "<f4", 2, 3, [0.9f, 0, 0, 0.9f, 0.9f, 0], shape: "1, 2, 3")));

        static double Iou(string map) => Score(map, [new Box(0, 0, 60, 100)]).Samples[0].Iou;
    }

    [Fact]
    public void Holes_spoil_a_map_unless_they_are_declared_outside_and_a_cold_map_is_a_failure()
    {
        var holes = Write("a", "<f4", 1, 2, [0.9f, float.NaN]);
        var spoiled = Assert.Single(Score(holes, [new Box(0, 0, 100, 100)]).Samples);
        Assert.Equal((0.0, Flaw.NotFinite, false), (spoiled.Iou, spoiled.Flaw, spoiled.Valid));
        Assert.Equal(1, Score(holes, [new Box(0, 0, 100, 100)], new ScoringOptions { HeatMapMayHaveHoles = true }).Samples[0].Iou);
        var cold = Assert.Single(Score(Write("b", "<f4", 1, 2, [0.05f, -1]), [new Box(0, 0, 100, 100)]).Samples);
        Assert.Equal((0.0, Flaw.Empty, false), (cold.Iou, cold.Flaw, cold.Valid));
    }

    [Fact]
    public void A_folder_of_maps_is_matched_by_sample_or_by_picture()
    {
        var truth = new TruthSet(
            [Question("1", "x.png", "left"), Question("2", "x.png", "right"), Question("3", "y.png", "one"),
                Question("4", "y.png", "one") with { Truth = [new Box(100, 0, 200, 100)] }],
            new Dictionary<string, string>(), new Dictionary<string, string>());
        var options = new ReadOptions { Truth = truth };
        Write("maps/1", "<f4", 1, 2, [0.9f, 0]);
        Assert.Contains("'2' has no 2.npy", Assert.Throws<InputException>(
            () => ExternalPredictions.Read(_folder.In("maps"), options)).Message, StringComparison.Ordinal);
        Write("maps/2", "<f4", 1, 2, [0.9f, 0.9f]);
        Write("maps/y", "<f4", 1, 2, [0.9f, 0.9f]);
        var table = Scorer.Score(ExternalPredictions.Read(_folder.In("maps"), options), new ScoringOptions
        {
            Protocol = Protocol.MaskThresholds,
            Resamples = 0,
        });
        Assert.Equal([1, 0.5, 1], table.Samples.Select(sample => sample.Iou));
        Assert.Contains("only the protocol mask-thresholds",
            Assert.Throws<InputException>(() => Scorer.Score(ExternalPredictions.Read(_folder.In("maps"), options))).Message,
            StringComparison.Ordinal);
        Write("maps/z", "<f4", 1, 2, [0.9f, 0.9f]);
        Assert.Contains("z.npy belongs to no sample",
            Assert.Throws<InputException>(() => ExternalPredictions.Read(_folder.In("maps"), options)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", 8, "two dimensions")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2, 2), }", 32, "two dimensions")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 2), }", 0, "two dimensions")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999, 2), }", 8, "two dimensions")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (8192, 9999), }", 8, "two dimensions")]
    [InlineData("{'descr': '<f4', 'fortran_order': False, 'shape': (8000, 8000), }", 8, "where its shape means 256,000,000")]
    [InlineData("{'descr': '|O', 'fortran_order': False, 'shape': (1, 1), }", 4, "type |O")]
    [InlineData("{'descr': '<c8', 'fortran_order': False, 'shape': (1, 1), }", 8, "type <c8")]
    [InlineData("{'shape': (1, 1), }", 4, "does not name descr")]
    public void A_hostile_map_is_refused_without_allocating_what_it_claims(string header, int bytes, string reason)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<InputException>(() => HeatMap.Read(Raw("bad", header, new byte[bytes])));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void A_map_that_is_missing_is_wrong_input_to_the_scorer_too()
    {
        var asked = new Prediction
        {
            Id = "a", Image = "i.jpg", Class = "Edema", Phrase = "p", Width = 10, Height = 10, Truth = [new Box(0, 0, 5, 5)],
            HeatMap = _folder.In("none.npy"),
        };
        var options = new ScoringOptions { Protocol = Protocol.MaskThresholds, Resamples = 0 };
        Assert.Contains("none.npy", Assert.Throws<InputException>(() => Scorer.Score([asked], options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_npy_file_is_refused()
    {
        Assert.Contains("not a NumPy", Assert.Throws<InputException>(
            () => HeatMap.Read(Answers.Write(_folder.Path, "text.npy", "certainly not numbers"))).Message, StringComparison.Ordinal);
        Assert.Contains("not a NumPy", Assert.Throws<InputException>(() => HeatMap.Read(Answers.Write(_folder.Path, "empty.npy"))).Message,
            StringComparison.Ordinal);
        Assert.Contains("cannot be read", Assert.Throws<InputException>(() => HeatMap.Read(_folder.In("none.npy"))).Message,
            StringComparison.Ordinal);
        File.WriteAllBytes(_folder.In("long.npy"), [0x93, .. "NUMPY"u8, 2, 0, 0xff, 0xff, 0xff, 0xff]);
        Assert.Contains("header is longer", Assert.Throws<InputException>(() => HeatMap.Read(_folder.In("long.npy"))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Answers_with_boxes_are_no_maps()
    {
        foreach (var answer in (Prediction[])[Answers.Make("a", [new Box(0, 0, 9, 9)], "{<1><1><2><2>}"), Answers.WithIou("a", 0.5)])
            Assert.Contains("scores heat maps only; choose another --protocol", Assert.Throws<InputException>(() => Scorer.Score(
                [answer], new ScoringOptions { Protocol = Protocol.MaskThresholds })).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("|u1", 255, true)]  // a gray picture
    [InlineData("<f4", 100, true)]  // per cent
    [InlineData("<f4", 3.5f, true)] // logits
    [InlineData("<f4", 1.2f, true)]
    [InlineData("<f4", 1.0005f, false)]
    [InlineData("|u1", 1, false)]   // a mask
    [InlineData("<f4", -0.5f, false)]
    public void Maps_on_another_scale_than_the_thresholds_are_refused_unless_insisted_on(string type, float most, bool refused)
    {
        List<Box> truth = [new Box(0, 0, 100, 100)];
        var path = Write("scale", type, 1, 2, [most, 0]);
        if (refused)
            Assert.Contains("and 1 of 1 maps reach beyond 1",
                Assert.Throws<InputException>(() => Score(path, truth)).Message, StringComparison.Ordinal);
        var table = Score(path, truth, new ScoringOptions { AnyHeatMapScale = true });
        Assert.Equal(most > 0 ? 1 : 0, table.Samples[0].Iou);
    }

    [Fact]
    public void One_map_a_little_beyond_one_among_others_is_scored_but_not_one_far_beyond()
    {
        Prediction Map(string id, float most) => Question(id, $"{id}.png", id) with { HeatMap = Write(id, "<f4", 1, 2, [most, 0]) };
        var options = new ScoringOptions { Protocol = Protocol.MaskThresholds, Resamples = 0 };
        Assert.Equal(1, Scorer.Score([Map("a", 0.9f), Map("b", 0.9f), Map("c", 1.2f)], options).Mean[Metric.Iou].Value, 1e-12);
        Assert.Contains("c.npy", Assert.Throws<InputException>(
            () => Scorer.Score([Map("a", 0.9f), Map("b", 0.9f), Map("c", 255)], options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_protocol_prints_its_own_failure_rule()
    {
        var rule = ProtocolDescription.Describe(new ScoringOptions { Protocol = Protocol.MaskThresholds });
        Assert.Equal("no map, a map with NaN or infinite values or one without a value above 0.1 scores 0", rule.Failure);
        Assert.DoesNotContain("NaN", ProtocolDescription.Describe(
            new ScoringOptions { Protocol = Protocol.MaskThresholds, HeatMapMayHaveHoles = true }).Failure, StringComparison.Ordinal);
    }

    private static Prediction Question(string id, string image, string phrase) =>
        Answers.Make(id, [new Box(0, 0, 100, 100)], "") with { Answer = null, Image = image, Phrase = phrase, Width = 200, Height = 100 };

    private static ScoreTable Score(string map, IReadOnlyList<Box> truth, ScoringOptions? options = null) => Scorer.Score(
        [Question("a", "a.png", "p") with { Truth = truth, HeatMap = map }], (options ?? new ScoringOptions()) with
        {
            Protocol = Protocol.MaskThresholds,
            Resamples = 0,
        });

    private string Write(string name, string type, int rows, int columns, float[] values, bool fortran = false, string? shape = null)
    {
        byte[] Bytes(float value) => type switch
        {
            "<f2" => BitConverter.GetBytes((Half)value),
            "|u1" => [(byte)value],
            "<f8" => BitConverter.GetBytes(Math.Round((double)value, 6)),
            ">f4" => [.. BitConverter.GetBytes(value).Reverse()],
            _ => BitConverter.GetBytes(value),
        };
        var order = fortran ? "True" : "False";
        var header = $"{{'descr': '{type}', 'fortran_order': {order}, 'shape': ({shape ?? $"{rows}, {columns}"}), }}";
        return Raw(name, header, [.. values.SelectMany(Bytes)]);
    }

    private string Raw(string name, string header, byte[] data)
    {
        var padded = header.PadRight(117) + "\n";
        var path = _folder.In($"{name}.npy");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, [0x93, .. "NUMPY"u8, 1, 0, .. BitConverter.GetBytes((ushort)padded.Length),
            .. Encoding.ASCII.GetBytes(padded), .. data]);
        return path;
    }
}
