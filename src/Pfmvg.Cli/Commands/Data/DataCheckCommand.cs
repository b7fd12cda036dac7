using System.CommandLine;
using System.Text.Json;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Data.Checks;
using Spectre.Console;

namespace Pfmvg.Cli.Commands.Data;

/// <summary>`pfmvg data check`: finds what is wrong with data sets before time is spent on them.</summary>
internal static class DataCheckCommand
{
    private const int Warnings = 3;

    public static Command Create()
    {
        var json = new Option<string?>("--json")
        {
            Description = "Also write everything as JSON, including patient and study numbers.",
            HelpName = "FILE",
        }.Writes(PathKind.File);
        var pixels = new Option<bool>("--pixels")
        {
            Description = $"Decode every picture, also of data sets with more than {DataCheck.EveryPixelUpTo} samples, of whose files only "
                + "the headers and ends are read otherwise.",
        };
        var tokenizer = new Option<string?>("--tokenizer")
        {
            Description = "LLaMA's tokenizer.model, to count the tokens of the texts.",
            HelpName = "FILE",
        };
        var answer = new Option<int>("--max-answer-tokens")
        {
            Description = "With --tokenizer: longest answer in training; captions and boxes that it would cut are counted.",
            DefaultValueFactory = _ => CheckOptions.UsualAnswerTokens,
            HelpName = "N",
        }.Between(1, 1 << 16);
        var split = new SplitOption("The split that 'data prepare' will be given, by which patients in two splits are judged. Default: "
            + "each list's own must hold.");
        var examples = new Option<int>("--examples")
        {
            Description = "Number of examples to print of each finding.",
            DefaultValueFactory = _ => 3,
        }.Between(0, int.MaxValue);
        var ids = new Option<bool>("--show-ids") { Description = "Print patient and study numbers instead of hiding them." };
        var strict = new Option<bool>("--strict")
        {
            Description = $"Exit with {Warnings} when there are warnings but no errors.",
        };
        var command = new Command("check",
            $"Find out what is wrong with data sets. Exit code: 0, or {ExitCode.WrongInput} when there are errors.")
        {
            json, pixels, split.Option, tokenizer, answer, examples, ids, strict,
        };
        var sources = new DataSourceOptions().AddTo(command);
        var dicom = new DicomOption().AddTo(command);
        var truncated = new TruncatedOption().AddTo(command);
        command.SetAction(parsed =>
        {
            using var interrupt = new Interrupt("nothing is reported.", losesNothing: true);
            var (rule, list) = split.Read(parsed);
            if (parsed.GetValue(tokenizer) is null)
                parsed.Refuse("counts tokens, which needs --tokenizer; name its file, or leave this out", answer);
            var options = new CheckOptions
            {
                Split = rule,
                SplitFile = list,
                Sources = sources.Read(parsed),
                Dicom = dicom.Read(parsed),
                TruncatedPictures = truncated.Read(parsed),
                EveryPixel = parsed.GetValue(pixels),
                Tokenizer = parsed.GetValue(tokenizer),
                MaxAnswerTokens = parsed.GetValue(answer),
            };
            var report = DataCheck.Run(options, new DataProgress(), interrupt.Token);
            Terminal.Standard.Live("");
            foreach (var set in report.Sets) Print(set);
            Print(report, parsed.GetValue(examples), parsed.GetValue(ids));
            if (parsed.GetValue(json) is { } file) AtomicFile.WriteText(file, JsonSerializer.Serialize(report, JsonOutput.Readable) + "\n");
            return report.Worst switch
            {
                FindingLevel.Error => ExitCode.WrongInput,
                FindingLevel.Warning when parsed.GetValue(strict) => Warnings,
                _ => ExitCode.Success,
            };
        });
        return command;
    }

    private static void Print(SetReport set)
    {
        var table = new Table().Border(TableBorder.Simple).Title(set.Source, Style.Plain).AddColumn("")
            .AddColumn(new TableColumn("found").RightAligned()).AddColumn(new TableColumn("whole set").RightAligned());
        foreach (var count in set.Counts.Concat(set.Classes.Select(name => name with { What = "phrases of " + name.What })))
            table.AddRow(Markup.Escape(ForeignText.Quote(count.What)), Units.Count(count.Count),
                count.Expected is { } expected ? Units.Count(expected) : "");
        var text = set.Text;
        table.AddRow("texts with \"left\"", Units.Count(text.Left), "");
        table.AddRow("texts with \"right\"", Units.Count(text.Right), "");
        table.AddRow("texts with \"both\", \"bilateral\"", Units.Count(text.Both), "");
        table.AddRow("words of a text: median, 95 %, longest", $"{text.Words.Median}, {text.Words.Percentile95}, {text.Words.Longest}", "");
        if (text.Tokens is { } tokens)
            table.AddRow("tokens of a text: median, 95 %, longest", $"{tokens.Median}, {tokens.Percentile95}, {tokens.Longest}", "");
        Terminal.Standard.Print(table);
        var pictures = set.EveryPixel ? "every picture was decoded"
            : "of the pictures, the headers and ends were read (--pixels decodes them)";
        Terminal.Standard.Print($"  read from {string.Join(", ", set.Files)}; {pictures}");
    }

    private static void Print(CheckReport report, int examples, bool showIds)
    {
        Terminal.Standard.Print("");
        foreach (var finding in report.Findings)
        {
            Terminal.Standard.Print(
                $"{finding.Level.ToString().ToLowerInvariant(),-8}{finding.Source}: {finding.Kind} ({Units.Count(finding.Count)})");
            foreach (var example in finding.Cases.Take(examples))
            {
                var id = example.Place.Contains(example.Id, StringComparison.Ordinal) ? "" : example.Id;
                var line = string.Join(": ", new[] { example.Place, id, example.Detail }.Where(part => part.Length > 0));
                Terminal.Standard.Print("          " + ForeignText.Quote(showIds ? line : Privacy.Mask(line)));
            }
        }

        Terminal.Standard.Print($"{Cases(FindingLevel.Error)} errors, {Cases(FindingLevel.Warning)} warnings");

        string Cases(FindingLevel level) =>
            Units.Count(report.Findings.Where(finding => finding.Level == level).Sum(finding => finding.Count));
    }
}
