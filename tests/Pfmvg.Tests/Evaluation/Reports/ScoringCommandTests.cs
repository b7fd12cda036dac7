using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Reports;

/// <summary>The commands that score files, as a user runs them.</summary>
public sealed class ScoringCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_predictions_file_is_scored_without_a_model_and_gives_the_library_s_numbers()
    {
        var predictions = Answers.Varied(80);
        PredictionFile.Write(_folder.In("p.jsonl"), predictions);
        var result = Shell.RunPfmvg("eval", "--predictions", _folder.In("p.jsonl"), "--protocol", "phrase-union", "--resamples", "200",
            "--out", _folder.In("out"), "--baselines", "paper");
        Assert.True(result.ExitCode == 0, result.ToString());
        var table = Scorer.Score(predictions, new ScoringOptions { Protocol = Protocol.PhraseUnion, Resamples = 200 });
        Assert.Contains(ScoreGrid.Cell(table.Mean, Metric.Iou), result.Output, StringComparison.Ordinal);
        Assert.Contains("MSLL (published)", result.Output, StringComparison.Ordinal);
        Assert.Equal(table.Weighted[Metric.Dice].Low,
            JsonNode.Parse(File.ReadAllText(_folder.In("out", "scores.json")))!["weighted"]!["dice"]!["low"]!.GetValue<double>());
        Assert.True(File.Exists(_folder.In("out", "report.html")) && File.Exists(_folder.In("out", "overlay.png")));
    }

    [Fact]
    public void Two_files_are_compared_and_phrases_stay_out_of_the_output_unless_asked_for()
    {
        PredictionFile.Write(_folder.In("a.jsonl"), Answers.Varied(60, seed: 1));
        PredictionFile.Write(_folder.In("b.jsonl"), Answers.Varied(60, seed: 2));
        var result = Shell.RunPfmvg("compare", _folder.In("a.jsonl"), _folder.In("b.jsonl"), "--resamples", "200");
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("B - A", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("phrase s", result.Output, StringComparison.Ordinal);
        Assert.Contains("phrase s", Shell.RunPfmvg(
            "compare", _folder.In("a.jsonl"), _folder.In("b.jsonl"), "--resamples", "10", "--with-phrases").Output,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--protocol", "guess")]
    [InlineData("--format", "word")]
    [InlineData("--coordinates", "inches-xyxy")]
    [InlineData("--baselines", "ours")]
    [InlineData("--resamples", "-1")]
    [InlineData("--colors", "white")]
    [InlineData("--truth", "no-such.json")]
    public void A_wrong_option_is_one_sentence_and_exit_code_2(string option, string value)
    {
        PredictionFile.Write(_folder.In("p.jsonl"), Answers.Varied(20));
        var result = Shell.RunPfmvg("eval", "--predictions", _folder.In("p.jsonl"), "--out", _folder.In("out"), option, value);
        Assert.True(result.ExitCode == 2, result.ToString());
        Assert.StartsWith("error: ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
    }
}
