using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Pfmvg.Benchmarks;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Cli.Process;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg bench data`: how fast pictures are made ready for the model.</summary>
internal static class BenchDataCommand
{
    public static Command Create()
    {
        var images = new Argument<string>("FOLDER")
        {
            Description = "Folder of JPEG, PNG or DICOM pictures; subfolders are searched, too.",
        };
        var size = new Option<int>("--size") { Description = "Side of the square picture in pixels.", DefaultValueFactory = _ => 448 }
            .Between(1, 4096);
        var workers = new Option<string?>("--workers")
        {
            Description = "Numbers of worker threads to measure, as in 1,4. Default: 1, and one per core.",
            HelpName = "N,...",
        };
        var rounds = new Option<int>("--rounds") { Description = "Timed passes; the median is printed.", DefaultValueFactory = _ => 5 }
            .Between(1, 1000);
        var limit = new Option<int>("--limit") { Description = "Use at most this many pictures.", DefaultValueFactory = _ => 64 }
            .Between(1, int.MaxValue);
        var model = new Option<double>("--model-ms")
        {
            Description = "Milliseconds that a model spends on a picture, to compute how long it would wait for the next one.",
            DefaultValueFactory = _ => 50,
        }.Between(0, 60_000);
        var json = new Option<bool>("--json") { Description = "Print one line of JSON." };
        var command = new Command("data", "Measure decoding, resizing and loading of pictures.")
        {
            images, size, workers, rounds, limit, model, json,
        };
        var dicom = new DicomOption().AddTo(command);
        command.SetAction(parsed =>
        {
            using var interrupt = new Interrupt("nothing more is measured.", losesNothing: true);
            var folder = parsed.GetValue(images)!;
            if (!Directory.Exists(folder)) throw new InputException($"{folder}: there is no such folder; name one with pictures.");
            string[] endings = [".jpg", ".jpeg", ".png", ".dcm", ".dicom"];
            var files = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
                .Where(file => endings.Contains(Path.GetExtension(file).ToLowerInvariant())).Order(StringComparer.Ordinal)
                .Take(parsed.GetValue(limit)).ToList();
            if (files.Count == 0)
                throw new InputException($"{folder}: there is no .jpg, .png, .dcm or .dicom file; name a folder with pictures.");
            var options = new BenchmarkOptions
            {
                Dicom = dicom.Read(parsed),
                Size = parsed.GetValue(size),
                Workers = [.. (parsed.GetValue(workers) ?? $"1,{Environment.ProcessorCount}").Split(',').Select(WorkerCount)],
                Rounds = parsed.GetValue(rounds),
                ModelMilliseconds = parsed.GetValue(model),
            };
            var report = LoadBenchmark.Run(files, options, interrupt.Token);
            if (parsed.GetValue(json)) Terminal.Standard.Print(JsonSerializer.Serialize(report, JsonOutput.Line));
            else Print(report, options);
            return ExitCode.Success;
        });
        return command;
    }

    private static int WorkerCount(string text) => int.TryParse(text, CultureInfo.InvariantCulture, out var count)
        ? OptionRange.Whole(count, "--workers", 1, 1024)
        : throw new InputException($"--workers {text}: give whole numbers separated by commas, as in 1,4.");

    private static void Print(BenchmarkReport report, BenchmarkOptions options)
    {
        var total = report.DecodeMilliseconds + report.ResizeMilliseconds + report.NormaliseMilliseconds;
        Terminal.Standard.Print(string.Create(CultureInfo.InvariantCulture,
            $"{report.Pictures} pictures, {report.MeanFileBytes / 1e6:f2} MB and {report.MeanPixels / 1e6:f2} megapixels on average, "
            + $"to {options.Size} x {options.Size}"));
        Terminal.Standard.Print(string.Create(CultureInfo.InvariantCulture,
            $"one thread, one picture: decode {report.DecodeMilliseconds:f1} ms ({report.DecodeMilliseconds / total:p0}), "
            + $"resize {report.ResizeMilliseconds:f1} ms ({report.ResizeMilliseconds / total:p0}), "
            + $"normalise {report.NormaliseMilliseconds:f1} ms ({report.NormaliseMilliseconds / total:p0})"));
        GridPrinter.Print(new TextGrid("Pictures per second", ["workers", "pictures/s", "decode-only limit/s", "from the cache/s",
            $"wait of a model of {options.ModelMilliseconds:g} ms"],
            [.. report.Rows.Select(row => (IReadOnlyList<string>)
                [Text(row.Workers, "f0"), Text(row.PicturesPerSecond, "f1"), Text(row.DecodedPerSecond, "f1"),
                    Text(row.CachedPerSecond, "f0"), $"{Text(row.ModelWaitMilliseconds, "f1")} ms a picture"])], []));

        static string Text(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
    }
}
