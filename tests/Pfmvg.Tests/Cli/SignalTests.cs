using System.Runtime.InteropServices;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

/// <summary>Every command hears every signal, also in native code and in long loops, and leaves nothing half written.</summary>
[Trait("Category", "Slow")]
public sealed partial class SignalTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>, IDisposable
{
    private const int Hangup = 1, Interrupt = 2, User1 = 10, Terminate = 15;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(Hangup), InlineData(Interrupt), InlineData(User1), InlineData(Terminate)]
    public void A_measurement_in_native_code_ends_and_removes_its_files(int signal)
    {
        // Weights of this size are written and read in native code, which asks for no token.
        string[] arguments = ["bench", "model", "--parts", "load", "--repeats", "1000", "--folder", _folder.Path,
            "--set", "model.language.layers=4", "--set", "model.vision.depth=2", "--config",
            Path.Combine(Fixtures.Repository, "configs", "pfmvg-7b.yaml")];
        using var process = TrainingWorkspace.Start(arguments);
        Assert.True(SpinWait.SpinUntil(
            () => process.HasExited || Directory.EnumerateFileSystemEntries(_folder.Path).Any(), TimeSpan.FromSeconds(60)));
        Assert.Equal(0, Send(process.Id, signal));
        Assert.True(process.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.Equal(130, process.ExitCode);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Theory]
    [InlineData("train", Terminate), InlineData("train", User1), InlineData("eval", Terminate), InlineData("eval", Hangup)]
    public void A_signal_to_one_rank_ends_all_of_them_with_their_work_kept(string command, int signal)
    {
        Assert.SkipUnless(Shell.Run("sh", ["-c", "command -v mpirun || true"]).Output.Length > 0, "mpirun is not installed");
        var name = $"ranks-{command}-{signal}";
        string[] arguments = command == "train"
            ? [.. workspace.Arguments(name, resume: false, "stage1.epochs=100000", "stage1.validate=false")]
            : ["eval", "--split", "train", "--from", "base", "--resamples", "0", .. workspace.Sets(name, "eval.max_new_tokens=2000",
                "eval.beams=8", "eval.batch_size=1", "phantom.patients=10")];
        var run = RunFolder.ForPart(workspace.Configuration(name), command == "train" ? "stage1" : "eval-train");
        var begun = command == "train" ? run.LogPath : run.PredictionsPath + ".part";
        using var mpirun = StartedProcess.Unheard("mpirun",
            ["--allow-run-as-root", "--oversubscribe", "-n", "2", "dotnet", Shell.Pfmvg, .. arguments]);
        Assert.True(SpinWait.SpinUntil(
            () => mpirun.HasExited || File.Exists(begun) && new FileInfo(begun).Length > 0, TimeSpan.FromSeconds(120)));
        Assert.Equal(0, Send(SecondRank(), signal));
        Assert.True(mpirun.WaitForExit(TimeSpan.FromSeconds(60)));
        Assert.Equal(130, mpirun.ExitCode);
        Assert.Equal(RunStatus.Interrupted, RunInfo.Read(run.InfoPath).Status);

        // The environment tells which of the two processes is rank 1 of this job.
        int SecondRank() => Directory.GetDirectories("/proc").Select(Path.GetFileName)
            .Where(id => int.TryParse(id, out _) && Read(id!, "cmdline").Contains(name, StringComparison.Ordinal)
                && Read(id!, "environ").Contains("OMPI_COMM_WORLD_RANK=1\0", StringComparison.Ordinal))
            .Select(id => int.Parse(id!, System.Globalization.CultureInfo.InvariantCulture)).Single();

        static string Read(string id, string file)
        {
            try
            {
                return File.ReadAllText($"/proc/{id}/{file}");
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }
    }

    [LibraryImport("libc", EntryPoint = "kill")] private static partial int Send(int process, int signal);
}
