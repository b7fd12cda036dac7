using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;

namespace Pfmvg.Evaluation.Reports;

/// <summary>What goes into a report beside the scores.</summary>
public sealed record ReportOptions
{
    /// <summary>The headline, such as the run's name.</summary>
    public string Title { get; init; } = "Evaluation";

    /// <summary>Where a sample's picture is on disk; null when there is none, and the boxes are shown on an empty frame.</summary>
    public Func<Prediction, string?> ImagePath { get; init; } = _ => null;

    /// <summary>The pictures that could not be shown, when the report is written.</summary>
    internal LeftOutPictures LeftOut { get; init; } = new();

    /// <summary>How DICOM values became gray when the model saw the pictures.</summary>
    public DicomGray Dicom { get; init; } = DicomGray.Window;

    /// <summary>Puts the pictures into the report; without them no part of a patient's image is in it.</summary>
    public bool IncludeImages { get; init; } = true;

    /// <summary>Puts phrases and answers into the report; null means: with the pictures, and always for phantoms.</summary>
    public bool? IncludePhrases { get; init; }

    /// <summary>Puts sample identifiers into the report and scores.json; those of MS-CXR lead to patients.</summary>
    public bool IncludeIdentifiers { get; init; }

    /// <summary>Colours of the boxes.</summary>
    public OverlayColors Colors { get; init; } = new();

    /// <summary>Tables to show below the scores, such as those of the controls.</summary>
    public IReadOnlyList<TextGrid> Tables { get; init; } = [];

    /// <summary>Settings and hashes to list, in order: model, data, configuration.</summary>
    public IReadOnlyList<(string Name, string Value)> Settings { get; init; } = [];
}

/// <summary>Writes what an evaluation leaves in its folder.</summary>
public static class ScoreReport
{
    /// <summary>Writes scores.json, report.html and overlay.png into the folder.</summary>
    public static void WriteAll(string folder, ScoreTable table, ReportOptions? options = null)
    {
        options ??= new ReportOptions();
        AtomicFile.Write(Path.Combine(folder, "scores.json"), stream => ScoreJson.Write(stream, table, options.IncludeIdentifiers));
        HtmlReport.Write(Path.Combine(folder, "report.html"), table, options);
        if (options.IncludeImages)
            Overlay.WriteSheet(
                Path.Combine(folder, "overlay.png"), table, options.ImagePath, 8, options.Colors, options.Dicom, options.LeftOut);
    }
}
