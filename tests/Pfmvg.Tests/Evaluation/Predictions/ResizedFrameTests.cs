using System.Globalization;
using System.Text.RegularExpressions;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Predictions;

/// <summary>Answers in pixels of another size than the picture's, or with y first, are neither scored as they stand nor lost.</summary>
public sealed partial class ResizedFrameTests : IDisposable
{
    private static readonly (int Width, int Height)[] Sizes = [(2048, 2500), (2500, 2048), (3056, 2544), (1800, 1500)];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, string> Frames
    {
        get
        {
            var data = new TheoryData<string, string>();
            string[] frames = ["448x448", "224x224", "336x336", "1024x1024", "640x480", "longest-1024", "shortest-512", "scale-0.5"];
            foreach (var layout in Enum.GetNames<BoxLayout>())
                foreach (var frame in frames) data.Add($"pixels-{layout.ToLowerInvariant()}", frame);
            data.Add("pixels-yxyx", "");
            data.Add("thousand-yxyx", "");
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Frames))]
    public void Boxes_in_another_frame_or_order_are_refused_and_score_once_they_are_declared(string kind, string frame)
    {
        var (asked, means) = (Asked(), Meaning(kind, frame));
        var path = Write(asked, means, null);
        var wrong = new ReadOptions { Coordinates = Coordinates.Parse("pixels-xyxy") };
        Assert.Contains("do not look like pixels-xyxy", Assert.Throws<InputException>(() => PredictionFile.Read(path, wrong)).Message,
            StringComparison.Ordinal);
        var read = PredictionFile.Read(path, new ReadOptions { Coordinates = Coordinates.Parse(kind), Frame = means.Frame });
        Assert.Equal(Score(asked), Score(read), 1e-9);
    }

    [Theory]
    [MemberData(nameof(Frames))]
    public void Following_the_advice_passes_and_scores_as_the_right_declaration(string kind, string frame)
    {
        var (asked, means) = (Asked(), Meaning(kind, frame));
        foreach (var stated in (string?[])["pixels-xyxy", null])
        {
            var path = Write(asked, means, stated);
            var advice = Assert.Throws<InputException>(() => PredictionFile.Read(path,
                stated is null ? new ReadOptions { Coordinates = Coordinates.Parse("pixels-xyxy") } : new ReadOptions())).Message;
            var words = Advice().Match(advice);
            Assert.True(words.Success, advice);
            var read = PredictionFile.Read(path, new ReadOptions
            {
                Coordinates = Coordinates.Parse(words.Groups[1].Value),
                Frame = words.Groups[2].Success ? PictureFrame.Parse(words.Groups[2].Value) : null,
            });
            Assert.InRange(Score(read), 0.9 * Score(asked), 1.1 * Score(asked)); // an estimated frame is a little off
        }
    }

    [Theory]
    [InlineData("448x448")]
    [InlineData("224x224")]
    [InlineData("1024x1024")]
    [InlineData("longest-1024")]
    [InlineData("shortest-512")]
    [InlineData("scale-0.5")]
    public void The_usual_frames_are_named(string frame)
    {
        var path = Write(Asked(), Meaning("pixels-xyxy", frame), "pixels-xyxy");
        Assert.Contains($"--coordinates pixels-xyxy --frame {frame},",
            Assert.Throws<InputException>(() => PredictionFile.Read(path)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("[{0}, {1}, {2}, {3}]")]
    [InlineData("{{<{0}><{1}><{2}><{3}>}}")]
    [InlineData("({0}, {1}), ({2}, {3})")]
    public void Answers_in_text_are_recognised_and_declared_likewise(string notation)
    {
        var (asked, means) = (Asked(), Meaning("pixels-xyxy", "448x448"));
        var path = Answers.Write(_folder.Path, "text.jsonl", asked.Select(p =>
        {
            object[] numbers = [.. Numbers(p, means).Select(n => (object)Math.Round(n))];
            return Line(p, $"\"answer\": \"{string.Format(CultureInfo.InvariantCulture, notation, numbers)}\"");
        }));
        Assert.Contains("--coordinates pixels-xyxy --frame 448x448",
            Assert.Throws<InputException>(() => PredictionFile.Read(path)).Message, StringComparison.Ordinal);
        foreach (var coordinates in (Coordinates?[])[null, Coordinates.Parse("pixels-xyxy")])
            Assert.Equal(Score(asked),
                Score(PredictionFile.Read(path, new ReadOptions { Coordinates = coordinates, Frame = means.Frame })), 0.02);
    }

    [Fact]
    public void Constant_and_poor_answers_are_never_taken_for_another_frame()
    {
        var (asked, random) = (Asked(), new CounterRandom(5, "poor"));
        foreach (var (x, y, w, h) in ((double, double, double, double)[])[(100, 100, 200, 250), (300, 900, 900, 400), (40, 400, 60, 90)])
        {
            var constant = asked.ConvertAll(p => p with { Boxes = [new Box(x, y, x + w, y + h)] });
            Assert.Equal(asked.Count,
                PredictionFile.Read(Write(constant, Meaning("pixels-xyxy", ""), "pixels-xyxy")).Count);
        }

        var noisy = asked.ConvertAll(p => p with
        {
            Boxes = [p.Truth[0].Scale(0.5 + random.NextDouble(), 0.5 + random.NextDouble())],
        });
        Assert.Equal(asked.Count, PredictionFile.Read(Write(noisy, Meaning("pixels-xyxy", ""), "pixels-xyxy")).Count);
    }

    [Fact]
    public void A_frame_in_the_file_is_followed_and_one_of_numbers_that_are_no_pixels_is_refused()
    {
        var (asked, means) = (Asked(), Meaning("pixels-xyxy", "448x448"));
        var path = Write(asked, means, "pixels-xyxy\", \"frame\": \"448x448");
        Assert.Equal(Score(asked), Score(PredictionFile.Read(path)), 1e-9);
        Assert.Contains("they must agree", Assert.Throws<InputException>(
            () => PredictionFile.Read(path, new ReadOptions { Frame = PictureFrame.Parse("224x224") })).Message, StringComparison.Ordinal);
        Assert.Contains("belongs to pixels", Assert.Throws<InputException>(() => PredictionFile.Read(Write(asked, means, null),
            new ReadOptions { Coordinates = Coordinates.Parse("unit-xyxy"), Frame = means.Frame })).Message, StringComparison.Ordinal);
        foreach (var wrong in (string[])["448", "0x448", "scale-0", "longest-", "448x-1", "4x4x4"])
            Assert.Contains("is no frame",
                Assert.Throws<InputException>(() => PictureFrame.Parse(wrong)).Message, StringComparison.Ordinal);
    }

    private static Coordinates Meaning(string kind, string frame) =>
        Coordinates.Parse(kind).In(frame.Length == 0 ? null : PictureFrame.Parse(frame));

    private static double Score(IReadOnlyList<Prediction> predictions) =>
        Scorer.Score(predictions, new ScoringOptions { Resamples = 0 }).Weighted[Metric.Iou].Value;

    private static List<Prediction> Asked()
    {
        var random = new CounterRandom(4, "asked");
        return [.. Enumerable.Range(0, 40).Select(i =>
        {
            var (width, height) = Sizes[i % Sizes.Length];
            var (x, y) = (width * (0.1 + 0.4 * random.NextDouble()), height * (0.2 + 0.4 * random.NextDouble()));
            var truth = new Box(x, y, x + width * (0.1 + 0.3 * random.NextDouble()), y + height * (0.1 + 0.3 * random.NextDouble()));
            return Answers.Make($"s{i}", [truth], [truth.Move(10 * random.NextNormal(), 10 * random.NextNormal())]) with
            {
                Width = width,
                Height = height,
            };
        })];
    }

    private string Write(List<Prediction> predictions, Coordinates means, string? stated) =>
        Answers.Write(_folder.Path, "boxes.jsonl", predictions.Select(p => Line(p, $"\"boxes\": [[{string.Join(", ", Numbers(p, means)
            .Select(n => n.ToString(CultureInfo.InvariantCulture)))}]]" + (stated is null ? "" : $", \"coordinates\": \"{stated}\""))));

    private static double[] Numbers(Prediction p, Coordinates means)
    {
        var (width, height) = means.Frame?.SizeOf(p.Width, p.Height) ?? (means.Range ?? p.Width, means.Range ?? p.Height);
        var box = p.Boxes![0].Scale(width / p.Width, height / p.Height);
        return means.Layout switch
        {
            BoxLayout.Xyxy => [box.Left, box.Top, box.Right, box.Bottom],
            BoxLayout.Xywh => [box.Left, box.Top, box.Width, box.Height],
            BoxLayout.Yxyx => [box.Top, box.Left, box.Bottom, box.Right],
            _ => [(box.Left + box.Right) / 2, (box.Top + box.Bottom) / 2, box.Width, box.Height],
        };
    }

    private static string Line(Prediction p, string answer) =>
        $"{{\"id\": \"{p.Id}\", \"image\": \"{p.Image}\", \"class\": \"{p.Class}\", \"phrase\": \"{p.Phrase}\", "
        + FormattableString.Invariant($"\"width\": {p.Width}, ")
        + FormattableString.Invariant($"\"height\": {p.Height}, \"truth\": [[{p.Truth[0].Left}, {p.Truth[0].Top}, {p.Truth[0].Right}, ")
        + FormattableString.Invariant($"{p.Truth[0].Bottom}]], {answer}}}");

    [GeneratedRegex("declare that with --coordinates ([a-z]+-[a-z]+)(?: --frame ([a-z0-9.-]+))?[,.]")]
    private static partial Regex Advice();
}
