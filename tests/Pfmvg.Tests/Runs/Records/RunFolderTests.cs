using Pfmvg.Configuration;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs.Records;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly PfmvgConfiguration _configuration;

    public RunFolderTests() => _configuration = new PfmvgConfiguration { Name = "a", Workspace = _folder.Path };

    public void Dispose() => _folder.Dispose();

    private RunFolder Stage1 => RunFolder.ForPart(_configuration, "stage1");

    private string Finish(string? result = "checkpoints/step-9")
    {
        using var hold = Stage1.Begin(_configuration, ExistingRun.Overwrite);
        var checkpoint = Stage1.In("checkpoints", "step-9");
        Directory.CreateDirectory(checkpoint);
        new RunInfo { Status = RunStatus.Finished, Ended = DateTimeOffset.Now, Result = result }.Write(Stage1.InfoPath);
        return checkpoint;
    }

    [Fact]
    public void A_run_is_found_by_its_name_and_part()
    {
        Finish();
        Assert.Equal(_folder.In("runs", "a", "stage1"), Stage1.Path);
        var found = Assert.Single(RunFolder.List(_folder.In("runs")));
        Assert.Equal(("a", "stage1"), (found.Name, found.Part));
        Assert.Equal(Stage1.Path, RunFolder.Open(Stage1.Path + "/").Path);
        Assert.Empty(RunFolder.List(_folder.In("elsewhere")));
    }

    [Fact]
    public void The_resolved_configuration_is_kept()
    {
        Finish();
        Assert.Empty(ConfigurationFile.Differences(_configuration, ConfigurationFile.Load(Stage1.ConfigurationPath, [])));
    }

    [Fact]
    public void Stage_2_finds_the_finished_stage_1()
    {
        var checkpoint = Finish();
        Assert.Equal(checkpoint, RunFolder.FinishedStage1(_configuration));
    }

    [Fact]
    public void Without_a_finished_stage_1_the_user_is_told_what_to_do()
    {
        string Error() => Assert.Throws<InputException>(() => RunFolder.FinishedStage1(_configuration)).Message;
        Assert.Contains("No trained stage 1", Error(), StringComparison.Ordinal);
        Finish();
        new RunInfo { Status = RunStatus.Running, Step = 3, Steps = 9 }.Write(Stage1.InfoPath);
        Assert.Contains("killed at step 3 of 9", Error(), StringComparison.Ordinal);
        Finish("checkpoints/step-10");
        Assert.Contains("is gone", Error(), StringComparison.Ordinal);
        File.WriteAllText(Stage1.InfoPath, "{ \"status\": 4");
        Assert.Contains("run.json", Error(), StringComparison.Ordinal);
    }

    [Fact]
    public void An_earlier_run_is_never_touched_unasked()
    {
        var checkpoint = Finish();
        Assert.Contains("--overwrite", Assert.Throws<InputException>(() => Stage1.Begin(_configuration, ExistingRun.Refuse)).Message,
            StringComparison.Ordinal);
        using (Stage1.Begin(_configuration, ExistingRun.Resume)) Assert.True(Directory.Exists(checkpoint));
        using (Stage1.Begin(_configuration, ExistingRun.Overwrite)) Assert.False(Directory.Exists(checkpoint));
        Assert.Contains("--resume", Assert.Throws<InputException>(() => Stage1.Begin(_configuration, ExistingRun.Resume)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_holds_no_run_is_not_emptied()
    {
        Directory.CreateDirectory(Stage1.Path);
        File.WriteAllText(Stage1.In("mine.txt"), "");
        using (Stage1.Begin(_configuration, ExistingRun.Overwrite)) Assert.True(File.Exists(Stage1.In("mine.txt")));
    }

    [Fact]
    public void Only_one_process_writes_a_run()
    {
        Assert.False(Stage1.IsInUse);
        using (Stage1.Begin(_configuration, ExistingRun.Refuse))
        {
            Assert.True(Stage1.IsInUse);
            Assert.Contains("Another process", Assert.Throws<InputException>(
                () => Stage1.Begin(_configuration, ExistingRun.Refuse)).Message, StringComparison.Ordinal);
        }

        Assert.False(Stage1.IsInUse);
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_an_input_error()
    {
        var configuration = _configuration with { Runs = "/proc/none" };
        Assert.Contains("Cannot write", Assert.Throws<InputException>(
            () => RunFolder.ForPart(configuration, "x").Begin(configuration, ExistingRun.Refuse)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_run_folder_is_refused()
    {
        Finish();
        Assert.Contains("does not exist", Assert.Throws<InputException>(() => RunFolder.Open(_folder.In("none"))).Message,
            StringComparison.Ordinal);
        Assert.Contains("no run.json", Assert.Throws<InputException>(() => RunFolder.Open(_folder.Path)).Message, StringComparison.Ordinal);
        Assert.Contains("a/stage1", Assert.Throws<InputException>(() => RunFolder.Open(_folder.In("runs", "a"))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_record_of_a_run_reads_back_as_it_was_written()
    {
        var file = _folder.In("weights.bin");
        File.WriteAllText(file, "abc");
        var info = new RunInfo
        {
            Status = RunStatus.Interrupted, Started = DateTimeOffset.Now, Ended = DateTimeOffset.Now, Seconds = 1.25,
            Command = ["train", "--stage", "1"],
            Ranks = 2, Environment = RunInfo.DescribeEnvironment(),
            Weights = RunFile.HashAll([file], cancel: TestContext.Current.CancellationToken), Counts = new Dictionary<string,
            long> { ["parameters"] = 1L << 40 },
            Step = 3, Steps = 9, Result = "r", Figures = new Dictionary<string, double> { ["loss"] = double.NaN, ["wIoU"] = 1 / 3.0 },
            Message = "SIGTERM",
        };
        info.Write(Stage1.InfoPath);
        var again = RunInfo.Read(Stage1.InfoPath);
        again.Write(_folder.In("again.json"));
        Assert.Equal(File.ReadAllText(Stage1.InfoPath), File.ReadAllText(_folder.In("again.json")));
        Assert.Equal((info.Status, info.Started, info.Figures["wIoU"]), (again.Status, again.Started, again.Figures["wIoU"]));
        Assert.Equal("2.10.0", again.Environment["libtorch"]);
        Assert.Equal("interrupted at step 3 of 9: SIGTERM", again.Describe(inUse: false));
    }
}
