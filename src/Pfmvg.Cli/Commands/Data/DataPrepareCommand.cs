using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Cli.Commands.Data;

/// <summary>`pfmvg data prepare`: turns data sets as downloaded into one folder of manifests.</summary>
internal static class DataPrepareCommand
{
    public static Command Create()
    {
        var output = new Option<string>("--out", "-o") { Description = "Folder for the manifests.", HelpName = "FOLDER", Required = true }
            .Writes(PathKind.Folder);
        var split = new SplitOption("Split of MS-CXR, and of sets of phrases that have none of their own: 'ratio' (7:1:2 of the patients), "
            + "'official' (MS-CXR 1.1.0), or a CSV file with the columns patient and split. Default: ratio, where "
            + "the official split has no patient in two parts.");
        var seed = new Option<long>("--seed") { Description = "Seed of the 'ratio' split.", DefaultValueFactory = _ => 42 }.Whole();
        var boxes = new Option<string>("--boxes")
        {
            Description = "A phrase with several boxes becomes one sample per box, as published ('per-box'), or one sample with all boxes "
                + "('per-phrase').",
            DefaultValueFactory = _ => "per-phrase",
        }.AcceptOnlyFromAmong("per-box", "per-phrase");
        var bad = new Option<string>("--bad")
        {
            Description = "What to do with a broken picture or a box outside its picture: 'fail', or 'skip' the sample.",
            DefaultValueFactory = _ => "fail",
        }.AcceptOnlyFromAmong("fail", "skip");
        var allowLeak = new Option<bool>("--allow-leak")
        {
            Description = "Keep patients of MS-CXR's validation and test splits in MIMIC-CXR's captions.",
        };
        var keepDuplicates = new Option<bool>("--keep-duplicates") { Description = "Keep the pictures that ROCO and ImageCLEF share." };
        var views = new Option<string>("--views")
        {
            Description = "Views of MIMIC-CXR: 'frontal' (AP and PA) or 'all'.",
            DefaultValueFactory = _ => "frontal",
        }.AcceptOnlyFromAmong("frontal", "all");
        var onlyWithBoxes = new Option<bool>("--only-with-boxes")
        {
            Description = "Leave out phrases without a box, which training cannot teach.",
        };
        var noHash = new Option<bool>("--no-hash")
        {
            Description = "Do not hash the pictures: this is faster, but shared pictures are not found.",
        };
        var command = new Command("prepare", "Turn data sets as downloaded into manifests for training and evaluation.")
        {
            output, split.Option, seed, boxes, bad, allowLeak, keepDuplicates, views, onlyWithBoxes, noHash,
        };
        var sources = new DataSourceOptions().AddTo(command);
        var dicom = new DicomOption().AddTo(command);
        var truncated = new TruncatedOption().AddTo(command);
        command.SetAction(parsed =>
        {
            using var interrupt = new Interrupt("the prepared data stay as they were.");
            var (rule, file) = split.Read(parsed);
            var options = new PrepareOptions
            {
                Output = Path.GetFullPath(parsed.GetValue(output)!),
                Sources = sources.Read(parsed),
                Dicom = dicom.Read(parsed),
                TruncatedPictures = truncated.Read(parsed),
                Seed = parsed.GetValue(seed),
                Split = rule ?? SplitRule.Ratio,
                OfficialMustHold = rule is null,
                SplitFile = file,
                MultiBox = parsed.GetValue(boxes) == "per-phrase" ? MultiBox.PerPhrase : MultiBox.PerBox,
                OnlyWithBoxes = parsed.GetValue(onlyWithBoxes),
                Bad = parsed.GetValue(bad) == "skip" ? BadSamples.Skip : BadSamples.Fail,
                AllowLeak = parsed.GetValue(allowLeak),
                KeepDuplicates = parsed.GetValue(keepDuplicates),
                AllViews = parsed.GetValue(views) == "all",
                Hash = !parsed.GetValue(noHash),
            };
            var report = DataPreparation.Run(options, new DataProgress(), interrupt.Token);
            Terminal.Standard.Live("");
            Print(report, options, [.. parsed.Tokens.Select(token => token.Value)]);
            return ExitCode.Success;
        });
        return command;
    }

    private static void Print(PrepareReport report, PrepareOptions options, IReadOnlyList<string> words)
    {
        var folder = options.Output;
        (string Name, Func<SourceCounts, long> Count)[] columns =
        [
            ("listed", c => c.Listed), ("kept", c => c.Kept), ("missing", c => c.Missing), ("wrong", c => c.Bad),
            ("no text", c => c.WithoutText), ("other view", c => c.OtherView), ("leak", c => c.Leak),
            ("duplicate", c => c.Duplicate), ("no split", c => c.Unassigned),
        ];
        GridPrinter.Print(new TextGrid("What became of each data set", ["data set", .. columns.Select(column => column.Name)],
            [.. report.Sources.Select(pair => (IReadOnlyList<string>)
                [pair.Key, .. columns.Select(column => Units.Count(column.Count(pair.Value)))])], []));
        foreach (var example in report.Sources.Values.SelectMany(counts => counts.Examples.Take(3)))
            Terminal.Standard.Message($"left out: {example}");
        foreach (var note in report.Notes) Terminal.Standard.Message($"note: {note}");
        foreach (var (file, count) in report.Samples)
            Terminal.Standard.Print($"{Path.Combine(folder, file)}  {Units.Count(count)} samples");
        if (report.TeachesNoBox && !report.Samples.ContainsKey("caption.train.jsonl"))
        {
            Terminal.Standard.Message("note: the training split has phrases without a box, which training refuses.");
            Terminal.Standard.Message($"Next: {ShellWords.Join(["pfmvg", .. words, "--only-with-boxes"])}");
            return;
        }

        string[] next = report.Samples.ContainsKey("caption.train.jsonl") ? ["--stage", "1"] : ["--stage", "2", "--from", "base"];
        Terminal.Standard.Message($"Next: {ShellWords.Join(["pfmvg", "train", .. next, "--set", $"data.folder={folder}"])}");
    }
}
