using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Pfmvg.Benchmarks;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg bench model`: the machine's limits, and the model's parts against them.</summary>
internal static class BenchModelCommand
{
    public static Command Create()
    {
        var names = string.Join(',', Enum.GetNames<BenchmarkPart>()).ToLowerInvariant();
        var parts = new Option<string>("--parts")
        {
            Description = "What to measure; allreduce needs several processes. BioViL and BioViL-T (rival, beside the same work written "
                + "plainly) are measured only where they are named.",
            DefaultValueFactory = _ => string.Join(',', ModelBenchmarkOptions.Usual).ToLowerInvariant(),
            HelpName = "PART,...",
        };
        var repeats = new Option<int>("--repeats")
        {
            Description = "Timed rounds of each part in turn with its limit; medians are printed. "
                + "1 measures the first run, without a warm-up.",
            DefaultValueFactory = _ => 5,
        }.Between(1, 1000);
        var batch = new Option<int?>("--batch") { Description = "Rows of a training step. Default: the stage's batch_size." }
            .Between(1, 1 << 16);
        var rows = new Option<int>("--rows")
        {
            Description = "Rows that are decoded together in the second measurement of decoding.",
            DefaultValueFactory = _ => 8,
        }.Between(1, 1 << 12);
        var tokens = new Option<int>("--tokens") { Description = "Tokens of a decoding round.", DefaultValueFactory = _ => 16 }
            .Between(1, 1 << 12);
        var recompute = new Option<string>("--recompute")
        {
            Description = "Measure training steps with recomputation (on), without (off), or both.",
            DefaultValueFactory = _ => "both",
        }.AcceptOnlyFromAmong("on", "off", "both");
        var plain = new Option<bool>("--plain")
        {
            Description = "Measure vision tower, training steps and prefill beside the same work written plainly with libtorch's "
                + "operations (what PyTorch takes), not beside the machine's products: the ratio is then how many times as fast ours is.",
        };
        var folder = new Option<string?>("--folder")
        {
            Description = "Folder for the temporary files of the parts limits and load. Default: the system's.",
            HelpName = "FOLDER",
        }.Writes(PathKind.Folder);
        var json = new Option<string?>("--json") { Description = "Also write the figures into this file.", HelpName = "FILE" }
            .Writes(PathKind.File);
        var command = new Command("model",
            "Measure the machine's limits and the model's parts against them, with random weights: no checkpoint is needed. "
            + "Sizes are the configuration's; --set model.language.layers=2 and the like reduce them.")
        {
            parts, repeats, batch, rows, tokens, recompute, plain, folder, json,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            var settings = configuration.Read(parsed);
            var options = new ModelBenchmarkOptions
            {
                Parts = [.. parsed.GetValue(parts)!.Split(',').Select(Part)],
                Rounds = parsed.GetValue(repeats),
                Batch = parsed.GetValue(batch),
                DecodedRows = parsed.GetValue(rows),
                DecodedTokens = parsed.GetValue(tokens),
                Recompute = parsed.GetValue(recompute) switch { "on" => true, "off" => false, _ => null },
                Plain = parsed.GetValue(plain),
                Folder = parsed.GetValue(folder) ?? Path.GetTempPath(),
            };
            if (!Directory.Exists(options.Folder))
                throw new InputException($"{options.Folder}: there is no such folder; name one for the benchmark's temporary files.");
            using var interrupt = new Interrupt("nothing more is measured.", losesNothing: true);
            return Job.Run(world => Measure(settings, options, parsed.GetValue(json), world, interrupt.Token), interrupt);
        });
        return command;

        BenchmarkPart Part(string name) =>
            Enum.TryParse<BenchmarkPart>(name, ignoreCase: true, out var part) && !char.IsAsciiDigit(name.FirstOrDefault())
                ? part
                : throw new InputException($"--parts: there is no part '{name}'; choose from {names}.");
    }

    private static int Measure(PfmvgConfiguration configuration, ModelBenchmarkOptions options, string? json, ICommunicator world,
        CancellationToken cancel)
    {
        ComputeThreads.Set(configuration, world);
        using var benchmark = new ModelBenchmark(configuration, options, world, cancel);
        var others = new OtherLoad();
        var lines = benchmark.Run(line =>
        {
            if (world.Rank == 0) Terminal.Standard.Message(Summary(line));
        });
        if (world.Rank != 0) return ExitCode.Success;
        var busy = others.Cores;
        GridPrinter.Print(Table(lines, configuration, busy));
        if (json is not null)
        {
            var report = new
            {
                environment = RunInfo.DescribeEnvironment(),
                precision = configuration.Precision.ToString(),
                other_load_cores = busy,
                options.Rounds,
                configuration.Model,
                lines,
            };
            AtomicFile.WriteText(json, JsonSerializer.Serialize(report, JsonOutput.Indented) + "\n");
        }

        return ExitCode.Success;
    }

    private static string Summary(BenchmarkLine line) => string.Create(CultureInfo.InvariantCulture,
        $"{line.Part}: {line.Achieved:g4} {line.Unit} in {line.Seconds:g4} s; ratio {line.Ratio:f2}, by CPU time {line.CpuRatio:f2}; "
        + $"peak {Units.Bytes(line.PeakBytes)}");

    private static TextGrid Table(IReadOnlyList<BenchmarkLine> lines, PfmvgConfiguration configuration, double busy)
    {
        var precision = configuration.Precision.ToString().ToLowerInvariant();
        var title = $"The model's parts beside the machine's limits ({configuration.Name}, {precision})";
        string[] columns = ["part", "achieved", "limit", "ratio", "by CPU time", "time of a run", "peak memory", "", "limit is"];
        var rows = lines.Select(line => (string[])
        [
            line.Part,
            $"{Units.Number(line.Achieved)} {line.Unit}",
            line.Limit > 0 ? $"{Units.Number(line.Limit)} {line.Unit}" : "",
            Ratio(line.Ratio),
            Ratio(line.CpuRatio),
            string.Create(CultureInfo.InvariantCulture, $"{line.Seconds:g3} s"),
            Units.Bytes(line.PeakBytes),
            line.Note,
            line.LimitName,
        ]);
        var load = string.Create(CultureInfo.InvariantCulture, $"Other processes kept {busy:f2} cores busy meanwhile");
        return new TextGrid(title, columns, [.. rows],
        [
            "Medians; limit and part are measured in turns in one process. FLOP are counted without recomputation.",
            busy > 0.1 ? $"{load}: only the ratios mean something, best those by CPU time with threads: 1." : $"{load}.",
        ]);

        static string Ratio(double ratio) => ratio > 0 ? ratio.ToString("f2", CultureInfo.InvariantCulture) : "";
    }
}
