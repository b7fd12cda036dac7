using Pfmvg.Cli.Output;
using Pfmvg.Evaluation.Auditing;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Evaluation.Auditing;

public sealed class AuditTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(AnswerRule.Raw, false)]
    [InlineData(AnswerRule.Raw, true)]
    [InlineData(AnswerRule.Repair, false)]
    [InlineData(AnswerRule.Strict, false)]
    [InlineData(AnswerRule.Original, false)]
    public void Our_scores_pass_under_every_rule_and_protocol_whatever_the_answers_are(AnswerRule rule, bool plusOne)
    {
        foreach (var seed in (long[])[1, 2, 3])
        {
            var audit = Audit.Of(Mixed(seed), new ScoringOptions { Rule = rule, PlusOne = plusOne });
            Assert.Equal(["pfmvg-box", "phrase-union", "single-box", "map50"], audit.Protocols.Select(protocol => protocol.Protocol.Name));
            Assert.Empty(Failures(audit));
            Assert.All(audit.Protocols, protocol => Assert.True(protocol.Results.Count >= 7));
        }
    }

    [Fact]
    public void The_audit_of_results_with_crowds_passes_too()
    {
        var files = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Evaluation", "Files");
        var predictions = ExternalPredictions.Read(Path.Combine(files, "crowd.results.json"),
            new ReadOptions { Truth = TruthFile.Read(Path.Combine(files, "crowd.truth.json")) });
        Assert.Empty(Failures(Audit.Of(predictions, new ScoringOptions())));
    }

    [Fact]
    public void Answers_in_pixels_of_the_picture_or_of_a_resized_one_keep_their_place_when_the_picture_grows()
    {
        foreach (var frame in (PictureFrame?[])[null, PictureFrame.Scaled(0.5), PictureFrame.Longest(500)])
        {
            var reading = new AnswerReading(
                AnswerNotation.Of("[1, 2, 3, 4]")!, new Coordinates(null, BoxLayout.Xyxy) { Frame = frame }, true);
            List<Prediction> rows = [Answers.Make("a", [new Box(100, 100, 400, 400)], "[90, 90, 200, 200]") with { Reading = reading }];
            Assert.Empty(Failures(Audit.Of(rows, new ScoringOptions())));
        }
    }

    /// <summary>A fault, a protocol, and the change that must uncover it.</summary>
    [Theory]
    [InlineData("leaves failures out", "pfmvg-box", "truth, every second answer dropped")]
    [InlineData("leaves failures out", "map50", "truth, every second answer dropped")]
    [InlineData("sorts corners", "single-box", "truth, its corners swapped")]
    [InlineData("sorts corners", "map50", "truth, its corners swapped")]
    [InlineData("takes Dice for IoU", "pfmvg-box", "truth, sides twice as long")]
    [InlineData("takes Dice for IoU", "single-box", "truth, moved by half its width")]
    [InlineData("pairs by order", "phrase-union", "rows in another order")]
    [InlineData("knows one size of pictures", "phrase-union", "picture, truth and answers twice as large")]
    [InlineData("forgets the phrase", "phrase-union", "truth, exchanged among phrases")]
    [InlineData("adds a pixel", "pfmvg-box", "truth, sides twice as long")]
    [InlineData("gives a prior", "phrase-union", "no answers")]
    [InlineData("has a ceiling", "map50", "answers = truth")]
    public void A_faulty_evaluator_fails_the_change_that_shows_its_fault(string fault, string protocol, string change)
    {
        var audit = Audit.Of(Mixed(1), new ScoringOptions(), Faulty(fault));
        Assert.False(audit.Passed);
        Assert.Contains((protocol, change), Failures(audit));
        Assert.Contains(AuditGrid.Rows(audit), row => row.Protocol == protocol && row.Row == change
            && row.Rule.Contains("; FAIL (", StringComparison.Ordinal));
        Assert.Contains(AuditGrid.Print(audit)[^1].Notes,
            note => note.Contains("cannot be trusted", StringComparison.Ordinal));
    }

    [Fact]
    public void Heat_maps_are_audited_by_their_own_protocol_and_a_mirrored_reading_is_found()
    {
        HeatMap.Write(_folder.In("a.npy"), [0.2f, 0.6f, 0.05f, 0.3f], 2, 2);
        HeatMap.Write(_folder.In("b.npy"), [0.9f, 0.1f, 0.45f, 0.3f], 2, 2);
        List<Prediction> rows =
        [
            .. ((string[])["a", "b"]).Select((name, i) => Answers.Make(name, [new Box(100, 100, 400 + 90 * i, 500)], []) with
            {
                Boxes = null, HeatMap = _folder.In($"{name}.npy"), Class = i == 0 ? "Edema" : "Pneumonia",
            }),
        ];
        var audit = Audit.Of(rows, new ScoringOptions());
        Assert.Equal("mask-thresholds", Assert.Single(audit.Protocols).Protocol.Name);
        Assert.Empty(Failures(audit));
        Assert.Equal(10, audit.Protocols[0].Results.Count);

        var mirrored = Audit.Of(rows, new ScoringOptions(), (predictions, options) => Scorer.Score([.. predictions.Select(row => row with
        {
            HeatMap = Path.GetFileName(row.HeatMap) switch
            {
                "left.npy" => row.HeatMap!.Replace("left", "right", StringComparison.Ordinal),
                "right.npy" => row.HeatMap!.Replace("right", "left", StringComparison.Ordinal),
                _ => row.HeatMap,
            },
        })], options));
        Assert.Contains(("mask-thresholds", "truth and maps = left half"), Failures(mirrored));
        Assert.Contains(("mask-thresholds", "truth = left half, maps moved to the right"), Failures(mirrored));
    }

    [Fact]
    public void The_exit_code_is_0_where_all_figures_move_as_they_must_and_1_where_one_does_not()
    {
        PredictionFile.Write(_folder.In("p.jsonl"), Mixed(1));
        var result = Shell.RunPfmvg("eval", "--predictions", _folder.In("p.jsonl"), "--audit", "--resamples", "10");
        Assert.True(result.ExitCode == 0, result.ToString());
        Assert.Contains("every figure moves as it must", result.Output, StringComparison.Ordinal);

        var table = Scorer.Score(Mixed(1), new ScoringOptions { Resamples = 0 });
        Assert.Equal(1, AuditPrinter.Run(true, Mixed(1), table, Faulty("sorts corners")).Code);
        Assert.Equal(0, AuditPrinter.Run(false, Mixed(1), table, Faulty("sorts corners")).Code);
    }

    private static List<(string Protocol, string Change)> Failures(Audit audit) =>
    [
        .. from protocol in audit.Protocols
           from result in protocol.Results
           where !result.Passed
           select (protocol.Protocol.Name, result.Case.Change),
    ];

    /// <summary>Texts and boxes with all flaws, phrases of several boxes, several phrases on a picture, and a phrase asked twice.</summary>
    private static List<Prediction> Mixed(long seed)
    {
        var rows = Answers.Varied(60, seed);
        return [.. rows.Select((row, i) => row with { Image = $"picture {i / 3}.png", Phrase = $"phrase {(i % 7 == 1 ? i - 1 : i)}" }),
            .. rows.Take(20).Select((row, i) => row with
            {
                Id = $"box {i}", Image = $"another {i / 2}.png", Answer = null, Confidence = [0.3 + i / 100.0],
                Boxes = [row.Truth[0].Move(10 * i - 60, 5)],
            })];
    }

    private static Audit.Score Faulty(string fault) => (rows, options) => fault switch
    {
        "leaves failures out" => Scorer.Score(rows.Any(row => row.Boxes is not { Count: 0 })
            ? [.. rows.Where(row => row.Boxes is not { Count: 0 })] : rows, options),
        "sorts corners" => Scorer.Score(rows, options with { Rule = AnswerRule.Repair }),
        "takes Dice for IoU" => Changed(Scorer.Score(rows, options), row => row with
        {
            Figures = row.Figures.ToDictionary(figure => figure.Key, figure => figure.Key == Metric.Iou ? row[Metric.Dice] : figure.Value),
        }),
        "pairs by order" => Scorer.Score([.. rows.OrderBy(row => row.Id, StringComparer.Ordinal)
            .Zip(rows, (truth, answer) => truth with
            {
                Answer = answer.Answer, Boxes = answer.Boxes, Confidence = answer.Confidence,
            })], options),
        "knows one size of pictures" => Scorer.Score([.. rows.Select(row => row with { Width = 1000, Height = 1000 })], options),
        "forgets the phrase" => Scorer.Score([.. rows.Select(row => row.Boxes is not { Count: > 0 } boxes ? row : row with
        {
            Truth = rows.Where(other => other.Image == row.Image)
                .MaxBy(other => Region.Iou(new Region(other.Truth), new Region(boxes)))!.Truth,
        })], options),
        "adds a pixel" => Scorer.Score(rows, options with { PlusOne = true }),
        "gives a prior" => Changed(Scorer.Score(rows, options), row => Bent(row, value => Math.Max(0.01, value))),
        _ => Changed(Scorer.Score(rows, options), row => Bent(row, value => Math.Min(0.99, value))),
    };

    private static ScoreRow Bent(ScoreRow row, Func<double, double> bend) => row with
    {
        Figures = row.Figures.ToDictionary(figure => figure.Key, figure => figure.Value with { Value = bend(figure.Value.Value) }),
    };

    private static ScoreTable Changed(ScoreTable table, Func<ScoreRow, ScoreRow> change) => table with
    {
        Classes = [.. table.Classes.Select(change)], Mean = change(table.Mean), Weighted = change(table.Weighted),
    };
}
