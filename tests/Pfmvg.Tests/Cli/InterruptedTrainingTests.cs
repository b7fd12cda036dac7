using System.Runtime.InteropServices;
using Pfmvg.Configuration;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Cli;

[Trait("Category", "Slow")]
public sealed partial class InterruptedTrainingTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(1)]  // SIGHUP, as a terminal that is closed
    [InlineData(2)]  // SIGINT, as Ctrl-C
    [InlineData(15)] // SIGTERM, as Slurm's pre-emption
    public void An_interrupted_training_writes_a_checkpoint_says_how_to_go_on_and_exits_with_130(int signal)
    {
        string[] settings =
        [
            $"workspace={_folder.Path}", "phantom.patients=10", "stage1.epochs=100000", "stage1.log_every=1", "stage1.validate=false",
        ];
        var heard = Train(settings, signal, line => line.StartsWith("stage 1  step 2/", StringComparison.Ordinal));
        var command = string.Join(' ', settings.Select(setting => $"--set {setting}"));
        Assert.Contains(heard, line => line.EndsWith($"Go on with: pfmvg train --stage 1 --resume {command}", StringComparison.Ordinal));
        var run = RunFolder.Open(_folder.In("runs", "tiny", "stage1"));
        var info = RunInfo.Read(run.InfoPath);
        Assert.Equal(RunStatus.Interrupted, info.Status);
        Assert.True(File.Exists(run.In(info.Result!)));
        Assert.Equal(false, run.IsInUse);
        Assert.Matches(@"(?s)^\d{4}-.* INF weights .* ERR interrupted", File.ReadAllText(run.TextLogPath));
    }

    [Fact]
    public void A_second_interrupt_ends_at_once_without_a_checkpoint()
    {
        // The only step takes many seconds.
        string[] settings =
        [
            $"workspace={_folder.Path}", "phantom.patients=10", "threads=1", "stage1.epochs=1", "stage1.accumulate=10000",
            "stage1.validate=false", "data.feature_cache=null", "phantom.base=random", "weights.start=null",
            "model.image_size=448", "model.vision.width=256", "model.vision.depth=12", "model.vision.mlp_hidden=1024",
        ];
        const int Interrupt = 2;
        var run = RunFolder.ForPart(new PfmvgConfiguration { Name = "tiny", Workspace = _folder.Path }, "stage1");
        var heard = Train(settings, Interrupt, line =>
        {
            if (!line.StartsWith("stage 1  ", StringComparison.Ordinal)) return line.StartsWith("interrupted:", StringComparison.Ordinal);
            SpinWait.SpinUntil(() => File.Exists(run.LogPath), TimeSpan.FromSeconds(60));
            return true;
        });
        Assert.DoesNotContain(heard, line => line.Contains("--resume", StringComparison.Ordinal));
        Assert.Empty(Checkpoint.List(run.Checkpoints));
        Assert.Empty(File.ReadAllText(run.LogPath));
    }

    /// <summary>Trains stage 1, sends the signal at some lines of the error stream, and returns all of its lines.</summary>
    private static List<string> Train(IEnumerable<string> settings, int signal, Func<string, bool> isTime)
    {
        string[] arguments = [Shell.Pfmvg, "train", "--stage", "1", .. settings.SelectMany(setting => new[] { "--set", setting })];
        using var process = StartedProcess.Heard("dotnet", arguments);
        var heard = new List<string>();
        while (process.StandardError.ReadLine() is { } line)
        {
            heard.Add(line);
            if (isTime(line)) Assert.Equal(0, Kill(process.Id, signal));
        }

        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.True(process.ExitCode == 130, string.Join('\n', heard));
        return heard;
    }

    [LibraryImport("libc", EntryPoint = "kill")] private static partial int Kill(int process, int signal);
}
