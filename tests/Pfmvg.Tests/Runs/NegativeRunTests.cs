using System.Text.Json.Nodes;
using Pfmvg.Data;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Runs;

/// <summary>Phrases that name nothing in their picture, taught and asked.</summary>
public sealed class NegativeRunTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Fact]
    public void A_stage_that_teaches_negatives_answers_them_with_one_word_and_the_others_as_ever()
    {
        var configuration = workspace.Configuration("taught", "stage2.negatives=0.25", "stage2.image=random_crop");
        using var setup = GroundingSetup.Load(configuration, 0, configuration.Stage2.MaxAnswerTokens, null,
            TestContext.Current.CancellationToken);
        var split = setup.Data.Read(SampleTask.Refer, Split.Train);
        var (mixed, plain) = (setup.Samples(split, configuration.Stage2), setup.Samples(split, configuration.Stage2.Unmixed));
        Assert.Equal(plain.Count + NegativePhrases.Count(0.25, plain.Count), mixed.Count);
        var all = Enumerable.Range(0, mixed.Count).ToArray();
        var examples = mixed.Load(all, epoch: 3, augment: true, TestContext.Current.CancellationToken).ToList();
        var same = plain.Load(all[..plain.Count], epoch: 3, augment: true, TestContext.Current.CancellationToken).ToList();
        foreach (var (example, other) in examples.Zip(same))
        {
            Assert.Equal(other.Sequence.Ids, example.Sequence.Ids);
            Assert.Equal(other.DropoutSeed, example.DropoutSeed);
        }

        Assert.All(examples.Skip(plain.Count), example => Assert.Equal(setup.Builder.Tokenizer.Encode(BoxCodec.Nothing + "</s>"),
            example.Sequence.Targets.Where(id => id != SequenceBuilder.NoTarget)));
        Assert.Equal((0, 0), (mixed.Cuts().Emptied, mixed.Cuts().Targets));
    }

    [Fact]
    public void Negatives_are_asked_beside_the_split_whose_answers_stay_the_same_and_go_on_where_they_were_stopped()
    {
        var asked = new EvaluationOptions { Split = Split.Test, FromBase = true };
        var plain = EvaluationRun.Execute(new RecordedSession(workspace.Configuration("plain")).Session, asked);
        var configuration = workspace.Configuration("asked", "eval.negatives=0.4");
        var mixed = EvaluationRun.Execute(new RecordedSession(configuration).Session, asked);
        Assert.Equal(File.ReadAllBytes(plain.Folder.PredictionsPath), File.ReadAllBytes(mixed.Folder.PredictionsPath));
        Assert.Empty(plain.Negatives);
        Assert.InRange(mixed.Negatives.Count, 1, NegativePhrases.Count(0.4, plain.Predictions.Count)); // the same phrase is asked once
        Assert.All(mixed.Negatives, negative => Assert.Empty(negative.Answer.Truth));
        Assert.All(mixed.Negatives, negative => Assert.Contains(plain.Predictions, other => other.Image == negative.Answer.Image));

        var file = mixed.Folder.In("negatives.jsonl");
        var bytes = File.ReadAllBytes(file);
        Assert.Equal(mixed.Negatives.Count, bytes.Count(b => b == '\n'));
        File.Delete(file); // as an evaluation that was stopped before it came to them
        var again = EvaluationRun.Execute(new RecordedSession(configuration).Session, asked with { Existing = ExistingRun.Resume });
        Assert.Equal(bytes, File.ReadAllBytes(file));
        Assert.Equal(mixed.Negatives.Select(negative => (negative.Answer.Id, negative.Answer.Answer, negative.Kind)),
            again.Negatives.Select(negative => (negative.Answer.Id, negative.Answer.Answer, negative.Kind)));
    }

    [Fact]
    public void The_command_shows_abstention_below_the_scores_and_writes_it_into_them()
    {
        var folder = RunFolder.ForPart(workspace.Configuration("shown"), "eval-test");
        var result = Shell.RunPfmvg(["eval", "--split", "test", "--from", "base", "--resamples", "50",
            .. workspace.Sets("shown", "eval.negatives=0.5")]);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Contains("Abstention", result.Output, StringComparison.Ordinal);
        Assert.Contains("another patient's phrase", result.Output, StringComparison.Ordinal);
        var further = JsonNode.Parse(File.ReadAllText(folder.In("scores.json")))!["further"]!.AsArray();
        Assert.Contains(further, figure => (string?)figure!["metric"] == "abstention_specificity" && (string?)figure["row"] == "weighted");
    }

    [Theory]
    [InlineData("ablation", "eval.negatives: phrases that name nothing are asked of our own model or the plain network")]
    public void Commands_that_ask_no_negatives_say_so(string command, string said)
    {
        var result = Shell.RunPfmvg([command, .. workspace.Sets("unasked", "eval.negatives=0.5")]);
        Assert.True(result.ExitCode == 2 && result.Error.Contains(said, StringComparison.Ordinal), $"{result}");
    }
}
