using System.Text.Json.Nodes;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

/// <summary>A build without libtorch takes the one that PFMVG_LIBTORCH names.</summary>
public sealed class SystemLibtorchTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>, IDisposable
{
    private static readonly string[] NotLibtorch = ["libLibTorchSharp.so", "libSkiaSharp.so"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_libtorch_in_another_folder_gives_the_same_losses_and_is_named()
    {
        var (program, libtorch) = (ProgramWithoutLibtorch(), MoveLibtorch());
        string[] arguments = ["train", "--dry-run", "--stage", "2", "--from", "base", .. workspace.Sets("dry", "eval.max_new_tokens=4")];
        var own = Shell.RunPfmvg(arguments);
        var other = Run(program, libtorch, arguments);
        Assert.True(own.ExitCode == 0 && other.ExitCode == 0, $"{own}\n{other}");
        Assert.Contains("losses", Losses(own), StringComparison.Ordinal);
        Assert.Equal(Losses(own), Losses(other));
        Assert.DoesNotContain("note: libtorch", other.Output + other.Error, StringComparison.Ordinal); // it is the usual version

        arguments = ["train", "--stage", "2", "--from", "base", .. workspace.Sets("elsewhere", "stage2.epochs=1")];
        var trained = Run(program, libtorch, arguments);
        Assert.True(trained.ExitCode == 0, $"{trained}");
        var record = Directory.GetFiles(Path.GetDirectoryName(workspace.Run("elsewhere").Path)!, "run.json", SearchOption.AllDirectories);
        var environment = JsonNode.Parse(File.ReadAllText(Assert.Single(record)))!["environment"]!;
        Assert.Equal(("2.10.0", libtorch), ((string?)environment["libtorch"], (string?)environment["libtorch_folder"]));

        static string Losses(Shell.Result result) => result.Output.Split('\n')
            .First(line => line.Contains("losses", StringComparison.Ordinal));
    }

    [Fact]
    public void A_folder_that_does_not_serve_is_refused_in_a_sentence()
    {
        var program = ProgramWithoutLibtorch();
        const string Advice = "'pfmvg doctor --find-libtorch' lists those of this machine";
        var (old, young) = (FakeLibtorch.Write(_folder.In("old"), "2.9.1"), FakeLibtorch.Write(_folder.In("young"), "2.13.0"));
        var broken = FakeLibtorch.Write(_folder.In("broken"), "2.11.0"); // passes, but is no library
        var incomplete = FakeLibtorch.Write(_folder.In("incomplete"), "2.10.0");
        File.Delete(Path.Combine(incomplete, "libc10.so"));

        AssertRefused("", "This build brings no libtorch; set PFMVG_LIBTORCH to a folder with libtorch 2.10 to 2.12, such as torch/lib of "
            + $"an installed PyTorch ({Advice}).");
        AssertRefused(_folder.In("nowhere"), $"PFMVG_LIBTORCH: there is no folder {_folder.In("nowhere")}; {Advice}.");
        AssertRefused(incomplete, $"PFMVG_LIBTORCH: {incomplete} lacks libc10.so; {Advice}.");
        AssertRefused(old, $"PFMVG_LIBTORCH: {old} holds libtorch 2.9.1, but this program works with 2.10 to 2.12 only; {Advice}.");
        AssertRefused(young, $"PFMVG_LIBTORCH: {young} holds libtorch 2.13.0, but this program works with 2.10 to 2.12 only; {Advice}.");
        AssertRefused(broken, $"PFMVG_LIBTORCH: {broken}/libc10.so cannot be loaded with the libtorch of {broken}: ");

        void AssertRefused(string libtorch, string sentence)
        {
            string[][] commands = [["doctor"], ["train", "--dry-run", "--stage", "2", "--from", "base", .. workspace.Sets("refused")]];
            foreach (var command in commands)
            {
                var result = Run(program, libtorch, command);
                Assert.True(result.ExitCode == 2, $"{result}");
                Assert.StartsWith($"error: {sentence}", result.Error, StringComparison.Ordinal);
                Assert.Single(result.Error.TrimEnd().Split('\n'));
                Assert.Empty(result.Output);
            }
        }
    }

    [Fact]
    public void A_build_that_brings_its_own_refuses_another()
    {
        var result = Run(Shell.Pfmvg, _folder.Path, "doctor");
        Assert.Equal(2, result.ExitCode);
        Assert.Equal("error: PFMVG_LIBTORCH is set, but this build brings its own libtorch; unset it, or build with "
            + "-p:TorchBackend=system.", result.Error.TrimEnd());
    }

    [Fact]
    public void Candidates_are_listed_with_the_line_that_chooses_the_best()
    {
        var environment = _folder.In("venv");
        var packages = Path.Combine(environment, "lib", "python3.11", "site-packages");
        var young = FakeLibtorch.Write(Path.Combine(packages, "torch", "lib"), "2.13.0");
        var fitting = FakeLibtorch.Write(_folder.In("it's", "torch", "lib"), "2.11.0");
        var result = Shell.Run("dotnet", [Shell.Pfmvg, "doctor", "--find-libtorch"], environment:
            [("VIRTUAL_ENV", environment), ("PYTHONPATH", _folder.In("it's")), ("PFMVG_LIBTORCH", "")]);
        Assert.Matches($@"2\.13\.0 +does not fit +{young}", result.Output);
        Assert.Matches($@"2\.11\.0 +fits +{fitting}", result.Output);
        Assert.Matches(@"\nexport PFMVG_LIBTORCH=\S+", result.Output);
    }

    /// <summary>Builds the program as a user does; the other tests take the same program without the libraries.</summary>
    [Fact]
    [Trait("Category", "Slow")]
    public void The_build_for_it_holds_the_binding_but_no_libtorch_and_computes()
    {
        var built = Shell.Run("dotnet", ["build", Path.Combine(Fixtures.Repository, "src", "Pfmvg.Cli"), "-c", "Release", "--nologo",
            "-v", "quiet", "-nodeReuse:false", "-p:TorchBackend=system", "--artifacts-path", _folder.In("artifacts")], seconds: 600);
        Assert.True(built.ExitCode == 0, $"{built}");
        var program = Assert.Single(Directory.GetFiles(_folder.In("artifacts", "bin"), "pfmvg.dll", SearchOption.AllDirectories));
        Assert.Equal(NotLibtorch.Order(), Directory.GetFiles(Path.GetDirectoryName(program)!, "*.so*").Select(Path.GetFileName).Order());
        Assert.Equal(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "libLibTorchSharp.so")), // the copy that old systems load
            File.ReadAllBytes(Path.Combine(Path.GetDirectoryName(program)!, "libLibTorchSharp.so")));

