using System.Diagnostics;
using System.Text;

namespace Pfmvg.Tests.Support;

/// <summary>Runs programs, the built pfmvg among them, and returns what they said.</summary>
internal static class Shell
{
    /// <summary>What a program said and how it ended.</summary>
    public sealed record Result(int ExitCode, string Output, string Error)
    {
        public override string ToString() => $"exit code {ExitCode}\n--- output\n{Output}\n--- error\n{Error}";
    }

    /// <summary>The pfmvg.dll that the tests were built with.</summary>
    public static string Pfmvg { get; } = Path.Combine(AppContext.BaseDirectory, "pfmvg.dll");

    /// <summary>Runs pfmvg.</summary>
    public static Result RunPfmvg(params string[] arguments) => Run("dotnet", [Pfmvg, .. arguments]);

    /// <summary>Runs a program to its end; it fails the test when it takes too long.</summary>
    public static Result Run(string program, IEnumerable<string> arguments, int seconds = 120, string? folder = null,
        params (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = folder
                ?? Environment.CurrentDirectory,
        };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var (output, error) = (new StringBuilder(), new StringBuilder());
        process.OutputDataReceived += (_, line) => { if (line.Data is not null) output.AppendLine(line.Data); };
        process.ErrorDataReceived += (_, line) => { if (line.Data is not null) error.AppendLine(line.Data); };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        if (!process.WaitForExit(TimeSpan.FromSeconds(seconds)))
        {
            process.Kill(entireProcessTree: true);
            Assert.Fail($"{program} {string.Join(' ', arguments)} did not end within {seconds} s:\n{output}\n{error}");
        }

        process.WaitForExit(); // for the last lines
        return new Result(process.ExitCode, output.ToString(), error.ToString());
    }

    /// <summary>Runs pfmvg under mpirun; skips the test where there is none.</summary>
    public static Result RunMpi(int processes, params string[] arguments) => RunMpi(["-n", $"{processes}", "dotnet", Pfmvg, .. arguments]);

    /// <summary>Runs mpirun with these arguments; skips the test where there is none.</summary>
    public static Result RunMpi(string[] arguments)
    {
        var path = Environment.GetEnvironmentVariable("PATH") ?? "";
        Assert.SkipUnless(path.Split(':').Any(folder => File.Exists(Path.Combine(folder, "mpirun"))),
            "mpirun is not installed: apt-get install openmpi-bin libopenmpi-dev");
        return Run("mpirun", ["--allow-run-as-root", "--oversubscribe", .. arguments]);
    }
}
