using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;

namespace Pfmvg.Cli.Commands.Data;

/// <summary>`pfmvg data show`: a contact sheet of what the model sees.</summary>
internal static class DataShowCommand
{
    public static Command Create()
    {
        var folder = new Argument<string>("PREPARED") { Description = "Folder that 'pfmvg data prepare' wrote." };
        var output = new Option<string>("--out", "-o")
        {
            Description = "PNG to write; a .json file beside it lists the samples on it.",
            HelpName = "FILE",
            DefaultValueFactory = _ => "sheet.png",
        }.Writes(PathKind.File);
        var task = new Option<string>("--task")
        {
            Description = "'refer' (phrases with boxes) or 'caption'.",
            DefaultValueFactory = _ => "refer",
        }.AcceptOnlyFromAmong("refer", "caption");
        var split = new Option<string>("--split")
        {
            Description = "'train', 'validate' or 'test'.",
            DefaultValueFactory = _ => "train",
        }.AcceptOnlyFromAmong("train", "validate", "test");
        var count = new Option<int>("--count") { Description = "Number of pictures, chosen at random.", DefaultValueFactory = _ => 24 }
            .Between(1, 400);
        var size = new Option<int>("--size")
        {
            Description = "Side in pixels of the picture that the model sees.",
            DefaultValueFactory = _ => 448,
        }.Between(1, 2048);
        var augment = new Option<bool>("--augment") { Description = "Show random crops, as in training." };
        var least = new Option<double>("--least-area")
        {
            Description = "Smallest area of a random crop as a share of the picture.",
            DefaultValueFactory = _ => 0.5,
        }.Above0(1);
        var seed = new Option<long>("--seed") { Description = "Chooses the samples and the crops.", DefaultValueFactory = _ => 42 }.Whole();
        var epoch = new Option<int>("--epoch") { Description = "Epoch of training; each has other crops of the same samples." }
            .Between(0, int.MaxValue);
        var name = new Option<string?>("--class")
        {
            Description = "Show only this finding class, for example \"Pleural Effusion\".",
            HelpName = "NAME",
        };
        var ids = new Option<bool>("--show-ids") { Description = "Write the samples' identifiers on the sheet, too." };
        var images = new Option<string[]>("--images")
        {
            Description = "Image folder of a data set that has moved since it was prepared. May be repeated.",
            HelpName = "NAME=FOLDER",
            DefaultValueFactory = _ => [],
        };
        var command = new Command("show", "Draw a sheet of what the model sees, with the boxes as it is taught them.")
        {
            folder, output, task, split, count, size, augment, least, seed, epoch, name, ids, images,
        };
        var dicom = new DicomOption().AddTo(command);
        command.SetAction(parsed =>
        {
            if (!parsed.GetValue(augment)) parsed.Refuse("belongs to --augment; leave it out, or show random crops", least, epoch);
            var area = parsed.GetValue(least);
            var path = parsed.GetValue(output)!;
            if (!path.EndsWith(".png", StringComparison.OrdinalIgnoreCase))
                throw new InputException($"--out {path}: the sheet is a PNG; let the name end in .png.");
            var options = new SheetOptions
            {
                Task = Enum.Parse<SampleTask>(parsed.GetValue(task)!, ignoreCase: true),
                Split = SplitNames.Parse("--split", parsed.GetValue(split)!),
                Count = parsed.GetValue(count),
                Size = parsed.GetValue(size),
                LeastCropArea = parsed.GetValue(augment) ? area : null,
                Seed = parsed.GetValue(seed),
                Epoch = parsed.GetValue(epoch),
                Class = parsed.GetValue(name),
                Dicom = dicom.Read(parsed),
                ShowIds = parsed.GetValue(ids),
            };
            var data = PreparedData.Open(Path.GetFullPath(parsed.GetValue(folder)!),
                DataSourceOptions.ImageFolders(parsed.GetValue(images)!));
            var entries = ContactSheet.Write(path, data, options);
            Terminal.Standard.Print($"{path}  {entries.Count} pictures, listed in {Path.ChangeExtension(path, ".json")}");
        });
        return command;
    }
}
