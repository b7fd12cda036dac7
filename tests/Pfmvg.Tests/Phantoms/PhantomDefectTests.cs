using System.Text.Json.Nodes;
using Pfmvg.Data.Sets;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using SkiaSharp;

namespace Pfmvg.Tests.Phantoms;

public class PhantomDefectTests
{
    [Fact]
    public void Every_kind_of_defect_is_planted_and_listed()
    {
        using var parent = new TemporaryFolder();
        var folder = parent.In("study");
        var options = new PhantomOptions { Seed = 4, Patients = 40, ImageWidth = 96, ImageHeight = 112, Defects = true };
        var summary = PhantomStudy.Write(folder, options, cancellationToken: TestContext.Current.CancellationToken);
        var planted = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "planted-defects.json")))!.AsArray()
            .Select(d => (Kind: (string)d!["kind"]!, File: (string)d["file"]!, Id: (string)d["id"]!)).ToList();
        Assert.Equal(summary.Defects, planted.Count);
        Assert.Equal(planted.Count, planted.Distinct().Count());
        Assert.Equal(
            [
                "box-empty", "box-normalised", "box-not-a-number", "box-outside", "box-swapped", "caption-cut", "caption-emptied",
                "contradicting-target", "duplicate-phrase", "empty-report", "missing-picture", "missing-report",
                "patient-crosses-splits", "size-mismatch", "unreadable-picture",
            ],
            planted.Select(d => d.Kind).Distinct().Order(StringComparer.Ordinal));

        foreach (var (kind, file, _) in planted)
        {
            var path = Path.Combine(folder, file);
            Assert.Equal(kind is not ("missing-picture" or "missing-report"), File.Exists(path));
            if (kind == "unreadable-picture") Assert.True(!Decodes(path), file);
        }

        var rows = File.ReadAllLines(Path.Combine(folder, "ms-cxr/MS_CXR_Local_Alignment_v1.1.0.csv"))[1..].Select(line => line.Split(','))
            .ToList();
        AssertBroken("box-empty", cells => cells[5] == "0");
        AssertBroken("box-swapped", cells => cells[5].StartsWith('-') && cells[6].StartsWith('-'));
        AssertBroken("box-normalised", cells => cells[3..7].All(value => value.StartsWith("0.", StringComparison.Ordinal)));
        AssertBroken("box-not-a-number", cells => cells[3] == "NaN");
        AssertBroken("box-outside", cells => double.TryParse(cells[3], out var x) && double.TryParse(cells[5], out var w) && w >= 0
            && x + w > int.Parse(cells[7]));
        AssertBroken("duplicate-phrase", cells => rows.Count(other => other.SequenceEqual(cells)) == 2);
        AssertBroken("contradicting-target",
            cells => rows.Any(other => other[9] == cells[9] && other[1] == cells[1] && other[0] != cells[0]));
        JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "ms-cxr/MS_CXR_Local_Alignment_v1.1.0.json")));

        // The pictures that the defect is listed for have it, and no others.
        void AssertBroken(string kind, Func<string[], bool> isBroken) =>
            Assert.Equal(planted.Where(d => d.Kind == kind).Select(d => d.Id), rows.Where(isBroken).Select(cells => cells[9]).Distinct());
    }

    [Fact]
    public void A_sound_study_has_no_caption_that_normalisation_cuts_or_empties()
    {
        using var parent = new TemporaryFolder();
        var folder = parent.In("study");
        var options = new PhantomOptions { Seed = 5, Patients = 60, ImageWidth = 64, ImageHeight = 64 };
        PhantomStudy.Write(folder, options, cancellationToken: TestContext.Current.CancellationToken);
        Assert.False(File.Exists(Path.Combine(folder, "planted-defects.json")));
        var captions = Directory.EnumerateFiles(folder, "captions.txt", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(folder, "caption_prediction_*.csv", SearchOption.AllDirectories))
            .SelectMany(File.ReadLines).Select(line => line.Split('\t')[1]);
        var reports = Directory.EnumerateFiles(Path.Combine(folder, "mimic-cxr-jpg/files"), "s*.txt", SearchOption.AllDirectories)
            .Select(report => ReportSections.Extract(File.ReadAllText(report)));
        Assert.All(captions.Concat(reports).Select(text => CaptionNormalizer.Normalize(text)),
            caption => Assert.True(!caption.Cut && caption.Text.Length > 0, caption.Text));
    }

    [Fact]
    public void Too_few_patients_for_all_defects_are_wrong_input()
    {
        using var parent = new TemporaryFolder();
        Assert.Throws<InputException>(() => PhantomStudy.Write(
            parent.In("study"), new() { Patients = 10, Defects = true }, cancellationToken: TestContext.Current.CancellationToken));
    }

    private static bool Decodes(string path)
    {
        using var codec = SKCodec.Create(path);
        if (codec is null) return false;
        using var bitmap = new SKBitmap(codec.Info);
        return codec.GetPixels(bitmap.Info, bitmap.GetPixels()) == SKCodecResult.Success;
    }
}
