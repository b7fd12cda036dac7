using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Runs;
using Pfmvg.Text;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg predict`: finds phrases in pictures of any place, without a data set.</summary>
internal static class PredictCommand
{
    private static readonly char[] NotInNames = [.. Path.GetInvalidFileNameChars(), '/', '\\', ':'];

    public static Command Create()
    {
        var image = new Option<string?>("--image") { Description = $"The picture, {ImageFile.Formats}.", HelpName = "FILE" };
        var phrase = new Option<string?>("--phrase") { Description = "What to find in it, or to ask (--task).", HelpName = "TEXT" };
        var table = new Option<string?>("--table")
        {
            Description = "Instead of both: a CSV with the columns image, phrase and, optionally, id.",
            HelpName = "CSV",
        };
        var images = new Option<string?>("--images")
        {
            Description = "With --table: the folder that the images' paths start from. Default: the table's own.",
            HelpName = "FOLDER",
        };
        var overlay = new Option<string?>("--overlay")
        {
            Description = "Draw the boxes (and the map of a model that gives one) into this PNG; with --table, into one PNG per row "
                + "in this folder.",
            HelpName = "PATH",
        }.Writes(PathKind.Either);
        var colors = new Option<string?>("--color")
        {
            Description = "Colour of the boxes in the overlay, such as red or #00ff00.",
            HelpName = "COLOR",
        };
        var json = new Option<bool>("--json") { Description = "Print one line of JSON per case." };
        var from = new Option<string?>("--from")
        {
            Description = "The run folder, checkpoint or peft adapter folder of the model, or 'base' for the base weights alone. A run "
                + "brings its own configuration. Default: stage 2's result of the configuration, or the plain network's. "
                + "With --model biovil or biovil-t: the folder with its image model and its text folder.",
            HelpName = "PATH",
        };
        var strict = new Option<bool>("--strict")
        {
            Description = "With --table: stop at the first picture that cannot be read, instead of answering the other rows.",
        };
        var command = new Command("predict",
            "Find a phrase in a picture: print its box in pixels with a confidence, or what BioViL says of it.")
        {
            image, phrase, table, images, overlay, colors, json, from, strict,
        };
        var tasks = new TaskOptions().AddTo(command);
        var rivals = new RivalOptions().AddTo(command);
        var configuration = new ConfigurationOptions().AddTo(command).AddConstraint(command);
        command.SetAction(parsed =>
        {
            var rival = rivals.Read(parsed, parsed.GetValue(from));
            var task = tasks.Read(parsed, rival is null && !rivals.IsCnn(parsed), overlay, table);
            var cases = task.Task != SampleTask.Refer && parsed.GetValue(table) is null && parsed.GetValue(image) is { } single
                ? [tasks.Case(parsed, task, single, parsed.GetValue(phrase))]
                : Cases(task, parsed.GetValue(image), parsed.GetValue(phrase), parsed.GetValue(table), parsed.GetValue(images),
                    mayBeEmpty: rival is not null);
            if (parsed.GetValue(overlay) is null)
                parsed.Refuse("is the colour of the boxes in --overlay, which is not given; name its file, or leave this out", colors);
            var chosen = parsed.GetValue(colors) is { } color
                ? OverlayColors.Parse($"white,{color}") : new OverlayColors(Prediction: "#f1c40f");
            using var world = new SingleProcess();
            using var interrupt = new Interrupt("nothing more is answered.", losesNothing: true);
            using var display = new TerminalDisplay();
            string NameOf(string target, int number, string id, string ending) => parsed.GetValue(table) is null ? target
                : Path.Combine(target, $"{number + 1:0000}-{string.Concat(id.Select(c => NotInNames.Contains(c) ? '_' : c))}{ending}");
            if (rival is not null)
            {
                parsed.Refuse("restricts the words of our own model, and a map has none; leave it out",
                    configuration.All.Where(option => option.Name == "--constrain"));
                if (rival.Threshold is null) parsed.Refuse("is the colour of the box, which only --threshold gives; add it", colors);
                var (map, drawing) = (parsed.GetValue(rivals.HeatMap), parsed.GetValue(overlay));
                foreach (var file in (string?[])[map, drawing])
                    if (parsed.GetValue(table) is null && Directory.Exists(file))
                        throw new InputException($"{file}: is a folder; name a file to write.");
                RivalPrediction.Draw draw = (number, answer, picture, values) =>
                {
                    if (map is not null) HeatMap.Write(NameOf(map, number, answer.Asked.Id, ".npy"), values, answer.Height, answer.Width);
                    if (drawing is not null)
                        MapOverlay.Write(NameOf(drawing, number, answer.Asked.Id, ".png"), picture, values, answer.Place.Box,
                            answer.Box is { } box ? [box] : [], chosen);
                };
                foreach (var answer in RivalPrediction.Execute(configuration.Read(parsed), cases, rival, world, display,
                    (map ?? drawing) is null ? null : draw, interrupt.Token))
                    Terminal.Standard.Print(parsed.GetValue(json) ? answer.ToJson() : cases.Count == 1 ? answer.ToText()
                        : $"{answer.Asked.Id}  {answer.ToText()}");
                return ExitCode.Success;
            }

            var isCnn = rivals.IsCnn(parsed);
            if (isCnn) parsed.Refuse("restricts words, and the plain network has none; leave it out",
                configuration.All.Where(option => option.Name == "--constrain"));
            var (settings, isBase) = (configuration.ReadOf(parsed, parsed.GetValue(from), isCnn), parsed.GetValue(from) == "base");
            if (isCnn && isBase)
                throw new InputException("--from base: the plain network has no base weights; name its training, or leave it out.");
            TaskOptions.Check(task, settings.Eval);
            var session = new Session(settings, world, display, needsBase: !isCnn, interrupt.Token);
            var isTable = parsed.GetValue(table) is not null;
            var (shown, broken) = (0, 0);
            PredictionRun.Execute(session, cases, new EvaluationOptions
            {
                Split = Split.Test, // no split is asked
                Cnn = isCnn,
                From = isBase ? null : parsed.GetValue(from),
                FromBase = isBase,
                Isolate = isTable && !parsed.GetValue(strict),
            }, Show);
            return broken == 0 ? ExitCode.Success : ExitCode.Failure;

            (string Json, string Text, IReadOnlyList<Box> Boxes) Read(PredictionCase asked, Prediction prediction)
            {
                if (task.Task == SampleTask.Refer)
                {
                    var answer = AnswerLine.Read(prediction, settings.Eval.BoxReading);
                    return (answer.ToJson(), answer.ToText(), answer.Boxes);
                }

                var other = TaskAnswer.Read(task, asked.Box, prediction, settings.Eval.BoxReading);
                return (other.ToJson(), other.ToText(), other.Boxes);
            }

            void Show(PredictionCase asked, Prediction prediction)
            {
                shown++;
                if (prediction.BrokenPicture is { } reason)
                {
                    broken++;
                    Terminal.Standard.Message($"{asked.Place}: '{ForeignText.Quote(Privacy.Mask(asked.Id))}' is not answered: {reason}");
                    return;
                }

                var (line, text, boxes) = Read(asked, prediction);
                Terminal.Standard.Print(parsed.GetValue(json) ? line : cases.Count == 1 ? text
                    : $"{ForeignText.Quote(prediction.Id)}  {text}");
                if (parsed.GetValue(overlay) is not { } target) return;
                Overlay.WriteOne(
                    NameOf(target, shown - 1, prediction.Id, ".png"), prediction.Image, [], boxes, chosen, settings.Data.Dicom);
            }
        });
        return command;
    }

    private static IReadOnlyList<PredictionCase> Cases(
        TaskPrompt task, string? image, string? phrase, string? table, string? images, bool mayBeEmpty)
    {
        if (table is not null && (image ?? phrase) is null)
            return images is null ? PredictionCase.ReadTable(table, Path.GetDirectoryName(Path.GetFullPath(table))!, task)
                : [.. PredictionCase.ReadTable(table, images, task).Select(row => Inside(new ImageRoot(images), row))];
        if (table is not null || images is not null)
            throw new InputException("Say what to find where in one way: --image FILE --phrase TEXT, or --table CSV, "
                + "with --images FOLDER if the pictures are elsewhere.");
        if (image is null || phrase is null || (!mayBeEmpty && string.IsNullOrWhiteSpace(phrase)))
            throw new InputException("Say what to find where: --image FILE --phrase TEXT, or --table CSV.");
        if (PhraseLimit.Problem(phrase) is { } tooLong)
            throw new InputException($"--phrase: {tooLong}; write what to find in fewer words.");
        return [new PredictionCase("1", image, phrase)];
    }

    private static PredictionCase Inside(ImageRoot images, PredictionCase row)
    {
        var path = images.Find(Path.GetFullPath(row.Image), out var problem);
        if (problem is null) return row.Image.Contains("..", StringComparison.Ordinal) ? row with { Image = path } : row;
        throw new InputException(
            $"{row.Place}: the image is refused ({problem}); it must be a file in {images.Folder}, which --images names, or below it.");
    }
}
