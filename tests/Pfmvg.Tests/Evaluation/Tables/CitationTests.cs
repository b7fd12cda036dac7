using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation.Tables;

public sealed class CitationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Protocol.PfmvgBox, "true boxes")]
    [InlineData(Protocol.SingleBox, "phrases")]
    [InlineData(Protocol.Map50, "true boxes")]
    public void The_sentence_has_protocol_n_failure_rule_version_and_the_hash_of_every_file(Protocol protocol, string units)
    {
        PredictionFile.Write(_folder.In("p.jsonl"), Answers.Varied(60));
        var options = new ScoringOptions { Protocol = protocol, Resamples = 20 };
        var table = Scorer.Score(PredictionFile.Read(_folder.In("p.jsonl")), options) with
        {
            Sources = [SourceFile.Read("predictions", _folder.In("p.jsonl"))],
        };
        var hash = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(_folder.In("p.jsonl"))));
        var sentence = Citation.Of(table);
        foreach (var part in (string[])[$"protocol {table.Protocol.Name} (rule raw)", $"n = {table.Weighted.Count} {units}",
            $"failures: {table.Protocol.Failure}", $"PFMVG {typeof(ScoreTable).Assembly.GetName().Version!.ToString(3)}",
            $"predictions p.jsonl, SHA-256 {hash}", "20 bootstrap resamples"])
            Assert.Contains(part, sentence, StringComparison.Ordinal);
        Assert.DoesNotContain(_folder.Path, sentence, StringComparison.Ordinal);

        ScoreReport.WriteAll(_folder.Path, table, new ReportOptions { IncludeImages = false });
        var scores = JsonNode.Parse(File.ReadAllText(_folder.In("scores.json")))!;
        Assert.Equal(sentence, scores["how_to_cite"]!.ToString());
        Assert.Equal(hash, scores["sources"]![0]!["sha256"]!.ToString());
        Assert.Contains(hash, File.ReadAllText(_folder.In("report.html")), StringComparison.Ordinal);
        var grid = ScoreGrid.PerClass(table);
        Assert.Contains($"\nHow to cite: {sentence}\n", grid.Print(TableFormat.Text), StringComparison.Ordinal);
        Assert.StartsWith("% How to cite: ", grid.Print(TableFormat.Latex), StringComparison.Ordinal);
    }

    [Fact]
    public void Scores_of_phantoms_are_cited_as_such() => Assert.Contains("on synthetic phantoms",
        Citation.Of(Scorer.Score(Answers.Varied(20), new ScoringOptions { Resamples = 0, Synthetic = true })), StringComparison.Ordinal);

    /// <summary>The figure is that of `printf 'x' > a.npy; printf 'yz' > b.npy; LC_ALL=C sha256sum *.npy | sha256sum`.</summary>
    [Fact]
    public void A_folder_s_hash_is_that_of_the_list_of_its_files_hashes()
    {
        File.WriteAllText(_folder.In("b.npy"), "yz");
        File.WriteAllText(_folder.In("a.npy"), "x");
        File.WriteAllText(_folder.In("other.txt"), "left out");
        var source = SourceFile.Read("predictions", _folder.Path + "/");
        Assert.Equal((3L, "318780a3dbc7649c87bb2555dc919241d6a05e6426ac6effad2ed3c5ffb0c675"), (source.Bytes, source.Sha256));
    }
}
