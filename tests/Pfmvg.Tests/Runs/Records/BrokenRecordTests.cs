using Pfmvg.Configuration;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs.Records;

/// <summary>Records that somebody or something has spoiled.</summary>
public sealed class BrokenRecordTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private RunFolder Run(string name, string? record = null)
    {
        var folder = RunFolder.ForPart(new PfmvgConfiguration { Name = name, Workspace = _folder.Path }, "stage2");
        new RunInfo { Status = RunStatus.Finished, Ended = DateTimeOffset.UnixEpoch, Seconds = 61 }.Write(folder.InfoPath);
        if (record is not null) File.WriteAllText(folder.InfoPath, record);
        return folder;
    }

    [Theory]
    [InlineData("", "run.json: is empty; put it right, or move the run's folder away.")]
    [InlineData("{\"status\": \"finished\"", "run.json, byte 22: no valid JSON: it ends early; ")]
    [InlineData("[1]", "run.json: must be a JSON object, ")]
    [InlineData("{\"step\": 1.5}", "run.json: 'step' must be a whole number; ")]
    [InlineData("{\"step\": -3}", "run.json: 'step' is -3, which is impossible; ")]
    [InlineData("{\"seconds\": \"NaN\"}", "run.json: 'seconds' is NaN, which is impossible; ")]
    [InlineData("{\"seconds\": 1e400}", "run.json: 'seconds' is a number too large to compute with; ")]
    [InlineData("{\"command\": [null]}", "run.json: 'command[0]' is null; ")]
    [InlineData("{\"weights\": [{\"path\": null, \"bytes\": 1, \"sha256\": \"\"}]}", "run.json: 'weights[0].path' is null; ")]
    [InlineData("{\"weights\": [{\"bytes\": 1}]}", "run.json: a field is missing in 'weights', 'data', 'best' or 'model'; ")]
    [InlineData("{\"environment\": {\"cores\": null}}", "run.json: 'environment.cores' is null; ")]
    [InlineData("{\"message\": \"\\ud800\"}", "run.json: 'message' is not valid text (half of a surrogate pair); ")]
    [InlineData("{\"step\": 1, \"step\": 2}", "run.json: the name 'step' stands twice in one object, and nothing says which one counts; ")]
    [InlineData("{\"status\": \"dancing\"}", "run.json: 'status' has a value that does not belong there; ")]
    [InlineData("{} {}", "run.json, byte 4: no valid JSON: something follows its end; ")]
    public void A_record_of_a_run_is_refused_with_file_place_and_mend(string record, string message)
    {
        var path = Run("broken", record).InfoPath;
        var error = Assert.Throws<InputException>(() => RunInfo.Read(path)).Message;
        Assert.StartsWith(path[..^"run.json".Length] + message, error, StringComparison.Ordinal);
        Assert.EndsWith("put it right, or move the run's folder away.", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("log.jsonl")]
    [InlineData("run.json")]
    public void Nothing_waits_for_a_pipe_in_the_place_of_a_record(string record)
    {
        var run = Run("piped");
        File.Delete(run.In(record));
        Assert.Equal(0, Shell.Run("mkfifo", [run.In(record)]).ExitCode);
        var shown = Shell.RunPfmvg("runs", "show", run.Path);
        Assert.True(shown.ExitCode == 2, $"{shown}");
        Assert.Contains($"{record}: this is a pipe, not a file; save what it gives in a file, and name that.", shown.Error,
            StringComparison.Ordinal);
        var listed = Shell.RunPfmvg("runs", "list", _folder.In("runs"));
        Assert.True(listed.ExitCode == 0, $"{listed}");
        Assert.Contains("piped", listed.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void One_broken_record_hides_no_other_run()
    {
        Run("a");
        Run("b", "{\"step\": ");
        Run("c");
        var listed = Shell.RunPfmvg("runs", "list", _folder.In("runs"));
        Assert.True(listed.ExitCode == 0, $"{listed}");
        foreach (var name in (string[])["a  ", "b  ", "c  ", "unreadable"]) Assert.Contains(name, listed.Output, StringComparison.Ordinal);
        Assert.Contains("finished", listed.Output, StringComparison.Ordinal);
        var shown = Shell.RunPfmvg("runs", "show", _folder.In("runs", "b", "stage2"));
        Assert.True(shown.ExitCode == 2, $"{shown}");
        Assert.Contains("run.json, byte 10: no valid JSON: it ends early; put it right", shown.Error, StringComparison.Ordinal);
        Assert.Empty(shown.Output.Trim());
    }

    [Theory]
    [InlineData("{\"kind\": \"step\", \"step\": \"x\"}\n", "log.jsonl:2: 'step' must be a whole number of at least 0; put the line right")]
    [InlineData("{\"kind\": \"step\", \"step\": -1}\n", "log.jsonl:2: 'step' must be a whole number of at least 0; put the line right")]
    [InlineData("{\"kind\": [], \"step\": 2}\n", "log.jsonl:2: 'kind' must be a text; put the line right")]
    [InlineData("7\n", "log.jsonl:2: must be a JSON object")]
    [InlineData("half a li\n", "log.jsonl:2, byte 1: no valid JSON; put the line right")]
    public void A_wrong_line_of_a_log_is_refused_where_the_run_goes_on_and_where_it_is_shown(string line, string message)
    {
        var folder = Run("a");
        File.WriteAllText(folder.LogPath, "{\"kind\":\"step\",\"step\":1,\"epoch\":0,\"loss\":2.5}\n" + line);
        Assert.Contains(message, Assert.Throws<InputException>(() => new StepLog(folder, 5, stepsDone: 1)).Message,
            StringComparison.Ordinal);
        var shown = Shell.RunPfmvg("runs", "show", folder.Path);
        Assert.True(shown.ExitCode == 2, $"{shown}");
        Assert.Contains(message, shown.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_a_last_line_is_what_a_killed_run_leaves()
    {
        var folder = Run("a");
        File.WriteAllText(folder.LogPath, "{\"kind\":\"step\",\"step\":1}\n{\"kind\":\"st");
        Assert.Single(StepLog.Read(folder.LogPath));
    }
}
