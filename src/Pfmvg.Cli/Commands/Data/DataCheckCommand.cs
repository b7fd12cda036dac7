using System.CommandLine;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;
using Spectre.Console;

namespace Pfmvg.Cli.Commands.Data;

/// <summary>`pfmvg data check`: what is wrong with data sets, before time is spent on them.</summary>
internal static class DataCheckCommand
{
    private const int Warnings = 3;

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static Command Create()
    {
        var json = new Option<string?>("--json") { Description = "Also write everything as JSON; patient and study numbers are in it.",
            HelpName = "FILE" };
        var pixels = new Option<bool>("--pixels") { Description = $"Decode every picture; without it only those of data sets of at most "
            + $"{DataCheck.EveryPixelUpTo} samples, and of others the headers and ends of the files." };
        var tokenizer = new Option<string?>("--tokenizer") { Description = "LLaMA's tokenizer.model, to give text lengths in tokens.",
            HelpName = "FILE" };
        var examples = new Option<int>("--examples") { Description = "Examples to print of each finding.", DefaultValueFactory = _ => 3 };
        var ids = new Option<bool>("--show-ids") { Description = "Print patient and study numbers instead of hiding them." };
        var strict = new Option<bool>("--strict") { Description = $"Leave with {Warnings} when there are warnings, not only with "
            + $"{ExitCode.WrongInput} when there are errors." };
        var command = new Command("check",
            $"Find out what is wrong with data sets. Exit code: 0, or {ExitCode.WrongInput} with errors.") { json, pixels, tokenizer,
            examples, ids, strict };
        var sources = new DataSourceOptions().AddTo(command);
        command.SetAction((parsed, cancel) =>
        {
            var options = new CheckOptions { Sources = sources.Read(parsed), EveryPixel = parsed.GetValue(pixels),
                Tokenizer = parsed.GetValue(tokenizer) };
            var report = DataCheck.Run(options, new DataProgress(), cancel);
            Terminal.Standard.Live("");
            foreach (var set in report.Sets) Print(set);
            Print(report, Math.Max(0, parsed.GetValue(examples)), parsed.GetValue(ids));
            if (parsed.GetValue(json) is { } file) AtomicFile.WriteText(file, JsonSerializer.Serialize(report, Json) + "\n");
            return Task.FromResult(report.Worst switch
            {
                FindingLevel.Error => ExitCode.WrongInput,
                FindingLevel.Warning when parsed.GetValue(strict) => Warnings,
                _ => ExitCode.Success,
            });
        });
        return command;
    }

    private static void Print(SetReport set)
    {
        var table = new Table().Border(TableBorder.Simple).Title(set.Source, Style.Plain).AddColumn("")
            .AddColumn(new TableColumn("found").RightAligned()).AddColumn(new TableColumn("whole set").RightAligned());
        foreach (var count in set.Counts.Concat(set.Classes.Select(name => name with { What = "phrases of " + name.What })))
            table.AddRow(Markup.Escape(count.What), Number(count.Count), count.Expected is { } expected ? Number(expected) : "");
        var text = set.Text;
        foreach (var (what, count) in new[] { ("texts with \"left\"", text.Left), ("texts with \"right\"", text.Right),
            ("texts with \"both\", \"bilateral\"", text.Both) })
            table.AddRow(what, Number(count), "");
        table.AddRow("words of a text: median, 95 %, longest", $"{text.Words.Median}, {text.Words.Percentile95}, {text.Words.Longest}", "");
        if (text.Tokens is { } tokens)
            table.AddRow("tokens of a text: median, 95 %, longest", $"{tokens.Median}, {tokens.Percentile95}, {tokens.Longest}", "");
        Terminal.Standard.Print(table);
        Terminal.Standard.Print($"  read from {string.Join(", ", set.Files)}; "
            + $"{(set.EveryPixel ? "every picture was decoded" : "of pictures, the headers and ends were read (--pixels decodes them)")}");
    }

    private static void Print(CheckReport report, int examples, bool showIds)
    {
        Terminal.Standard.Print("");
        foreach (var finding in report.Findings)
        {
            Terminal.Standard.Print($"{finding.Level.ToString().ToLowerInvariant(),-8}{finding.Source}: {finding.Kind} "
                + $"({Number(finding.Count)})");
            foreach (var example in finding.Cases.Take(examples))
            {
                var id = example.Place.Contains(example.Id, StringComparison.Ordinal) ? "" : example.Id;
                var line = string.Join(": ", new[] { example.Place, id, example.Detail }.Where(part => part.Length > 0));
                Terminal.Standard.Print("          " + (showIds ? line : Privacy.Mask(line)));
            }
        }

        Terminal.Standard.Print($"{Cases(FindingLevel.Error)} errors, {Cases(FindingLevel.Warning)} warnings");

        string Cases(FindingLevel level) => Number(report.Findings.Where(finding => finding.Level == level).Sum(finding => finding.Count));
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}

/// <summary>Shows how far a data command is; reports at once and in order, from whichever thread.</summary>
internal sealed class DataProgress : IProgress<PrepareProgress>
{
    public void Report(PrepareProgress value) =>
        Terminal.Standard.Live(string.Create(CultureInfo.InvariantCulture, $"{value.Source}: {value.Done:N0} samples"));
}
