using Pfmvg.Configuration;
using Pfmvg.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

public sealed class ForecastTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Theory]
    [InlineData(6)]
    [InlineData(11)]
    public void Boxes_that_would_be_cut_are_refused_with_their_count_before_the_first_step(int tokens)
    {
        var error = Assert.Throws<InputException>(() => Rehearse(2, $"stage2.max_answer_tokens={tokens}")).Message;
        Assert.Matches($@"The boxes of \d+ of \d+ samples would be cut \(stage2\.max_answer_tokens is {tokens}, ", error);
    }

    [Fact]
    public void Cut_captions_are_counted_and_all_of_them_is_an_error()
    {
        Assert.Contains(Rehearse(1, "stage1.max_answer_tokens=24"), line => line.Contains("targets are cut", StringComparison.Ordinal));
        Assert.DoesNotContain(Rehearse(1), line => line.Contains("cut", StringComparison.Ordinal));
        Assert.Contains("Every target of the", Assert.Throws<InputException>(() => Rehearse(1, "stage1.max_answer_tokens=2")).Message,
            StringComparison.Ordinal);
        Assert.Contains(Rehearse(1, "stage1.caption_words=3"),
            line => line.Contains("captions have more than 3 words", StringComparison.Ordinal));
    }

    [Fact]
    public void A_training_says_the_same_as_its_rehearsal()
    {
        var recorded = new RecordedSession(workspace.Configuration("cut", "stage2.epochs=1", "stage2.max_answer_tokens=6"));
        Assert.Contains("would be cut", Assert.Throws<InputException>(() => TrainingRun.Execute(recorded.Session,
            new TrainingOptions { Stage = 2, FromBase = true })).Message, StringComparison.Ordinal);
        Assert.Contains(Rehearse(1, "stage1.warmup_steps=9999"),
            line => line.Contains("init_lr", StringComparison.Ordinal) && line.Contains("never reached", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(50, 2, 10, WarmupScope.Run, "longer than the run of 20 steps")]
    [InlineData(20, 2, 10, WarmupScope.Run, "longer than the run of 20 steps")]
    [InlineData(35, 4, 10, WarmupScope.Epoch, "in each epoch of 10 steps")]
    [InlineData(15, 4, 10, WarmupScope.Epoch, null)]
    [InlineData(18, 2, 10, WarmupScope.Run, null)]
    [InlineData(5, 2, 10, WarmupScope.Run, null)]
    [InlineData(0, 2, 10, WarmupScope.Run, null)]
    public void A_learning_rate_that_is_never_reached_is_said(int warmup, int epochs, int perEpoch, WarmupScope scope, string? said)
    {
        var settings = new StageSettings
        {
            WarmupSteps = warmup, Epochs = epochs, InitLr = 1e-3, WarmupStartLr = 1e-6, WarmupScope = scope,
        };
        var found = TrainingForecast.Rate(2, settings, perEpoch);
        Assert.Equal(said is null, found is null);
        if (said is not null) Assert.Contains(said, found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_disk_too_small_for_the_checkpoints_is_said_and_one_too_small_for_one_is_refused()
    {
        var settings = new StageSettings { KeepLast = 3, Validate = true };
        Assert.Null(TrainingForecast.Disk("none", 1000, settings, 5000));
        Assert.Null(TrainingForecast.Disk("none", 1000, settings, null));
        Assert.Contains("the run will stop when the disk is full", TrainingForecast.Disk("none", 1000, settings, 4999),
            StringComparison.Ordinal);
        Assert.Contains("but a checkpoint takes", Assert.Throws<InputException>(
            () => TrainingForecast.Disk("none", 1000, settings, 999)).Message, StringComparison.Ordinal);
        Assert.True(OutputDisk.Free(workspace.Path) > 0);
    }

    [Fact]
    public void A_folder_without_file_locks_is_named()
    {
        Assert.True(OutputDisk.HasLocks(Path.Combine(workspace.Path, "not", "there", "yet")));
        var result = Shell.Run("env", ["DOTNET_SYSTEM_IO_DISABLEFILELOCKING=1", "dotnet", Shell.Pfmvg, "train", "--dry-run", "--stage", "1",
            .. workspace.Sets("locks")]);
        Assert.Contains("has no file locks", $"{result}", StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(".")]
    [InlineData("...!")]
    [InlineData("\" \"")]
    [InlineData("- -")]
    public void A_phrase_that_normalisation_leaves_empty_is_refused(string phrase) =>
        Assert.Contains("nothing to look for", Assert.Throws<InputException>(() => PhraseForecast.Check(
            [("a", "left pneumonia"), ("b", phrase)], normalize: true, _ => { })).Message, StringComparison.Ordinal);

    [Fact]
    public void Phrases_that_lose_words_are_counted_and_others_pass_in_any_script()
    {
        List<string> told = [];
        var longer = string.Join(' ', Enumerable.Repeat("word", 51));
        PhraseForecast.Check([("a", longer), ("b", "épanchement"), ("c", "胸水"), ("d", "5")], normalize: true, told.Add);
        Assert.Equal(["1 of 4 phrases have more than 50 words; normalisation keeps the first 50 of them."], told);
        PhraseForecast.Check([("a", longer)], normalize: false, _ => Assert.Fail("nothing is cut"));
    }

    private List<string> Rehearse(int stage, params string[] changes)
    {
        var recorded = new RecordedSession(workspace.Configuration("forecast", ["eval.max_new_tokens=4", .. changes]));
        TrainingRehearsal.Execute(recorded.Session, new TrainingOptions { Stage = stage, FromBase = true });
        return recorded.Lines;
    }
}
