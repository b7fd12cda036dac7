using System.Runtime.InteropServices;
using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

/// <summary>What an evaluation has answered is kept, whatever stops it.</summary>
public sealed partial class StoppedEvaluationTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private const int Kill = 9;

    // Long answers, one phrase a batch: there is time to stop it.
    private static readonly string[] Slow = ["eval.max_new_tokens=300", "eval.beams=6", "eval.batch_size=1"];

    private string[] Arguments(string name, params string[] more) =>
        ["eval", "--split", "train", "--from", "base", "--resamples", "0", .. more, .. workspace.Sets(name, Slow)];

    private RunFolder Run(string name) => RunFolder.ForPart(workspace.Configuration(name), "eval-train");

    private static int Lines(string path) => File.Exists(path) ? File.ReadAllBytes(path).Count(b => b == '\n') : 0;

    [Trait("Category", "Slow")]
    [Theory, InlineData(Kill), InlineData(15), InlineData(10)]
    public void An_evaluation_stopped_in_the_middle_keeps_its_answers_and_ends_with_the_bytes_of_an_undisturbed_one(int signal)
    {
        var (whole, stopped) = ($"whole-{signal}", $"stopped-{signal}");
        Assert.Equal(0, Shell.RunPfmvg(Arguments(whole)).ExitCode);
        var answers = File.ReadAllBytes(Run(whole).PredictionsPath);
        var (run, count) = (Run(stopped), answers.Count(b => b == '\n'));
        var part = run.PredictionsPath + ".part";
        using (var process = TrainingWorkspace.Start(Arguments(stopped)))
        {
            while (!process.HasExited && Lines(part) < 3) Thread.Sleep(1); // the mark and two answers
            Assert.Equal(0, Send(process.Id, signal));
            process.WaitForExit();
            if (signal != Kill) Assert.Equal(130, process.ExitCode);
        }

        Assert.False(File.Exists(run.PredictionsPath));
        Assert.InRange(Lines(part), 3, count);
        Assert.Equal(signal == Kill ? RunStatus.Running : RunStatus.Interrupted, RunInfo.Read(run.InfoPath).Status);
        var kept = File.ReadAllLines(part);
        Assert.StartsWith("{\"unfinished\":", kept[0], StringComparison.Ordinal);
        // As a kill in the middle of a line, which no test can aim at, leaves it.
        File.AppendAllText(part, kept[1][..20]);

        var refused = Shell.RunPfmvg(Arguments(stopped));
        Assert.True(refused.ExitCode == 2 && refused.Error.Contains("--resume", StringComparison.Ordinal), $"{refused}");
        var resumed = Shell.RunPfmvg(Arguments(stopped, "--resume"));
        Assert.True(resumed.ExitCode == 0, $"{resumed}");
        Assert.Contains($"answers  {kept.Length - 1} of {count} are there already\n", resumed.Error, StringComparison.Ordinal);
        Assert.Equal(answers, File.ReadAllBytes(run.PredictionsPath));
        Assert.Empty(Directory.GetFiles(run.Path, "*.part"));
        var info = RunInfo.Read(run.InfoPath);
        Assert.Equal((RunStatus.Finished, 1), (info.Status, info.Resumed));

        // As a kill leaves it that comes while the report of a finished one is written, before or after the note that it is.
        var half = run.In(".report.html.7.tmp");
        File.WriteAllText(half, "<html");
        if (signal == Kill) (info with { Status = RunStatus.Running, Ended = null }).Write(run.InfoPath);
        var again = Shell.RunPfmvg(Arguments(stopped, "--resume"));
        Assert.True(again.ExitCode == 0, $"{again}");
        Assert.Contains("answers  as they are in", again.Error, StringComparison.Ordinal);
        Assert.Equal(answers, File.ReadAllBytes(run.PredictionsPath));
        Assert.Equal((RunStatus.Finished, info.Resumed), (RunInfo.Read(run.InfoPath).Status, RunInfo.Read(run.InfoPath).Resumed));
        Assert.False(File.Exists(half));
    }

    [Fact]
    public void Answers_are_kept_batch_by_batch_and_go_on_only_with_the_same_questions_weights_and_settings()
    {
        string[] quick = ["eval.max_new_tokens=4", "eval.batch_size=2"];
        var options = new EvaluationOptions { Split = Split.Train, FromBase = true, Controls = true };
        var whole = EvaluationRun.Execute(new RecordedSession(workspace.Configuration("undisturbed", quick)).Session, options);
        var path = Run("halves").PredictionsPath + ".part";
        Stop("halves", after: 2);
        var kept = File.ReadAllLines(path);
        Assert.Equal(1 + 2 * 2, kept.Length); // the mark, and two batches of two

        // Unfinished answers can be looked at, and say that they are.
        List<string> notes = [];
        Assert.Equal(4, PredictionFile.Read(path, new ReadOptions { Note = notes.Add }).Count);
        Assert.Contains("not finished", Assert.Single(notes), StringComparison.Ordinal);
        Assert.DoesNotContain(kept, line => line.Contains("\"patient\"", StringComparison.Ordinal));

        foreach (var change in (string[])["eval.max_new_tokens=5", "seed=77", "eval.batch_size=4"])
        {
            var wrong = Assert.Throws<InputException>(() => Resume("halves", [.. quick, change]));
            Assert.Contains(change.Split('=')[0], wrong.Message, StringComparison.Ordinal);
            Assert.Contains("--overwrite", wrong.Message, StringComparison.Ordinal);
        }

        Assert.Equal(kept, File.ReadAllLines(path));
        Assert.Contains("There is no evaluation", Assert.Throws<InputException>(() => Resume("never", quick)).Message,
            StringComparison.Ordinal);

        var session = Resume("halves", quick);
        Assert.Single(session.Lines, line => line.StartsWith("answers  4 of ", StringComparison.Ordinal));
        foreach (var file in Directory.GetFiles(whole.Folder.Path, "*.jsonl"))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Run("halves").In(Path.GetFileName(file))));

        // Stopped in its controls, an evaluation asks none of its own questions again.
        var batches = (whole.Predictions.Count + 1) / 2;
        Stop("controls", after: batches + 1);
        Assert.Equal(File.ReadAllBytes(whole.Folder.PredictionsPath), File.ReadAllBytes(Run("controls").PredictionsPath));
        Assert.Equal(1 + 2, Lines(Run("controls").In("blind.jsonl.part")));
        Resume("controls", quick);
        foreach (var file in Directory.GetFiles(whole.Folder.Path, "*.jsonl"))
            Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(Run("controls").In(Path.GetFileName(file))));

        void Stop(string name, int after)
        {
            using var stop = new CancellationTokenSource();
            var seen = 0;
            var recorded = new RecordedSession(workspace.Configuration(name, quick), interrupt: stop.Token)
            {
                AfterAnswers = () => { if (++seen == after) stop.Cancel(); },
            };
            Assert.ThrowsAny<OperationCanceledException>(() => EvaluationRun.Execute(recorded.Session, options));
        }

        RecordedSession Resume(string name, string[] settings)
        {
            var recorded = new RecordedSession(workspace.Configuration(name, settings));
            EvaluationRun.Execute(recorded.Session, options with { Existing = ExistingRun.Resume });
            return recorded;
        }
    }

    [Fact]
    public void Weights_that_have_changed_are_no_ground_to_go_on_from()
    {
        workspace.Train("first", changes: ["stage1.epochs=1"]);
        workspace.Train("second", changes: ["stage1.epochs=1", "seed=2"]);
        var options = new EvaluationOptions { Split = Split.Test, From = workspace.Run("first").Path };
        var configuration = workspace.Configuration("weights", "eval.max_new_tokens=4", "eval.batch_size=1");
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => EvaluationRun.Execute(
            new RecordedSession(configuration, interrupt: stop.Token) { AfterAnswers = stop.Cancel }.Session, options));
        var wrong = Assert.Throws<InputException>(() => EvaluationRun.Execute(new RecordedSession(configuration).Session,
            options with { From = workspace.Run("second").Path, Existing = ExistingRun.Resume }));
        Assert.Contains(".safetensors has changed", wrong.Message, StringComparison.Ordinal);
        Assert.Contains(workspace.Run("second").Path, wrong.Message, StringComparison.Ordinal);
    }

    [Trait("Category", "Slow")]
    [Fact]
    public void Two_ranks_keep_a_part_each_and_one_process_can_go_on_with_both()
    {
        Assert.Equal(0, Shell.RunPfmvg(Arguments("one")).ExitCode);
        using (var process = StartedProcess.Unheard("mpirun", ["--allow-run-as-root", "--oversubscribe", "-n", "2", "dotnet",
            Shell.Pfmvg, .. Arguments("two")]))
        {
            var parts = new[] { Run("two").PredictionsPath + ".part", Run("two").PredictionsPath + ".rank1.part" };
            while (!process.HasExited && parts.Any(part => Lines(part) < 2)) Thread.Sleep(1);
            process.Kill(entireProcessTree: true);
            process.WaitForExit();
            Assert.All(parts, part => Assert.True(Lines(part) >= 2, part));
        }

        var kept = Directory.GetFiles(Run("two").Path, "*.part").Sum(part => Lines(part) - 1);
        var resumed = Shell.RunPfmvg(Arguments("two", "--resume"));
        Assert.True(resumed.ExitCode == 0, $"{resumed}");
        Assert.Contains($"answers  {kept} of ", resumed.Error, StringComparison.Ordinal);
        Assert.Equal(File.ReadAllBytes(Run("one").PredictionsPath), File.ReadAllBytes(Run("two").PredictionsPath));
        Assert.Empty(Directory.GetFiles(Run("two").Path, "*.part"));
    }

    [LibraryImport("libc", EntryPoint = "kill")] private static partial int Send(int process, int signal);
}