        var libtorch = MoveLibtorch();
        var result = Run(program, libtorch, "doctor");
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Contains("Float32 computes, BFloat16 computes", result.Output, StringComparison.Ordinal);
        Assert.Contains(libtorch, result.Output, StringComparison.Ordinal);
    }

    // TorchSharp would otherwise look for a package in NuGet's folder, which no user of such a build has.
    private Shell.Result Run(string program, string libtorch, params string[] arguments) => Shell.Run("dotnet", [program, .. arguments],
        environment: [("PFMVG_LIBTORCH", libtorch), ("NUGET_PACKAGES", _folder.In("no-packages"))]);

    /// <summary>What the build leaves when libtorch's package is not referenced.</summary>
    private string ProgramWithoutLibtorch()
    {
        var folder = Directory.CreateDirectory(_folder.In("program")).FullName;
        foreach (var file in Directory.GetFiles(AppContext.BaseDirectory))
            if (Path.GetFileName(file) is var name && (name == "pfmvg.runtimeconfig.json" || NotLibtorch.Contains(name)
                || name.EndsWith(".dll", StringComparison.Ordinal)))
                File.Copy(file, Path.Combine(folder, name));
        return Path.Combine(folder, "pfmvg.dll");
    }

    private string MoveLibtorch()
    {
        var folder = Directory.CreateDirectory(_folder.In("libtorch")).FullName;
        var files = Directory.GetFiles(AppContext.BaseDirectory, "lib*.so*").Where(file => !NotLibtorch.Contains(Path.GetFileName(file)));
        string[] arguments = [.. files, folder];
        if (Shell.Run("cp", ["--link", .. arguments]).ExitCode != 0) // another file system
            Assert.Equal(0, Shell.Run("cp", arguments).ExitCode);
        return folder;
    }
}
