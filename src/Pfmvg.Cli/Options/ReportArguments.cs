using System.CommandLine;
using Pfmvg.Cli.Output;
using Pfmvg.Data.Files;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;

namespace Pfmvg.Cli.Options;

/// <summary>The options of every command that writes a report.</summary>
internal sealed class ReportArguments
{
    private readonly Option<string?> _output = new Option<string?>("--out")
    {
        Description = "Write scores.json, report.html and overlay.png into this folder.",
        HelpName = "FOLDER",
    }.Writes(PathKind.Folder);
    private readonly Option<string?> _images = new("--images")
    {
        Description = "The folder that the samples' picture paths start from. Pictures outside of it are left out.",
        HelpName = "FOLDER",
    };
    private readonly Option<string?> _title = new("--title") { Description = "Headline of the report.", HelpName = "TEXT" };
    private readonly Option<bool> _noImages = new("--no-images")
    {
        Description = "Leave pictures, phrases and answers out, so that the report can be shared.",
    };
    private readonly Option<bool> _phrases = new("--with-phrases")
    {
        Description = "Keep phrases and answers in a report without pictures, and phrases in the table of --samples.",
    };
    private readonly Option<bool> _identifiers = new("--with-identifiers")
    {
        Description = "Put sample identifiers into the report and the table of --samples; those of MS-CXR identify patients.",
    };
    private readonly Option<string?> _colors = new("--colors")
    {
        Description = "Colours of the true and the predicted boxes, such as green,red or #00ff00,#ff0000. "
            + "Default: white,gray as in the paper.",
        HelpName = "TRUE,PREDICTED",
    };

    private readonly Option<string?> _samples = new Option<string?>("--samples")
    {
        Description = "Write one row per scored sample into this file, .csv or .jsonl, for R or pandas; phrases only with "
            + "--with-phrases (or of phantoms), identifiers only with --with-identifiers.",
        HelpName = "FILE",
    }.Writes(PathKind.File);

    /// <summary>All of them.</summary>
    public IEnumerable<Option> All => [_output, _samples, _images, _title, _noImages, _phrases, _identifiers, _colors];

    public void AddTo(Command command)
    {
        foreach (var option in All) command.Options.Add(option);
    }

    /// <summary>Refuses what cannot be, before anything is scored or asked.</summary>
    /// <exception cref="InputException">No such colours, or options that contradict each other.</exception>
    public void Check(ParseResult parsed)
    {
        if (parsed.GetValue(_colors) is { } colors) _ = OverlayColors.Parse(colors);
        if (parsed.GetValue(_noImages)) parsed.Refuse("shows pictures, and --no-images leaves them out; give one of them", _images);
        else if (parsed.GetValue(_samples) is null)
            parsed.Refuse("has no effect without --no-images or --samples: phrases stand beside their pictures; leave it out",
                _phrases);
        if (parsed.GetValue(_images) is { } images) _ = new ImageRoot(images);
    }

    /// <summary>Refuses what shapes a report where none is written.</summary>
    /// <exception cref="InputException">Such an option is given without --out.</exception>
    public void RequireFolder(ParseResult parsed)
    {
        if (parsed.GetValue(_output) is not null) return;
        parsed.Refuse("shapes a report, and without --out none is written; name its folder, or leave the option out",
            _images, _title, _noImages, _colors);
        if (parsed.GetValue(_samples) is not null) return;
        parsed.Refuse("shapes a report or the table of --samples, and without --out and --samples none is written; name where, or leave "
            + "the option out", _phrases, _identifiers);
    }

    /// <summary>Refuses a table of samples that could not be written, before anything is scored.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="answers">The file that is scored, which it must not replace; null where there is none.</param>
    /// <exception cref="InputException">Its name says no format, or is that of the answers.</exception>
    public void CheckSamples(ParseResult parsed, FileSystemInfo? answers)
    {
        if (parsed.GetValue(_samples) is not { } path) return;
        _ = SampleTable.IsCsv(path);
        if (answers is not null && Path.GetFullPath(path) == answers.FullName)
            throw new InputException($"--samples {path} would replace the answers that are scored; name another file.");
    }

    /// <summary>Writes the table of samples, if the user wants one, and prints where it is.</summary>
    public void WriteSamples(ParseResult parsed, IReadOnlyList<Prediction> answers, ScoredFamilies scored)
    {
        if (parsed.GetValue(_samples) is not { } path) return;
        new SampleTable(parsed.GetValue(_identifiers), parsed.GetValue(_phrases) || scored.Main.Options.Synthetic)
            .Write(path, answers, scored.Tables);
        Terminal.Standard.Message($"Samples: {path}");
    }

    /// <summary>Writes the report, if the user wants one, and prints where it is.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="table">The scores.</param>
    /// <param name="title">Headline without --title.</param>
    /// <param name="settings">Settings that the report lists.</param>
    /// <param name="dicom">How DICOM values became gray when the model saw the pictures.</param>
    /// <param name="folder">Folder without --out; null writes no report then.</param>
    /// <param name="imagePath">Finds the pictures without --images.</param>
    /// <param name="tables">Tables to show after the scores.</param>
    public void Write(ParseResult parsed, ScoreTable table, string title, IEnumerable<(string Name, string Value)> settings,
        DicomGray dicom, string? folder = null, Func<Prediction, string?>? imagePath = null, IReadOnlyList<TextGrid>? tables = null)
    {
        if ((parsed.GetValue(_output) ?? folder) is not { } output) return;
        var leftOut = new LeftOutPictures();
        var options = new ReportOptions
        {
            Title = parsed.GetValue(_title) ?? $"Evaluation of {title}",
            ImagePath = parsed.GetValue(_images) is { } root
                ? leftOut.Inside(new ImageRoot(root))
                : imagePath ?? (_ => null),
            LeftOut = leftOut,
            Dicom = dicom,
            IncludeImages = !parsed.GetValue(_noImages),
            IncludePhrases = parsed.GetValue(_phrases) ? true : null,
            IncludeIdentifiers = parsed.GetValue(_identifiers),
            Colors = parsed.GetValue(_colors) is { } colors ? OverlayColors.Parse(colors) : new OverlayColors(),
            Settings = [.. settings],
            Tables = tables ?? [],
        };
        ScoreReport.WriteAll(output, table, options);
        Terminal.Standard.Message($"Report: {Path.Combine(output, "report.html")}"
            + (options.IncludeImages ? $", overlay: {Path.Combine(output, "overlay.png")}" : ""));
        if (leftOut.Sentence is { } sentence) Terminal.Standard.Message(sentence);
    }
}
