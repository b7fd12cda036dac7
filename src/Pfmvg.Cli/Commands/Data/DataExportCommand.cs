using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Data.Exporting;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;

namespace Pfmvg.Cli.Commands.Data;

/// <summary>`pfmvg data export`: writes prepared phrases in the forms of other tools.</summary>
internal static class DataExportCommand
{
    public static Command Create()
    {
        var from = new Option<string>("--from")
        {
            Description = "Folder that 'pfmvg data prepare' wrote.",
            HelpName = "FOLDER",
            Required = true,
        };
        var format = new Option<string>("--format")
        {
            Description = "Form to write. Boxes are 0 to 1000 for llamafactory and trl, 0 to 1 for llava, of the padded picture for "
                + "llava-padded, and pixels of the stored picture for the others.",
            HelpName = string.Join('|', ExportFiles.Formats),
            Required = true,
        }.AcceptOnlyFromAmong(ExportFiles.Formats);
        var output = new Option<string>("--out", "-o") { Description = "New or empty folder.", HelpName = "FOLDER", Required = true }
            .Writes(PathKind.Folder);
        var question = new Option<string>("--question")
        {
            Description = "How the phrase stands in the question.",
            HelpName = "TEXT",
            DefaultValueFactory = _ => OwnReader.UsualQuestion,
        };
        var images = new Option<string[]>("--images")
        {
            Description = "Image folder of a data set that has moved since it was prepared. May be repeated.",
            HelpName = "NAME=FOLDER",
            DefaultValueFactory = _ => [],
        };
        var command = new Command("export", "Write prepared phrases and their pictures in the training formats of other tools.")
        {
            from, format, output, question, images,
        };
        var dicom = new DicomOption().AddTo(command);
        command.SetAction(parsed =>
        {
            using var interrupt = new Interrupt("nothing is left of the export.", losesNothing: true);
            var data = PreparedData.Open(parsed.GetValue(from)!, DataSourceOptions.ImageFolders(parsed.GetValue(images)!));
            var folder = parsed.GetValue(output)!;
            var report = ExportFiles.Write(
                data, parsed.GetValue(format)!, folder, parsed.GetValue(question)!, dicom.Read(parsed), interrupt.Token,
                new DataProgress());
            Terminal.Standard.Live("");
            foreach (var note in report.Notes) Terminal.Standard.Message($"note: {note}");
            foreach (var (file, count) in report.Files)
                Terminal.Standard.Print($"{Path.Combine(Path.GetFullPath(folder), file)}  {Units.Count(count)} samples");
            Terminal.Standard.Print($"To use it: {report.Command}");
            return ExitCode.Success;
        });
        return command;
    }
}
