using System.Diagnostics;
using System.Globalization;

namespace Pfmvg.Fuzz;

/// <summary>Has inputs read by workers, and starts another one where an input has ended one, or would never end.</summary>
internal sealed class Campaign(string output, long seed, Action<string> tell)
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromSeconds(60);

    private readonly Dictionary<string, (string Fault, int Times)> _faults = [];

    /// <summary>Inputs that were read or refused, or failed.</summary>
    public long Done { get; private set; }

    /// <summary>How many kinds of faults were found.</summary>
    public int Faults => _faults.Count;

    /// <summary>Reads a number of inputs of a format, or as many as there is time for.</summary>
    public void Run(string name, long count, double seconds)
    {
        var clock = Stopwatch.StartNew();
        var (done, refused) = (0L, 0L);
        while (done < count && clock.Elapsed.TotalSeconds < seconds)
        {
            var work = new Work(name, seed, done, count - done, seconds - clock.Elapsed.TotalSeconds, output);
            var (last, no, end) = Watch(work);
            (done, refused) = (last, refused + no);
            if (end is not null) Keep(work, done++, end);
        }

        lock (_faults) Done += done;
        tell(string.Create(CultureInfo.InvariantCulture,
            $"{name,-12} {done,8} inputs, {refused,8} refused, {done / Math.Max(clock.Elapsed.TotalSeconds, 1e-3),6:f0} per second"));
    }

    /// <summary>The faults, each with the command that repeats it.</summary>
    public IEnumerable<string> Lines() => _faults.OrderBy(fault => fault.Key, StringComparer.Ordinal).Select(fault =>
        $"{fault.Value.Fault} ({fault.Value.Times} times)\n    dotnet run -c Release --project tests/Pfmvg.Fuzz -- --format "
        + $"{Path.GetFileName(fault.Key).Split('.')[0]} --repeat {fault.Key}");

    /// <summary>Runs a worker to its end.</summary>
    /// <returns>The number of the input at which it ended, refusals, and what that input did; null where it did all.</returns>
    private (long Last, long Refused, string? End) Watch(Work work)
    {
        var status = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(status, BitConverter.GetBytes(-1L));
            using var worker = Process.Start(new ProcessStartInfo("dotnet", [typeof(Campaign).Assembly.Location, "--worker", status,
                "--format",
                work.Format, "--seed", Text(work.Seed), "--from", Text(work.From), "--inputs", Text(work.Count), "--seconds",
                    Text(work.Seconds), "--out",
                work.Output])
            { RedirectStandardOutput = true, RedirectStandardError = true })!;
            var (done, refused, errors) = (0L, 0L, new List<string>());
            worker.OutputDataReceived += (_, line) =>
            {
                if (line.Data?.Split('\t') is ["done", var all, var no]) (done, refused) = (Number(all), Number(no));
                else if (line.Data?.Split('\t') is ["fault", var path, var fault]) Count(path, fault);
            };
            worker.ErrorDataReceived += (_, line) => { if (line.Data is { } text && errors.Count < 40) errors.Add(text); };
            worker.BeginOutputReadLine();
            worker.BeginErrorReadLine();
            var end = WaitForEnd(worker, status);
            worker.WaitForExit();
            var last = BitConverter.ToInt64(File.ReadAllBytes(status));
            if (end is null && worker.ExitCode == 0) return (work.From + done, refused, null);
            if (last < 0) throw new InvalidOperationException($"{work.Format}: the worker did not begin:\n{string.Join('\n', errors)}");
            return (last, refused, end ?? $"ended the process with exit code {worker.ExitCode}:\n{string.Join('\n', errors)}");
        }
        finally
        {
            File.Delete(status);
        }

        static string Text<T>(T value) where T : IFormattable => value.ToString(null, CultureInfo.InvariantCulture);

        static long Number(string text) => long.Parse(text, CultureInfo.InvariantCulture);
    }

    /// <summary>Waits for a worker; one that stays at an input for too long is ended, and the answer says why.</summary>
    private static string? WaitForEnd(Process worker, string status)
    {
        var (input, cpu, since) = (-1L, TimeSpan.Zero, Stopwatch.StartNew());
        while (!worker.WaitForExit(200))
        {
            var present = BitConverter.ToInt64(File.ReadAllBytes(status));
            try
            {
                if (present != input) (input, cpu) = (present, worker.TotalProcessorTime);
                else if (input >= 0 && worker.TotalProcessorTime - cpu > 3 * Trial.Longest || since.Elapsed > LongestWait)
                {
                    worker.Kill();
                    return "did not end";
                }
                else continue;
            }
            catch (InvalidOperationException)
            {
                continue; // it has just ended
            }

            since.Restart();
        }

        return null;
    }

    private void Keep(Work work, long number, string end)
    {
        using var folder = new WorkFolder();
        var fault = end.Contains("overflow", StringComparison.OrdinalIgnoreCase) ? "stack overflow" : end.Split(':')[0];
        var path = Failures.PathOf(work, fault);
        if (!File.Exists(path)) Failures.Save(path, Formats.All[work.Format].Make(folder.Path).Input(work.Format, work.Seed,
            number).Bytes, end);
        Count(path, fault);
    }

    private void Count(string path, string fault)
    {
        lock (_faults) _faults[path] = (fault, _faults.GetValueOrDefault(path).Times + 1);
    }
}
