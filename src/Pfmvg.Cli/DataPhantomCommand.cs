using System.CommandLine;
using System.Diagnostics;
using Pfmvg.Phantoms;

namespace Pfmvg.Cli;

/// <summary>`pfmvg data phantom`: writes a synthetic study in the official layouts.</summary>
internal static class DataPhantomCommand
{
    private static readonly Dictionary<string, PhantomSets> SetNames = new()
    {
        ["ms-cxr"] = PhantomSets.MsCxr,
        ["mimic-cxr-jpg"] = PhantomSets.MimicCxr,
        ["roco"] = PhantomSets.Roco,
        ["imageclef-2022"] = PhantomSets.ImageClef,
    };

    public static Command Create()
    {
        var defaults = new PhantomOptions();
        var output = new Option<string>("--out") { Description = "New or empty folder to write.", Required = true };
        var seed = new Option<long>("--seed") { Description = "The same seed gives the same bytes.", DefaultValueFactory = _ => defaults.Seed };
        var patients = new Option<int>("--patients") { Description = "Patients of MS-CXR.", DefaultValueFactory = _ => defaults.Patients };
        var width = new Option<int>("--width") { Description = "Typical picture width in pixels.", DefaultValueFactory = _ => defaults.ImageWidth };
        var height = new Option<int>("--height") { Description = "Typical picture height in pixels.", DefaultValueFactory = _ => defaults.ImageHeight };
        var sets = new Option<string[]>("--sets") { Description = "Data sets to write; all when not given.", AllowMultipleArgumentsPerToken = true };
        sets.AcceptOnlyFromAmong([.. SetNames.Keys]);
        var roco = new Option<int?>("--roco-pictures") { Description = "Radiology pictures of ROCO; two per patient when not given." };
        var clef = new Option<int?>("--imageclef-pictures") { Description = "Pictures of ImageCLEF; one per patient when not given." };
        var defects = new Option<bool>("--defects") { Description = "Plant one of each known defect and list them in planted-defects.json." };
        var workers = new Option<int>("--workers") { Description = "Drawing threads; 0: one per core." };
        var command = new Command("phantom", "Write synthetic chest studies in the official layouts of the four data sets.")
        {
            output, seed, patients, width, height, sets, roco, clef, defects, workers,
        };
        command.SetAction((parsed, cancellation) =>
        {
            var options = new PhantomOptions
            {
                Seed = parsed.GetValue(seed),
                Patients = parsed.GetValue(patients),
                ImageWidth = parsed.GetValue(width),
                ImageHeight = parsed.GetValue(height),
                Sets = parsed.GetValue(sets) is { Length: > 0 } names ? names.Aggregate(PhantomSets.None, (all, name) => all | SetNames[name]) : PhantomSets.All,
                RocoPictures = parsed.GetValue(roco),
                ImageClefPictures = parsed.GetValue(clef),
                Defects = parsed.GetValue(defects),
                Workers = parsed.GetValue(workers),
            };
            Print(parsed.GetValue(output)!, options, cancellation);
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static void Print(string folder, PhantomOptions options, CancellationToken cancellation)
    {
        var clock = Stopwatch.StartNew();
        var summary = PhantomStudy.Write(folder, options, new ConsoleProgress(), cancellation);
        var seconds = clock.Elapsed.TotalSeconds;
        Console.WriteLine($"{summary.Pictures} pictures in {seconds:f1} s ({summary.Pictures / seconds:f0} per second) in {Path.GetFullPath(folder)}");
        if (summary.Boxes > 0)
        {
            Console.WriteLine($"ms-cxr: {summary.Patients} patients, {summary.AnnotatedPictures} pictures, "
                + $"{summary.Phrases.Values.Sum()} phrases, {summary.Boxes} boxes");
            foreach (var (name, count) in summary.Phrases.OrderByDescending(entry => entry.Value)) Console.WriteLine($"  {name,-17} {count,6}");
        }

        if (summary.Defects > 0) Console.WriteLine($"{summary.Defects} defects planted, listed in planted-defects.json");
        Console.WriteLine("The pictures are synthetic: scores on them are not clinical scores.");
    }

    private sealed class ConsoleProgress : IProgress<PhantomProgress>
    {
        public void Report(PhantomProgress value)
        {
            if (!Console.IsErrorRedirected && value.Done % 100 == 0) Console.Error.Write($"\r{value.Done} / {value.Total} ");
        }
    }
}
