using System.CommandLine;
using System.Globalization;

namespace Pfmvg.Fuzz;

/// <summary>The command line: a run over all formats or some, one input again, and the workers.</summary>
internal static class Program
{
    private static int Main(string[] arguments)
    {
        var format = new Option<string[]>("--format") { Description = "Only these formats.", AllowMultipleArgumentsPerToken = true };
        format.AcceptOnlyFromAmong([.. Formats.All.Keys]);
        var seed = new Option<long>("--seed") { Description = "Another seed, other inputs.", DefaultValueFactory = _ => 1 };
        var inputs = new Option<long>("--inputs") { Description = "Inputs in all.", DefaultValueFactory = _ =>
            Formats.All.Values.Sum(one => one.Share) };
        var minutes = new Option<double?>("--minutes") { Description = "As many inputs as can be read in so many minutes." };
        var workers = new Option<int>("--workers") { Description = "Processes at a time.", DefaultValueFactory = _ => 2 };
        var output = new Option<string>("--out") { Description = "Folder of the inputs that fail.", DefaultValueFactory = _ =>
            "fuzz-failures" };
        var repeat = new Option<string?>("--repeat") { Description = "Reads this file as the --format, in every way that it is read." };
        var worker = new Option<string?>("--worker") { Hidden = true };
        var from = new Option<long>("--from") { Hidden = true };
        var seconds = new Option<double>("--seconds") { Hidden = true };
        var command = new RootCommand("Reads changed files of every format: each is read or refused, in 5 s and 500 MB.")
        {
            format, seed, inputs, minutes, workers, output, repeat, worker, from, seconds,
        };
        command.SetAction(parsed =>
        {
            var chosen = parsed.GetValue(format) is { Length: > 0 } some ? some : [.. Formats.All.Keys];
            var folder = Path.GetFullPath(parsed.GetValue(output)!);
            if (parsed.GetValue(repeat) is { } file) return Repeat(file, chosen);
            if (parsed.GetValue(worker) is { } status)
            {
                Worker.Run(new Work(chosen[0], parsed.GetValue(seed), parsed.GetValue(from), parsed.GetValue(inputs),
                    parsed.GetValue(seconds), folder), status);
                return 0;
            }

            return Run(chosen, folder, parsed.GetValue(seed), parsed.GetValue(inputs), parsed.GetValue(minutes), parsed.GetValue(workers));
        });
        return command.Parse(arguments).Invoke();
    }

    private static int Run(string[] chosen, string folder, long seed, long inputs, double? minutes, int workers)
    {
        var campaign = new Campaign(folder, seed, Console.WriteLine);
        var all = chosen.Sum(name => Formats.All[name].Share);
        Parallel.ForEach(chosen.OrderByDescending(name => Formats.All[name].Share),
            new ParallelOptions { MaxDegreeOfParallelism = workers }, name =>
        {
            var share = (double)Formats.All[name].Share / all;
            campaign.Run(name, minutes is null ? (long)Math.Round(inputs * share) : long.MaxValue,
                minutes is { } time ? time * 60 * Math.Min(workers, chosen.Length) / chosen.Length : double.MaxValue);
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{campaign.Done} inputs, {campaign.Faults} kinds of faults"));
        foreach (var line in campaign.Lines()) Console.WriteLine(line);
        return campaign.Faults == 0 ? 0 : 1;
    }

    private static int Repeat(string file, string[] chosen)
    {
        if (chosen.Length != 1)
        {
            Console.Error.WriteLine("Name the format of the file with --format.");
            return 2;
        }

        using var folder = new WorkFolder();
        var bytes = File.ReadAllBytes(file);
        var failed = false;
        foreach (var way in Formats.All[chosen[0]].Make(folder.Path).Seeds.Select(seed => seed.Way).Distinct())
        {
            var verdict = Trial.Run(new Seed(bytes, way));
            failed |= verdict.Fault is not null;
            Console.WriteLine($"{verdict.Fault ?? "ok"}: {verdict.Detail}");
        }

        return failed ? 1 : 0;
    }
}
