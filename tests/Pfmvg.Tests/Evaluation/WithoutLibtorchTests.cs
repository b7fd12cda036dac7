using Pfmvg.Evaluation.Predictions;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Evaluation;

/// <summary>Scoring needs no libtorch: neither the native libraries nor TorchSharp itself.</summary>
public sealed class WithoutLibtorchTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void No_file_of_the_evaluation_mentions_TorchSharp() => Assert.DoesNotContain(
        Directory.EnumerateFiles(Path.Combine(Fixtures.Repository, "src", "Pfmvg", "Evaluation"), "*.cs", SearchOption.AllDirectories),
        file => File.ReadAllText(file).Contains("TorchSharp", StringComparison.Ordinal));

    /// <summary>Without TorchSharp.dll a command fails as soon as it reaches any type that mentions TorchSharp.</summary>
    [Fact]
    public void Scoring_gives_the_same_tables_and_files_where_there_is_no_torch_at_all()
    {
        var bare = CopyWithoutTorch();
        Assert.NotEqual(0, Shell.Run("dotnet", [bare, "doctor"]).ExitCode); // torch is really absent

        PredictionFile.Write(_folder.In("a.jsonl"), Answers.Varied(80, seed: 1));
        PredictionFile.Write(_folder.In("b.jsonl"), Answers.Varied(80, seed: 2));
        var truth = Fixtures.Path("grounding", "MS_CXR_Local_Alignment.json");
        AssertSame("eval", "--predictions", _folder.In("a.jsonl"), "--out", _folder.In("report"), "--baselines", "paper");
        AssertSame("eval", "--predictions", Fixtures.Path("grounding", "predictions.jsonl"), "--truth", truth, "--protocol", "map50");
        AssertSame("compare", _folder.In("a.jsonl"), _folder.In("b.jsonl"));

        void AssertSame(params string[] command)
        {
            string[] arguments = [.. command, "--resamples", "100"];
            var expected = Shell.RunPfmvg(arguments);
            Assert.True(expected.ExitCode == 0, $"{expected}");
            var files = TakeFiles();
            var result = Shell.Run("dotnet", [bare, .. arguments]);
            Assert.True(result.ExitCode == 0, $"{result}");
            Assert.Equal(expected.Output, result.Output);
            Assert.Equal(files, TakeFiles());
        }

        Dictionary<string, byte[]> TakeFiles()
        {
            if (!Directory.Exists(_folder.In("report"))) return [];
            var files = Directory.GetFiles(_folder.In("report")).ToDictionary(file => file, File.ReadAllBytes);
            Directory.Delete(_folder.In("report"), recursive: true);
            return files;
        }
    }

    [Fact]
    public void A_model_behind_a_server_is_asked_and_scored_where_there_is_no_torch_at_all()
    {
        using var workspace = new TrainingWorkspace();
        using var server = new HostileServer(request => request.Number % 3 == 2 ? HostileServer.Plain("Nothing is seen.")
            : HostileServer.Plain("{<20><30><60><70>}"));
        string[] Arguments(string name, params string[] more) =>
            ["eval", "--split", "train", "--ask", server.Url, "--model", "org/m:1", "--resamples", "100", .. more,
                .. workspace.Sets(name, "ask.concurrency=1")];
        var with = Shell.RunPfmvg(Arguments("with"));
        Assert.True(with.ExitCode == 0, $"{with}");
        Assert.Contains("no box", with.Output, StringComparison.Ordinal);
        var without = Shell.Run("dotnet", [CopyWithoutTorch(), .. Arguments("with", "--resume")]); // scored anew
        Assert.True(without.ExitCode == 0, $"{without}");
        Assert.Equal(with.Output, without.Output);
        var asked = Shell.Run("dotnet", [_folder.In("bare", "pfmvg.dll"), .. Arguments("without")]);
        Assert.True(asked.ExitCode == 0, $"{asked}");
        var folder = Path.Combine(workspace.Path, "runs", "without", "ask-train-org-m-1");
        foreach (var file in (string[])["run.json", "config.yaml", "predictions.jsonl", "scores.json", "report.html", "overlay.png"])
            Assert.True(File.Exists(Path.Combine(folder, file)), file);

        var posts = server.Requests.Count;
        var remote = Shell.RunPfmvg([.. Arguments("remote").Select(word => word == server.Url ? "http://example.invalid/v1" : word)]);
        Assert.Equal((2, ""), (remote.ExitCode, remote.Output));
        Assert.Contains("--allow-remote", remote.Error, StringComparison.Ordinal);
        Assert.Equal(posts, server.Requests.Count);
    }

    /// <summary>
    /// The program with everything but torch. Without the list in pfmvg.deps.json the host does not ask for what is absent.
    /// </summary>
    private string CopyWithoutTorch()
    {
        var folder = Directory.CreateDirectory(_folder.In("bare")).FullName;
        foreach (var file in Directory.GetFiles(AppContext.BaseDirectory))
            if (Path.GetFileName(file) is var name && name is "pfmvg.runtimeconfig.json" or "libSkiaSharp.so"
                || name.EndsWith(".dll", StringComparison.Ordinal) && name != "TorchSharp.dll")
                File.Copy(file, Path.Combine(folder, name));
        return Path.Combine(folder, "pfmvg.dll");
    }
}
