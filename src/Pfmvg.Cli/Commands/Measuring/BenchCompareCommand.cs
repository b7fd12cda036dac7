using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Pfmvg.Benchmarks;
using Pfmvg.Benchmarks.Peers;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using static TorchSharp.torch;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg bench compare`: ours beside PyTorch, llama.cpp and plain libtorch, in turns.</summary>
internal static class BenchCompareCommand
{
    public static Command Create()
    {
        var peers = new Option<string?>("--peers")
        {
            Description = "Folder with the others' scripts: pytorch/step.py, pytorch/vit.py, llamacpp/bench.mjs, llamacpp/make_gguf.py. "
                + "Without it only plain libtorch is measured beside ours.",
            HelpName = "DIR",
        };
        var python = new Option<string?>("--python")
        {
            Description = "Python of the scripts. Default: python3 or /usr/bin/python3, whichever has PyTorch.",
            HelpName = "PROGRAM",
        };
        var turns = new Option<int>("--turns")
        {
            Description = "How often ours and the others take turns; medians are printed.", DefaultValueFactory = _ => 3,
        }.Between(1, 1000);
        var repeats = new Option<int>("--repeats") { Description = "Our timed rounds in a turn.", DefaultValueFactory = _ => 3 }
            .Between(1, 1000);
        var threads = new Option<int>("--threads")
        {
            Description = "CPU threads of all of them; 0 is OMP_NUM_THREADS, or all cores.", DefaultValueFactory = _ => 0,
        }.Between(0, 4096);
        var small = new Option<bool>("--small")
        {
            Description = "Leave out prefill and decoding, which have layers of 7B's size and take 5 GB.",
        };
        var folder = new Option<string?>("--folder")
        {
            Description = "Folder for llama.cpp's weight file of 1.9 GB, which is removed. Default: the system's.",
            HelpName = "FOLDER",
        }.Writes(PathKind.Folder);
        var json = new Option<string?>("--json") { Description = "Also write the figures into this file.", HelpName = "FILE" }
            .Writes(PathKind.File);
        var command = new Command("compare",
            "Measure ours beside other programs with random weights of the same sizes, in turns on this machine: PyTorch's training step "
            + "and vision tower, llama.cpp's prefill and decoding, and the same work written plainly with libtorch.")
        {
            peers, python, turns, repeats, threads, small, folder, json,
        };
        command.SetAction(parsed =>
        {
            var options = new PeerComparisonOptions
            {
                Turns = parsed.GetValue(turns),
                Rounds = parsed.GetValue(repeats),
                Small = parsed.GetValue(small),
            };
            var (scripts, temporary) = (parsed.GetValue(peers), parsed.GetValue(folder) ?? Path.GetTempPath());
            if (scripts is not null && !Directory.Exists(scripts))
                throw new InputException($"{scripts}: there is no such folder; name the one with the others' scripts after --peers.");
            if (!Directory.Exists(temporary))
                throw new InputException($"{temporary}: there is no such folder; name one for llama.cpp's weight file after --folder.");
            using var world = new SingleProcess();
            using var interrupt = new Interrupt("nothing more is measured.", losesNothing: true);
            ComputeThreads.Set(new PfmvgConfiguration
            {
                Threads = parsed.GetValue(threads),
            }, world);
            var others = new PeerPrograms(
                scripts is null ? null : Path.GetFullPath(scripts), parsed.GetValue(python), temporary, get_num_threads(), interrupt.Token);
            var comparison = new PeerComparison(options, others, world, interrupt.Token);
            var load = new OtherLoad();
            var lines = comparison.Run(line => Terminal.Standard.Message(string.Join("; ", Cells(line))));
            Print(lines, others.Absent, load.Cores);
            if (parsed.GetValue(json) is { } file)
                AtomicFile.WriteText(file, JsonSerializer.Serialize(new
                {
                    environment = RunInfo.DescribeEnvironment(), other_load_cores = load.Cores, options.Turns, options.Rounds,
                    not_measured = others.Absent, lines,
                }, JsonOutput.Indented) + "\n");
            return ExitCode.Success;
        });
        return command;
    }

    // Other load as OtherLoad sees it has the peers in it, so it is said only when nothing but ours ran.
    private static void Print(IReadOnlyList<PeerLine> lines, IReadOnlyList<string> absent, double busy)
    {
        string[] columns = ["part", "ours", "other", "gain", "by CPU time"];
        var threads = get_num_threads();
        GridPrinter.Print(new TextGrid(
            $"Beside other programs ({RunInfo.DescribeEnvironment()["processor"]}, {threads} thread{(threads == 1 ? "" : "s")})",
            columns, [.. lines.Select(Cells)],
            [
                "Medians; the gain is the other's time divided by ours, in turns on this machine. Only what runs in this process has a "
                    + "gain by CPU time.",
                .. lines.All(line => line.CpuGain > 0)
                    ? (string[])[string.Create(CultureInfo.InvariantCulture, $"Other processes kept {busy:f2} cores busy meanwhile.")] : [],
                .. absent,
            ]));
    }

    private static string[] Cells(PeerLine line) =>
    [
        line.Part, Amount(line.Ours, line.Tokens), $"{line.Other} {Amount(line.Others, line.Tokens)}", Ratio(line.Gain),
        Ratio(line.CpuGain),
    ];

    private static string Amount(double seconds, long tokens) => tokens > 0
        ? string.Create(CultureInfo.InvariantCulture, $"{tokens / seconds:g3} tokens/s")
        : string.Create(CultureInfo.InvariantCulture, $"{seconds:g3} s");

    private static string Ratio(double ratio) => ratio > 0 ? ratio.ToString("f2", CultureInfo.InvariantCulture) : "";
}
