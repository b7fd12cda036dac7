using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Imaging.Codecs;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tensors;
using Spectre.Console;
using TorchSharp;

namespace Pfmvg.Cli.Commands;

/// <summary>
/// `pfmvg doctor`: checks that everything loads and computes here, also when `mpirun` or `srun` starts several processes.
/// </summary>
internal static class DoctorCommand
{
    public static Command Create()
    {
        var command = new Command("doctor",
            "Check libraries, devices, threads and, under mpirun or srun, the exchange between processes.");
        var configuration = new ConfigurationOptions().AddTo(command);
        var find = new Option<bool>("--find-libtorch")
        {
            Description = "For a build without libtorch: list the folders here that hold one, and the line that chooses one. "
                + "Loads nothing.",
        };
        command.Add(find);
        command.SetAction(parsed => parsed.GetValue(find) ? FindLibtorch()
            : Job.Run(world => Examine(configuration.Read(parsed), world)));
        return command;
    }

    private static int FindLibtorch()
    {
        var found = LibtorchSearch.Find();
        var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap()).AddColumn();
        foreach (var folder in found)
            grid.AddRow(folder.Version?.ToString() ?? "?", folder.Fits ? "fits" : "does not fit", Markup.Escape(folder.Path));
        if (found.Count > 0) Terminal.Standard.Print(grid);
        var best = found.Where(folder => folder.Fits).OrderByDescending(folder => folder.IsCompiledFor)
            .ThenByDescending(folder => folder.Version).FirstOrDefault();
        Terminal.Standard.Print(best is null
            ? $"No libtorch {LibtorchFolder.Range} was found here. Install PyTorch of such a version, or unpack libtorch, and set "
                + $"{Libtorch.Variable} to its folder lib."
            : $"export {Libtorch.Variable}={LibtorchSearch.Quote(best.Path)}");
        return best is null ? ExitCode.Failure : ExitCode.Success;
    }

    private static int Examine(PfmvgConfiguration configuration, ICommunicator world)
    {
        Libtorch.Load(); // a wrong one is wrong input, not a finding: nothing below can be computed with it
        var findings = new List<(string What, string Found, bool Good)>();
        Check("computing", () => Compute(torch.CPU));
        if (findings[0].Good)
        {
            ComputeThreads.Set(configuration, world);
            foreach (var (name, value) in RunInfo.DescribeEnvironment()) findings.Add((name.Replace('_', ' '), value, true));
            if (Libtorch.Difference() is { } difference) findings.Add(("", difference, true));
            foreach (var number in Enumerable.Range(0, torch.cuda.is_available() ? torch.cuda.device_count() : 0))
                Check($"GPU {number}", () => $"{Compute(torch.device($"cuda:{number}"))}; {Memory(number)}");
            Check("device", () => Device(configuration.Device));
        }

        Check("MPI library", () => Mpi.Library() ?? "none (needed for several processes only)");
        Check("exchange", () => Exchange(world));
        Check("JPEG-LS", () => CharLs.Library.IsFound ? $"CharLS {CharLs.Functions.Version}" : Optional(CharLs.Library));
        Check("JPEG 2000", () => OpenJpeg.Library.IsFound ? $"OpenJPEG {OpenJpeg.Functions.Version}" : Optional(OpenJpeg.Library));

        Check("BioViL", () => "not part of this program: predict --model biovil reads the public files of BioViL and BioViL-T (MIT; their "
            + "model cards, which come with the text folders, say research use only)");

        var threads = findings.Find(finding => finding.What == "threads").Found ?? "no";
        var ranks = world.Gather($"rank {world.Rank}: process {Environment.ProcessId} on {Environment.MachineName}, "
            + $"local rank {world.LocalRank} of {world.LocalSize}, {threads} threads on {Environment.ProcessorCount} cores"
            + (Environment.GetEnvironmentVariable("CUDA_VISIBLE_DEVICES") is { } gpu ? $", sees GPU {gpu}" : "")
            + string.Concat(Failed().Select(failure => $"; {failure}")));
        if (world.Rank == 0)
        {
            var grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn();
            foreach (var (what, found, good) in findings)
                grid.AddRow(Markup.Escape(what), (good ? "" : "[red]FAILED[/] ") + Markup.Escape(found));
            foreach (var rank in ranks) grid.AddRow("", Markup.Escape(rank));
            Terminal.Standard.Print(grid);
        }

        return Failed().Any() ? ExitCode.Failure : ExitCode.Success;

        IEnumerable<string> Failed() => findings.Where(finding => !finding.Good).Select(finding => $"{finding.What}: {finding.Found}");

        void Check(string what, Func<string> examine)
        {
            try
            {
                findings.Add((what, examine(), true));
            }
            catch (Exception failure)
            {
                var cause = failure is TypeInitializationException { InnerException: { } inner } ? inner : failure;
                findings.Add((what, cause.Message.Split('\n')[0].Trim(), false));
            }
        }
    }

    private static string Optional(CodecLibrary library) => $"none (for some DICOM files only): {library.Missing}";

    private static string Device(DeviceChoice device) => device != DeviceChoice.Cuda || torch.cuda.is_available()
        ? device.ToString().ToLowerInvariant()
        : throw new InputException(
            "cuda is configured, but there is no CUDA device, or this is the CPU build (-p:TorchBackend=cuda makes the other)");

    private static string Memory(int gpu) => GpuMemory.Of(gpu) is { } memory
        ? $"{Units.Bytes(memory.Free)} of {Units.Bytes(memory.Total)} free" : "its memory is not known";

    private static string Compute(torch.Device device)
    {
        using var scope = torch.NewDisposeScope();
        var rows = torch.arange(64, torch.float32, device).unsqueeze(1);
        var columns = torch.arange(64, torch.float32, device).unsqueeze(0);
        return string.Join(", ", new[] { torch.ScalarType.Float32, torch.ScalarType.BFloat16 }.Select(type =>
        {
            var sum = rows.to(type).matmul(columns.to(type)).to(torch.float32).sum().item<float>();
            return Math.Abs(sum - 2016f * 2016f) <= 2016f * 2016f * 1e-2
                ? $"{type} computes"
                : throw new InvalidOperationException($"{type}: a product is {sum}");
        }));
    }

    // Tries every kind of exchange that a run uses, with sums that are exact, on a buffer that is sent in several pieces.
    private static string Exchange(ICommunicator world)
    {
        if (world.Size == 1) return "one process";
        var values = new float[20_000_003];
        for (var i = 0; i < values.Length; i++) values[i] = (world.Rank + 1) * (i % 7);
        world.Barrier();
        var clock = Stopwatch.StartNew();
        world.AllReduceSum(values.AsSpan());
        var seconds = clock.Elapsed.TotalSeconds;
        var ranks = world.Size * (world.Size + 1) / 2;
        for (var i = 0; i < values.Length; i++)
            if (values[i] != ranks * (i % 7))
                throw new InvalidOperationException($"the sum over the ranks is {values[i]} at {i}, not {ranks * (i % 7)}");

        var parts = new double[] { world.Rank, 1 };
        world.AllReduceSum(parts);
        if (parts[0] != ranks - world.Size || parts[1] != world.Size)
            throw new InvalidOperationException("the sum of doubles over the ranks is wrong");

        var bytes = BitConverter.GetBytes(world.Rank);
        world.Broadcast(bytes, world.Size - 1);
        if (BitConverter.ToInt32(bytes) != world.Size - 1) throw new InvalidOperationException("a broadcast gave something else");

        var gathered = world.Gather(new string('x', 1 + world.Rank * 1000));
        if (world.Rank == 0 && !gathered.Select(text => text.Length)
            .SequenceEqual(Enumerable.Range(0, world.Size).Select(rank => 1 + rank * 1000)))
            throw new InvalidOperationException("gathering gave something else");
        world.RequireSame("the sum over the ranks", Convert.ToHexString(SHA256.HashData(MemoryMarshal.AsBytes(values.AsSpan()))));
        return string.Create(CultureInfo.InvariantCulture,
            $"{world.Size} processes; {Units.Bytes(4L * values.Length)} summed in {seconds:f2} s");
    }
}
