using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Numerics;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Cli.Commands.Data;

/// <summary>`pfmvg data phantom`: writes a synthetic study in the official layouts.</summary>
internal static class DataPhantomCommand
{
    private static readonly Dictionary<string, PhantomSets> SetNames = new()
    {
        ["ms-cxr"] = PhantomSets.MsCxr,
        ["mimic-cxr-jpg"] = PhantomSets.MimicCxr,
        ["roco"] = PhantomSets.Roco,
        ["imageclef-2022"] = PhantomSets.ImageClef,
        ["padchest-gr"] = PhantomSets.PadChestGr,
        ["vindr-cxr"] = PhantomSets.VinDr,
        ["nih-cxr14"] = PhantomSets.NihBoxes,
        ["chest-imagenome"] = PhantomSets.ImaGenome,
        ["own"] = PhantomSets.Own,
        ["anatomy"] = PhantomSets.Anatomy,
    };

    public static Command Create()
    {
        var defaults = new PhantomOptions();
        var output = new Option<string>("--out", "-o")
        {
            Description = "New or empty folder for the study.",
            HelpName = "FOLDER",
            Required = true,
        }.Writes(PathKind.Folder);
        var seed = Number("--seed", "The same seed gives the same bytes.", defaults.Seed, long.MinValue, long.MaxValue);
        var patients = Number("--patients", "Patients of MS-CXR, each with one to three studies.", defaults.Patients, 1, 1_000_000);
        var width = Number("--width", "Typical picture width in pixels.", defaults.ImageWidth, 64, 8192);
        var height = Number("--height", "Typical picture height in pixels.", defaults.ImageHeight, 64, 8192);
        var sets = new Option<string[]>("--sets")
        {
            Description = "Data sets to write. Default: the four of the paper, ms-cxr, mimic-cxr-jpg, roco and imageclef-2022. anatomy: "
                + "Chest ImaGenome's regions of ms-cxr's pictures.",
            AllowMultipleArgumentsPerToken = true,
        };
        sets.AcceptOnlyFromAmong([.. SetNames.Keys]);
        var format = new Option<string>("--format")
        {
            Description = "Format of the pictures: 'usual' (JPEG or PNG, as each data set is mostly used), or 'dicom' where the real data "
                + "set comes as DICOM, too (MIMIC-CXR's and VinDr-CXR's pictures).",
            DefaultValueFactory = _ => "usual",
        }.AcceptOnlyFromAmong("usual", "dicom");
        var roco = new Option<int?>("--roco-pictures") { Description = "Radiology pictures of ROCO. Default: two per patient." }
            .Between(0, 90_000);
        var clef = new Option<int?>("--imageclef-pictures") { Description = "Pictures of ImageCLEF. Default: one per patient." }
            .Between(0, 900_000);
        var defects = new Option<bool>("--defects")
        {
            Description = "Plant the defects that 'data check' finds, and list them in planted-defects.json.",
        };
        var workers = Number(
            "--workers", "Drawing threads; 0 for one per core. Their number does not change the result.", defaults.Workers, 0, 1024);
        var command = new Command("phantom", "Write synthetic chest studies in the official layouts of the data sets.")
        {
            output, seed, patients, width, height, sets, format, roco, clef, defects, workers,
        };
        command.SetAction(parsed =>
        {
            var chosen = parsed.GetValue(sets)?.Aggregate(PhantomSets.None, (all, name) => all | SetNames[name]) ?? PhantomSets.None;
            Write(parsed.GetValue(output)!, new()
            {
                Seed = parsed.GetValue(seed),
                Patients = parsed.GetValue(patients),
                ImageWidth = parsed.GetValue(width),
                ImageHeight = parsed.GetValue(height),
                Format = Enum.Parse<PhantomFormat>(parsed.GetValue(format)!, ignoreCase: true),
                Sets = chosen == PhantomSets.None ? PhantomSets.All : chosen,
                RocoPictures = parsed.GetValue(roco),
                ImageClefPictures = parsed.GetValue(clef),
                Defects = parsed.GetValue(defects),
                Workers = parsed.GetValue(workers),
            });
            return ExitCode.Success;
        });
        return command;
    }

    private static Option<T> Number<T>(string name, string description, T value, T least, T most) where T : struct, INumber<T> =>
        new Option<T>(name) { Description = description, DefaultValueFactory = _ => value }.Between(least, most);

    private static void Write(string folder, PhantomOptions options)
    {
        var clock = Stopwatch.StartNew();
        using var interrupt = new Interrupt("nothing is kept of the phantom study.");
        using var display = new TerminalDisplay();
        var summary = PhantomStudy.Write(folder, options, display, interrupt.Token);
        var seconds = clock.Elapsed.TotalSeconds;
        var terminal = Terminal.Standard;
        terminal.Print(string.Create(CultureInfo.InvariantCulture,
            $"{summary.Pictures} pictures in {seconds:f1} s ({summary.Pictures / seconds:f0} per second) in {Path.GetFullPath(folder)}"));
        if (summary.Boxes > 0)
        {
            terminal.Print($"ms-cxr: {summary.Patients} patients, {summary.AnnotatedPictures} pictures, "
                + $"{summary.Phrases.Values.Sum()} phrases, {summary.Boxes} boxes");
            foreach (var (name, count) in summary.Phrases.OrderByDescending(entry => entry.Value))
                terminal.Print($"  {name,-17} {count,6}");
        }

        if (summary.Defects > 0) terminal.Print($"{summary.Defects} defects planted, listed in planted-defects.json");
        terminal.Print("The pictures are synthetic: scores on them are not clinical scores.");
    }
}
