using Pfmvg.Cnn;
using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Cnn;

[Collection(nameof(Alone))]
public sealed class CnnRunTests(CnnWorkspace workspace) : IClassFixture<CnnWorkspace>
{
    [Fact]
    public void A_resumed_training_is_the_uninterrupted_one_bit_for_bit()
    {
        workspace.Train("whole");
        Assert.ThrowsAny<OperationCanceledException>(() => workspace.Train("stopped", lastStep: 5));
        Assert.Contains(workspace.Train("stopped", ExistingRun.Resume), line => line.EndsWith("continuing after step 5",
            StringComparison.Ordinal));
        Assert.Equal(Log("whole"), Log("stopped"));
        var newest = Checkpoint.List(workspace.Run("whole").Checkpoints)[0];
        Assert.Equal(File.ReadAllBytes(newest.Path),
            File.ReadAllBytes(Checkpoint.List(workspace.Run("stopped").Checkpoints)[0].Path));

        string[] Log(string name) => [.. StepLog.Read(workspace.Run(name).LogPath).Nodes().Select(line =>
        {
            line.Remove("seconds");
            return line.ToJsonString();
        })];
    }

    [Fact]
    public void A_trained_network_answers_a_split_with_boxes_in_pixels_that_are_scored_like_any()
    {
        workspace.Train("answers");
        var (result, lines) = workspace.Evaluate("answers", Split.Train);
        Assert.NotEmpty(result.Predictions);
        Assert.Equal(Enum.GetValues<ControlCondition>().Length, result.Controls.Count);
        Assert.All(result.Predictions, answer =>
        {
            var box = Assert.Single(answer.Boxes!);
            Assert.Equal(box, box.Intersect(new(0, 0, answer.Width, answer.Height)));
            Assert.InRange(Assert.Single(answer.Confidence!), 0, 1);
        });
        Assert.EndsWith("-cnn", result.Folder.Part, StringComparison.Ordinal);
        Assert.Contains("\"pixels-xyxy\"", File.ReadLines(result.Folder.PredictionsPath).First(), StringComparison.Ordinal);
        var again = PredictionFile.Read(result.Folder.PredictionsPath);
        Assert.Equal(result.Predictions.Select(answer => answer.Boxes![0]), again.Select(answer => answer.Boxes![0]));
        Assert.Contains(lines, line => line.Contains("plain network", StringComparison.Ordinal));

        // What is known is not asked again, and the same.
        using var setup = CnnSetup.Load(workspace.Configuration("answers"), workspace.Run("answers").Path, 0);
        var samples = result.Data.Read(SampleTask.Refer, Split.Train).Where(sample => sample.Boxes.Count > 0).ToList();
        var known = setup.Answers().Answer(samples, (_, _) => throw new InvalidOperationException(),
            known: result.Predictions.ToDictionary(answer => answer.Id), cancel: TestContext.Current.CancellationToken);
        Assert.Equal(result.Predictions.Select(answer => answer.Boxes![0]), known.Select(answer => answer.Boxes![0]));
    }

    [Fact]
    public void Words_of_one_phrase_alone_are_not_kept_and_unknown_words_are_counted()
    {
        var words = WordList.Of(["Small left effusion", "left, EFFUSION of Mr. Smith", "smith"]);
        Assert.Equal("effusion left smith", words.Text);
        Assert.Equal(words.Text, WordList.Parse(words.Text).Text);
        var (places, unknown) = words.Read("Left left effusion zebra");
        Assert.Equal([1, 0], places);
        Assert.Equal(1, unknown);

        workspace.Train("words");
        using var setup = CnnSetup.Load(workspace.Configuration("words"), workspace.Run("words").Path, 0);
        var sample = GroundingSetup.OpenData(workspace.Configuration("words")).Read(SampleTask.Refer, Split.Train)[0];
        var answers = setup.Answers();
        answers.Answer([sample], setup.Pictures().Whole, cancel: TestContext.Current.CancellationToken);
        answers.Answer([sample with { Text = "zebra quagga" }], setup.Pictures().Whole,
            cancel: TestContext.Current.CancellationToken);
        Assert.Matches("1 of 2 different phrases .*2 in all.*of 1 phrases it knows no word", setup.Summary!);
    }

    [Fact]
    public void Checkpoints_of_one_model_are_refused_by_the_other_with_a_sentence()
    {
        workspace.Train("refused");
        var checkpoint = Checkpoint.List(workspace.Run("refused").Checkpoints)[0].Path;
        var configuration = workspace.Configuration("refused");
        Assert.Contains("--model cnn", Refusal(() => GroundingSetup.Load(configuration, 0, 10, checkpoint)), StringComparison.Ordinal);
        Assert.Contains("cnn.width", Refusal(() => CnnSetup.Load(workspace.Configuration("refused", "cnn.width=64"), checkpoint, 0)),
            StringComparison.Ordinal);
        Assert.Contains("'cnn' section", Refusal(() => CnnSetup.Settings(workspace.Configuration("refused") with { Cnn = null })),
            StringComparison.Ordinal);
        Assert.Contains("pfmvg train --model cnn",
            Refusal(() => workspace.Evaluate("untrained", Split.Test)), StringComparison.Ordinal);
        Assert.Contains("cnn.image_size", Refusal(() => workspace.Configuration("x", "cnn.image_size=50")), StringComparison.Ordinal);

        static string Refusal(Action act) => Assert.Throws<InputException>(act).Message;
    }

    [Fact]
    public void The_commands_take_the_model_by_one_name()
    {
        string[] settings = [.. workspace.Settings("commands", "stage2.epochs=1").SelectMany(change => new[] { "--set", change })];
        Ran(["train", "--model", "cnn", .. settings], 0, "--model cnn");
        Ran(["eval", "--split", "test", "--model", "cnn", .. settings], 0, "pfmvg-box");
        // A run brings its configuration, data and folder of runs with it.
        Ran(["eval", "--split", "test", "--model", "cnn", "--from", workspace.Run("commands").Path, "--overwrite"], 0,
            "configuration  that of the run");
        var picture = Directory.EnumerateFiles(Path.Combine(workspace.Configuration("commands").Workspace, "data"), "*.jpg",
            SearchOption.AllDirectories).First();
        Ran(["predict", "--model", "cnn", "--image", picture, "--phrase", "left effusion", .. settings], 0, "pixels, confidence");
        Ran(["train", "--model", "cnn", "--stage", "1", .. settings], 2, "--stage belongs to our own model");
        Ran(["train", .. settings], 2, "--model cnn");
        Ran(["eval", "--split", "test", "--model", "gpt", .. settings], 2, "--ask");
        Ran(["eval", "--split", "test", "--model", "cnn", "--from", "base", .. settings], 2, "no base weights");

        static void Ran(string[] arguments, int code, string said)
        {
            var result = Shell.RunPfmvg(arguments);
            Assert.True(result.ExitCode == code, result.Output + result.Error);
            Assert.Contains(said, result.Output + result.Error, StringComparison.Ordinal);
        }
    }
}
