using System.Globalization;
using System.Text.Json;
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

    [Fact]
    public void Every_command_prints_one_document_with_the_table_s_numbers()
    {
        var answers = Answers.Varied(60);
        PredictionFile.Write(_folder.In("a.jsonl"), answers);
        PredictionFile.Write(_folder.In("b.jsonl"), Answers.Varied(60, seed: 2));
        var csv = StrictCsv.Read(Print("eval", "--predictions", _folder.In("a.jsonl"), "--format", "csv"));
        var table = Scorer.Score(answers, new ScoringOptions { Resamples = 50 });
        Assert.Equal(table.Weighted[Metric.Iou].Low, double.Parse(
            csv.Single(line => line["row"] == "weighted" && line["metric"] == "iou")["low"], CultureInfo.InvariantCulture));
        var paper = StrictCsv.Read(Print("eval", "--predictions", _folder.In("a.jsonl"), "--format", "csv", "--baselines", "paper"));
        Assert.Equal("0.407", paper.Single(line =>
            line["answers"] == "PFMVG (published)" && line["row"] == "weighted" && line["metric"] == "iou")["value"]);
        var all = StrictCsv.Read(Print("eval", "--predictions", _folder.In("a.jsonl"), "--format", "csv", "--protocol", "all",
            "--baselines", "published"));
        Assert.Equal(ProtocolDescription.Names.Order(), all.Where(line => line["answers"] == "this run").Select(line => line["protocol"])
            .Distinct().Order());
        var compared = StrictCsv.Read(Print("compare", _folder.In("a.jsonl"), _folder.In("b.jsonl"), "--format", "csv"));
        Assert.Equal(["A", "B", "B - A"], compared.Select(line => line["answers"]).Distinct());
        foreach (var command in (string[][])[["eval", "--predictions", _folder.In("a.jsonl")], ["compare", _folder.In("a.jsonl"),
            _folder.In("b.jsonl"), "--out", _folder.In("compared")]])
        {
            var printed = Print([.. command, "--format", "json"]);
            Assert.EndsWith("}\n", printed, StringComparison.Ordinal);
            Assert.All(JsonNode.Parse(printed)!["figures"]!.AsArray(),
                figure => Assert.True((figure!["value"]?.GetValueKind() ?? JsonValueKind.Number) == JsonValueKind.Number));
        }

        Assert.Equal(["comparison.csv", "comparison.json", "samples.csv"],
            Directory.GetFiles(_folder.In("compared")).Select(Path.GetFileName).Order());

        string Print(params string[] arguments)
        {
            var result = Shell.RunPfmvg([.. arguments, "--resamples", "50"]);
            Assert.True(result.ExitCode == 0, result.ToString());
            return result.Output;
        }
    }

    [Fact]
    public void A_table_of_samples_keeps_phrases_for_those_who_ask_and_never_replaces_the_answers()
    {
        PredictionFile.Write(_folder.In("p.jsonl"), Answers.Varied(30));
        var plain = Run("--samples", _folder.In("s.csv"));
        Assert.True(plain.ExitCode == 0, plain.ToString());
        Assert.DoesNotContain("phrase s", File.ReadAllText(_folder.In("s.csv")), StringComparison.Ordinal);
        Assert.Equal(0, Run("--samples", _folder.In("s.csv"), "--with-phrases", "--with-identifiers").ExitCode);
        Assert.Contains("phrase s0", File.ReadAllText(_folder.In("s.csv")), StringComparison.Ordinal);
        var answers = File.ReadAllBytes(_folder.In("p.jsonl"));
        foreach (var (name, reason) in (IEnumerable<(string, string)>)
            [("p.jsonl", "would replace what is read"), ("s.txt", ".csv or .jsonl")])
        {
            var refused = Run("--samples", _folder.In(name));
            Assert.Equal(2, refused.ExitCode);
            Assert.Contains(reason, refused.Error, StringComparison.Ordinal);
        }

        Assert.Equal(answers, File.ReadAllBytes(_folder.In("p.jsonl")));

        Shell.Result Run(params string[] options) =>
            Shell.RunPfmvg(["eval", "--predictions", _folder.In("p.jsonl"), "--resamples", "10", .. options]);
    }

    [Theory]
    [InlineData("compare")]
    [InlineData("eval")]
    public void All_protocols_are_refused_where_one_is_needed_and_options_that_none_of_them_has(string command)
    {
        PredictionFile.Write(_folder.In("p.jsonl"), Answers.Varied(20));
        var result = command == "compare"
            ? Shell.RunPfmvg("compare", _folder.In("p.jsonl"), _folder.In("p.jsonl"), "--protocol", "all")
            : Shell.RunPfmvg("eval", "--predictions", _folder.In("p.jsonl"), "--protocol", "all", "--nan-outside");
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(command == "compare" ? "here choose one of pfmvg-box" : "--nan-outside is for heat maps", result.Error,
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
    [InlineData("--answers", "7")]
    [InlineData("--answers", "raw,strict")]
    [InlineData("--intervals", "1")]
    [InlineData("--min-confidence", "50")]
    [InlineData("--min-confidence", "0.5", "drops boxes by their confidence")] // the answers are text
    [InlineData("--baselines", "paper", "which --protocol map50 does not have", "--protocol", "map50")]
    [InlineData("--plus-one", "true", "which adds the pixel itself", "--answers", "original")]
    [InlineData("--plus-one", "true", "has no effect on heat maps", "--protocol", "mask-thresholds")]
    [InlineData("--intervals", "bca", "has no effect without resamples", "--resamples", "0")]
    [InlineData("--truth-split", "test", "chooses a part of --truth")]
    [InlineData("--with-phrases", "true", "has no effect without --no-images")]
    [InlineData("--images", ".", "--no-images leaves them out", "--no-images")]
    public void A_wrong_option_is_one_sentence_and_exit_code_2(string option, string value, string sentence = "", params string[] others)
    {
        PredictionFile.Write(_folder.In("p.jsonl"), Answers.Varied(20));
        var result = Shell.RunPfmvg(["eval", "--predictions", _folder.In("p.jsonl"), "--out", _folder.In("out"), option, value, .. others]);
        Assert.True(result.ExitCode == 2, result.ToString());
        Assert.StartsWith("error: ", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error, StringComparison.Ordinal);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.In("out")));
    }

    [Theory]
    [InlineData("--colors", "white")]
    [InlineData("--out", "file/report")]
    [InlineData("--out", "file")]
    public void What_would_fail_at_the_end_is_refused_before_anything_is_read(string option, string value)
    {
        File.WriteAllText(_folder.In("file"), "not a folder");
        string[] given = option == "--out" ? [option, _folder.In(value)] : [option, value, "--out", _folder.In("out")];
        var result = Shell.RunPfmvg(["eval", "--predictions", _folder.In("none.jsonl"), .. given]);
        Assert.True(result.ExitCode == 2, result.ToString());
        Assert.DoesNotContain("none.jsonl", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_model_is_not_asked_for_answers_that_the_protocol_cannot_score()
    {
        var result = Shell.RunPfmvg("eval", "--split", "test", "--protocol", "mask-thresholds");
        Assert.True(result.ExitCode == 2, result.ToString());
        Assert.Contains("models are asked for boxes", result.Error, StringComparison.Ordinal);
    }
}
