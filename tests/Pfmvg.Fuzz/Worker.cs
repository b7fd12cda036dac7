using System.Diagnostics;

namespace Pfmvg.Fuzz;

/// <summary>Which inputs a worker reads.</summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Seed">Another seed, other inputs.</param>
/// <param name="From">Number of the first one.</param>
/// <param name="Count">How many.</param>
/// <param name="Seconds">For how long at most.</param>
/// <param name="Output">The folder of what fails.</param>
internal sealed record Work(string Format, long Seed, long From, long Count, double Seconds, string Output);

/// <summary>A process of its own that reads inputs one by one, so that one which ends the process ends no more than that.</summary>
internal static class Worker
{
    /// <summary>Reads the inputs; the number of the present one is in the file of the status, faults are lines of the output.</summary>
    public static void Run(Work work, string status)
    {
        using var folder = new WorkFolder();
        var format = Formats.All[work.Format].Make(folder.Path);
        using var state = File.OpenHandle(status, FileMode.Open, FileAccess.Write, FileShare.ReadWrite);
        var clock = Stopwatch.StartNew();
        var (done, refused) = (0L, 0L);
        for (; done < work.Count && clock.Elapsed.TotalSeconds < work.Seconds; done++)
        {
            RandomAccess.Write(state, BitConverter.GetBytes(work.From + done), 0);
            var input = format.Input(work.Format, work.Seed, work.From + done);
            var verdict = Trial.Run(input);
            if (verdict.Refused) refused++;
            if (verdict.Fault is { } fault) Report(work, input, verdict, fault);
        }

        Console.WriteLine($"done\t{done}\t{refused}");
    }

    /// <summary>One input of each kind of fault is kept, as small as it becomes.</summary>
    private static void Report(Work work, Seed input, Verdict verdict, string fault)
    {
        var path = Failures.PathOf(work, fault);
        if (!File.Exists(path))
        {
            // Limits are reached again only after seconds each.
            Failures.Save(path, fault is "time" or "memory" ? input.Bytes : Minimiser.Run(input, fault), verdict.Detail);
        }

        Console.WriteLine($"fault\t{path}\t{fault}");
    }
}

/// <summary>Inputs that failed, with what happened beside them.</summary>
internal static class Failures
{
    public static string PathOf(Work work, string fault) =>
        Path.Combine(work.Output,
            $"{work.Format}.{string.Concat(fault.Select(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' ? c : '_'))}");

    public static void Save(string path, byte[] input, string detail)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText($"{path}.txt", detail);
        File.WriteAllBytes(path, input);
    }
}

/// <summary>An empty folder in memory where there is such a place; removed in the end.</summary>
internal sealed class WorkFolder : IDisposable
{
    public string Path { get; } = Directory.CreateDirectory(System.IO.Path.Combine(
        Directory.Exists("/dev/shm") ? "/dev/shm" : System.IO.Path.GetTempPath(), $"pfmvg-fuzz-{Guid.NewGuid():N}")).FullName;

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
