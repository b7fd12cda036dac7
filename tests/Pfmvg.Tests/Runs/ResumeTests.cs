using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Runs;

public sealed class ResumeTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Fact]
    public void A_damaged_newest_checkpoint_is_passed_over_for_the_older_good_one()
    {
        workspace.Train("sound");
        Stop("damaged", afterStep: 5);
        var newest = Checkpoint.List(workspace.Run("damaged").Checkpoints)[0];
        var bytes = File.ReadAllBytes(newest.Path);
        bytes[^5] ^= 1;
        File.WriteAllBytes(newest.Path, bytes);
        var told = workspace.Train("damaged", ExistingRun.Resume);
        Assert.Contains(told, line => line.Contains(newest.Path, StringComparison.Ordinal)
            && line.Contains("damaged", StringComparison.Ordinal));
        Assert.Contains(told, line => line.EndsWith("continuing after step 4", StringComparison.Ordinal));
        Assert.Equal(workspace.Log("sound"), workspace.Log("damaged"));
        Assert.True(File.Exists(newest.Path + ".damaged")); // out of the rotation, not lost
        var (sound, damaged) = (workspace.Checkpoints("sound"), workspace.Checkpoints("damaged"));
        foreach (var name in new[] { "best.safetensors", sound.Keys.Last(k => k.StartsWith("step-", StringComparison.Ordinal)) })
            Assert.Equal(sound[name], damaged[name]);
    }

    [Fact]
    public void A_resumed_run_that_shares_pictures_is_the_undisturbed_one_with_another_number_of_threads_too()
    {
        string[] shared = ["stage1.share_pictures=true", "stage1.task=refer", "stage1.image=resize"];
        workspace.Train("whole-shared", changes: shared);
        Stop("cut-shared", afterStep: 3, shared);
        workspace.Train("cut-shared", ExistingRun.Resume, [.. shared, "threads=2"]);
        Assert.Equal(workspace.Log("whole-shared"), workspace.Log("cut-shared"));
        Assert.Equal(workspace.Checkpoints("whole-shared"), workspace.Checkpoints("cut-shared"));
    }

    [Fact]
    public void What_a_killed_writer_left_half_written_is_removed()
    {
        Stop("leftover", afterStep: 2);
        var half = workspace.Run("leftover").In("checkpoints", ".step-00000004.safetensors.7.tmp");
        File.WriteAllText(half, "half");
        workspace.Train("leftover", ExistingRun.Resume);
        Assert.False(File.Exists(half));
    }

    [Fact]
    public void The_best_of_the_run_survives_a_kill_that_noted_nothing()
    {
        // A rate of nothing but noise makes later epochs worse or better by chance; the best is then a real choice.
        string[] changes = ["stage1.epochs=4", "stage1.init_lr=0.5", "stage1.min_lr=0.5"];
        workspace.Train("best", changes: changes);
        var steps = workspace.Losses("best").Length;
        Stop("best-killed", steps / 4 + 1, changes);
        var info = RunInfo.Read(workspace.Run("best-killed").InfoPath);
        (info with { Figures = new Dictionary<string, double>(), Status = RunStatus.Running }).Write(workspace.Run("best-killed").InfoPath);
        workspace.Train("best-killed", ExistingRun.Resume, changes);
        Assert.Equal(workspace.Checkpoints("best")["best.safetensors"], workspace.Checkpoints("best-killed")["best.safetensors"]);
    }

    [Fact]
    public void Changed_settings_weights_and_data_are_refused_by_name()
    {
        Stop("changed", afterStep: 2);
        Refused("stage1.init_lr", "stage1.init_lr=0.001");
        Refused("samples per step over all processes: 4 -> 2", "stage1.batch_size=2");
        Changed(Path.Combine(workspace.Path, "weights", "eva_vit_tiny.pth"), bytes => bytes[^1] ^= 1);
        Changed(Path.Combine(workspace.Data, "caption.train.jsonl"), bytes => bytes.AsSpan().Replace((byte)'e', (byte)'a'));

        void Refused(string named, params string[] changes)
        {
            var refusal = Assert.Throws<InputException>(() => workspace.Train("changed", ExistingRun.Resume, changes));
            Assert.Contains(named, refusal.Message, StringComparison.Ordinal);
        }

        void Changed(string path, Action<byte[]> change)
        {
            var good = File.ReadAllBytes(path);
            var bad = (byte[])good.Clone();
            change(bad);
            File.WriteAllBytes(path, bad);
            try
            {
                Refused(Path.GetFileName(path));
            }
            finally
            {
                File.WriteAllBytes(path, good);
            }
        }
    }

    [Fact]
    public void A_folder_that_cannot_be_written_ends_the_run_in_a_sentence_with_the_last_checkpoint_intact()
    {
        Stop("unwritable", afterStep: 2);
        var folder = workspace.Run("unwritable");
        var good = Checkpoint.List(folder.Checkpoints)[0];
        var aside = folder.In("aside");
        // A file in the folder's place fails every write, for root, too.
        var failure = Assert.Throws<TrainingException>(() => workspace.Train("unwritable", ExistingRun.Resume, watch: report =>
        {
            if (report.Entry.Step != 3) return;
            Directory.Move(folder.Checkpoints, aside);
            File.WriteAllText(folder.Checkpoints, "");
        }));
        Assert.Contains("step 4", failure.Message, StringComparison.Ordinal);
        Assert.Contains("--resume", failure.Message, StringComparison.Ordinal);
        File.Delete(folder.Checkpoints);
        Directory.Move(aside, folder.Checkpoints);
        Assert.True(good.IsWhole());
        workspace.Train("unwritable", ExistingRun.Resume);
    }

    [Fact]
    public void A_full_disk_ends_the_run_in_a_sentence_with_the_last_checkpoint_intact()
    {
        Stop("full", afterStep: 2);
        var folder = workspace.Run("full");
        var size = new FileInfo(Checkpoint.List(folder.Checkpoints)[0].Path).Length;
        using var kept = new TemporaryFolder();
        foreach (var file in Directory.GetFiles(folder.Checkpoints)) File.Copy(file, kept.In(Path.GetFileName(file)));
        var mounted = Shell.Run("mount", ["-t", "tmpfs", "-o", $"size={size * 3 / 2 / 1024}k", "tmpfs", folder.Checkpoints]);
        Assert.SkipUnless(mounted.ExitCode == 0, $"a small disk needs the right to mount one: {mounted.Error.Trim()}");
        try
        {
            foreach (var file in Directory.GetFiles(kept.Path, "step-*"))
                File.Copy(file, Path.Combine(folder.Checkpoints, Path.GetFileName(file)));
            var result = Shell.RunPfmvg(workspace.Arguments("full", resume: true));
            Assert.Equal(1, result.ExitCode);
            Assert.Contains("No space left", result.Error, StringComparison.Ordinal);
            Assert.Contains("--resume", result.Error, StringComparison.Ordinal);
            var left = Assert.Single(Checkpoint.List(folder.Checkpoints));
            Assert.True(left.IsWhole());
        }
        finally
        {
            Shell.Run("umount", [folder.Checkpoints]);
        }
    }

    [Fact]
    public void A_resume_that_is_killed_while_it_loads_blocks_no_later_one()
    {
        workspace.Train("sound-loads");
        Stop("loads", afterStep: 2);
        var folder = workspace.Run("loads");
        var (record, settings) = (File.ReadAllText(folder.InfoPath), File.ReadAllText(folder.ConfigurationPath));
        // The same samples per step, divided otherwise; killed after the folder is taken, before anything is loaded.
        string[] divided = ["stage1.batch_size=2", "stage1.accumulate=2"];
        using (folder.Begin(workspace.Configuration("loads", divided), ExistingRun.Resume)) { }
        Assert.Equal((record, settings), (File.ReadAllText(folder.InfoPath), File.ReadAllText(folder.ConfigurationPath)));

        // Killed between the two files that a resumed run writes: run.json is new, or both are.
        foreach (var ranks in new[] { 2, 1 })
        {
            (RunInfo.Read(folder.InfoPath) with { Ranks = ranks, Status = RunStatus.Running }).Write(folder.InfoPath);
            if (ranks == 1) folder.WriteConfiguration(workspace.Configuration("loads", divided));
            Assert.Empty(EarlierTraining.ChangedSettings(workspace.Configuration("loads"),
                new TrainingOptions { Stage = 1, Existing = ExistingRun.Resume }, ranks: 1));
        }

        workspace.Train("loads", ExistingRun.Resume);
        Assert.Equal(workspace.Losses("sound-loads"), workspace.Losses("loads"));
    }

    [Theory, InlineData("stage1.log_every=3"), InlineData("stage1.keep_last=1"), InlineData("stage1.checkpoint_every=1")]
    public void What_changes_no_weight_may_change_on_resume(string change)
    {
        var name = $"free-{change.Split('.', '=')[1]}";
        Stop(name, afterStep: 2);
        workspace.Train(name, ExistingRun.Resume, [change]);
        Assert.Equal(RunStatus.Finished, RunInfo.Read(workspace.Run(name).InfoPath).Status);
        Assert.Contains(change.Split('.')[1].Replace("=", ": ", StringComparison.Ordinal),
            File.ReadAllText(workspace.Run(name).ConfigurationPath), StringComparison.Ordinal);
    }

    [Fact]
    public void A_resumed_run_starts_from_what_it_was_begun_from_without_being_told()
    {
        workspace.Train("first");
        var start = workspace.Run("first").Path;
        using var stop = new CancellationTokenSource();
        var begun = new RecordedSession(workspace.Configuration("from"), (_, report) => stop.Cancel(), stop.Token);
        Assert.ThrowsAny<OperationCanceledException>(() =>
            TrainingRun.Execute(begun.Session, new TrainingOptions { Stage = 1, From = start }));
        Assert.StartsWith(Path.Combine(start, "checkpoints"), RunInfo.Read(workspace.Run("from").InfoPath).From, StringComparison.Ordinal);
        var told = workspace.Train("from", ExistingRun.Resume);
        Assert.Contains(told, line => line.StartsWith($"weights  {start}", StringComparison.Ordinal));
        Assert.Equal("base", RunInfo.Read(workspace.Run("first").InfoPath).From);
    }

    /// <summary>Of the head, each time as many bytes as before, so that only a hash can tell.</summary>
    [Theory]
    [InlineData("epoch")]
    [InlineData("step")]
    [InlineData("optimizer_steps")]
    [InlineData("dtype")]
    public void A_checkpoint_whose_head_was_edited_is_passed_over(string key)
    {
        var name = $"edited-{key}";
        Stop(name, afterStep: 5);
        var newest = Checkpoint.List(workspace.Run(name).Checkpoints)[0];
        Assert.True(newest.IsWhole());
        var bytes = File.ReadAllBytes(newest.Path);
        var begin = System.Text.Encoding.UTF8.GetBytes($"\"{key}\":\"");
        var at = bytes.AsSpan().IndexOf(begin) + begin.Length;
        Assert.True(at > begin.Length);
        bytes[at] = key == "dtype" ? (byte)'I' : bytes[at] == '9' ? (byte)'8' : (byte)'9'; // F32 to I32, or another number
        File.WriteAllBytes(newest.Path, bytes);
        Assert.False(newest.IsWhole());
        Assert.Contains(workspace.Train(name, ExistingRun.Resume), line => line.Contains(newest.Path, StringComparison.Ordinal)
            && line.Contains("damaged", StringComparison.Ordinal));
    }

    [Fact]
    public void A_killed_run_tells_the_step_that_is_saved()
    {
        Stop("saved", afterStep: 5);
        var folder = workspace.Run("saved");
        var steps = RunInfo.Read(folder.InfoPath).Steps;
        (RunInfo.Read(folder.InfoPath) with { Status = RunStatus.Running, Step = 0 }).Write(folder.InfoPath); // as a kill leaves it
        var saved = Checkpoint.List(folder.Checkpoints)[0].Step;
        Assert.Equal($"killed at step {saved} of {steps}", folder.State(RunInfo.Read(folder.InfoPath)));
        Assert.Contains($"killed at step {saved} of {steps}",
            Assert.Throws<InputException>(() => workspace.Train("saved")).Message, StringComparison.Ordinal);
    }

    private void Stop(string name, int afterStep, string[]? changes = null) =>
        Assert.ThrowsAny<OperationCanceledException>(() => workspace.Train(name, changes: changes, lastStep: afterStep));
}
