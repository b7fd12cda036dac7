using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Comparing;

/// <summary>`compare` with more than two sets, and runs, as a user calls them.</summary>
public sealed class ComparingCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string[] _files;

    public ComparingCommandTests()
    {
        _files = [.. Enumerable.Range(1, 4).Select(seed => _folder.In($"{seed}.jsonl"))];
        foreach (var (i, file) in _files.Index()) PredictionFile.Write(file, Answers.Varied(40, seed: i + 1));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Sets_runs_and_average_precision_are_compared()
    {
        var sets = Run("compare", _files[0], _files[1], _files[2], "--resamples", "50");
        Assert.Contains("C - B", sets, StringComparison.Ordinal);
        Assert.Contains("p (Holm)", sets, StringComparison.Ordinal);
        Assert.Contains($"C: {_files[2]}", sets, StringComparison.Ordinal);
        Assert.DoesNotContain("C - B", Run("compare", _files[0], _files[1], _files[2], "--with-first", "--resamples", "50"),
            StringComparison.Ordinal);
        var runs = Run("compare", "--runs", _files[0], _files[1], "--against", _files[2], _files[3], "--resamples", "50");
        Assert.Contains("IoU over the runs, B - A", runs, StringComparison.Ordinal);
        Assert.Contains("A SD", runs, StringComparison.Ordinal);
        Assert.Contains("AP@0.5, B - A", Run("compare", _files[0], _files[1], "--protocol", "map50", "--resamples", "50"),
            StringComparison.Ordinal);
        var scores = Run("eval", "--predictions", _files[0], _files[1], _files[2], "--resamples", "50");
        Assert.Contains("Scores over 3 runs", scores, StringComparison.Ordinal);
        Assert.Contains("IoU SD", scores, StringComparison.Ordinal);
        Assert.Contains("3.jsonl", scores, StringComparison.Ordinal);
    }

    [Fact]
    public void Boxes_and_maps_that_show_the_same_score_the_same_and_the_table_says_that_these_are_two_measures()
    {
        List<Prediction> boxes = [], maps = [];
        foreach (var answer in Answers.Varied(14))
        {
            int[] grid = [.. Regex.Matches(answer.Answer!, "[0-9]+")
                .Select(number => int.Parse(number.Value, CultureInfo.InvariantCulture))];
            if (grid is not [var left, var top, var right, var bottom] || left >= right || top >= bottom) continue;
            boxes.Add(answer);
            maps.Add(answer with { Answer = null, Confidence = null, HeatMap = _folder.In($"{answer.Id}.npy") });
            var values = new float[1000 * 1000];
            for (var row = 10 * top; row < 10 * bottom; row++) values.AsSpan(1000 * row + 10 * left, 10 * (right - left)).Fill(1);
            HeatMap.Write(maps[^1].HeatMap!, values, 1000, 1000);
        }

        Assert.True(boxes.Count > 5);
        var (ofBoxes, ofMaps) = (_folder.In("boxes.jsonl"), _folder.In("maps.jsonl"));
        PredictionFile.Write(ofBoxes, boxes);
        PredictionFile.Write(ofMaps, maps);
        foreach (var (a, b, first, second) in ((string, string, string, string)[])[
            (ofBoxes, ofMaps, "phrase-union", "mask-thresholds"), (ofMaps, ofBoxes, "mask-thresholds", "phrase-union")])
        {
            Assert.Contains($"TWO MEASURES: A by {first}, B by {second}; n = {boxes.Count} phrases",
                Run("compare", a, b, "--resamples", "50"), StringComparison.Ordinal);
            var rows = JsonNode.Parse(Run("compare", a, b, "--resamples", "50", "--format", "json"))!["figures"]!.AsArray();
            var iou = rows.Where(row => (string)row!["row"]! == "weighted" && (string)row["metric"]! == "iou").ToList();
            Assert.Equal([first, second, $"{second} - {first}"], iou.Select(row => (string)row!["protocol"]!));
            Assert.InRange((double)iou[0]!["value"]!, 0.1, 1);
            Assert.Equal((double)iou[0]!["value"]!, (double)iou[1]!["value"]!, 1e-9);
        }

        Assert.Contains("two sets at a time", Shell.RunPfmvg("compare", ofBoxes, ofMaps, ofMaps).Error, StringComparison.Ordinal);
        Assert.Contains("leave --protocol out", Shell.RunPfmvg("compare", ofBoxes, ofMaps, "--protocol", "single-box").Error,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("needs 2 to 26 sets", "1.jsonl")]
    [InlineData("the first one, is not given", "1.jsonl", "2.jsonl", "--against", "3.jsonl")]
    [InlineData("stands beside --runs", "1.jsonl", "--runs", "2.jsonl", "--against", "3.jsonl")]
    [InlineData("pfmvg eval --predictions", "--runs", "1.jsonl", "2.jsonl")]
    [InlineData("1.jsonl twice", "--runs", "1.jsonl", "1.jsonl", "--against", "3.jsonl")]
    [InlineData("one run each", "--runs", "1.jsonl", "--against", "2.jsonl")]
    [InlineData("--changes", "1.jsonl", "2.jsonl", "3.jsonl", "--changes", "3")]
    [InlineData("--with-first", "1.jsonl", "2.jsonl", "--with-first")]
    [InlineData("--with-phrases is about single samples", "1.jsonl", "2.jsonl", "--protocol", "map50", "--with-phrases")]
    public void What_cannot_be_compared_is_one_sentence(string reason, params string[] arguments)
    {
        var result = Shell.RunPfmvg(["compare", .. arguments
            .Select(a => a.EndsWith(".jsonl", StringComparison.Ordinal) ? _folder.In(a) : a)]);
        Assert.True(result.ExitCode == 2, result.ToString());
        Assert.Contains(reason, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }

    private static string Run(params string[] arguments)
    {
        var result = Shell.RunPfmvg(arguments);
        Assert.True(result.ExitCode == 0, result.ToString());
        return result.Output;
    }
}
