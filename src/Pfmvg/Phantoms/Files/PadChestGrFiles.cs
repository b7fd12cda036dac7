using System.Globalization;
using System.Text.Json.Nodes;
using Pfmvg.Geometry;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>PadChest-GR's `grounded_reports_*.json` and `master_table.csv`.</summary>
internal static class PadChestGrFiles
{
    public static void Write(string folder, List<(BoxedPicture Picture, List<BoxedFinding> Findings)> pictures)
    {
        var reports = new JsonArray();
        var rows = new List<string[]>();
        foreach (var (picture, findings) in pictures)
        {
            var sentences = findings.Select(Abnormal).ToList();
            if (findings.TrueForAll(finding => finding.Finding.Class != FindingClass.Cardiomegaly))
                sentences.Add(Normal("The heart size is normal.", "normal"));
            reports.Add(new JsonObject
            {
                ["StudyID"] = Study(picture),
                ["ImageID"] = picture.Image.Id + ".png",
                ["findings"] = new JsonArray([.. sentences]),
            });

            // The table has a row for each sentence.
            rows.AddRange(sentences.Select(_ => new[]
                { Study(picture), picture.Image.Id + ".png", Number(70_000 + picture.Patient), picture.Split }));
        }

        AtomicFile.WriteText(Path.Combine(folder, "grounded_reports_20240819.json"),
            reports.ToJsonString(new() { WriteIndented = true }) + "\n");
        DelimitedText.Write(Path.Combine(folder, "master_table.csv"), ',', ["StudyID", "ImageID", "PatientID", "split"], rows);
    }

    private static JsonObject Abnormal(BoxedFinding finding, int index)
    {
        var label = Finding.NameOf(finding.Finding.Class).ToLowerInvariant();
        var sentence = Sentence(PhraseWriter.Capitalize(finding.Phrase) + ".", label, true);
        var (width, height) = (finding.Picture.Image.Picture.Width, finding.Picture.Image.Picture.Height);
        sentence["boxes"] = Boxes(finding.Boxes);
        if (index == 0 && finding.Picture.Patient % 4 == 0) // a second reader has seen some, and drew a little larger
            sentence["extra_boxes"] = Boxes([.. finding.Boxes
                .Select(box => new Box(box.Left - 2, box.Top - 1, box.Right + 1, box.Bottom + 2).Intersect(new Box(0, 0, width, height)))]);
        return sentence;

        JsonArray Boxes(IReadOnlyList<Box> boxes) => new([.. boxes.Select(box => box.Scale(1.0 / width, 1.0 / height))
            .Select(box => new JsonArray(box.Left, box.Top, box.Right, box.Bottom))]);
    }

    private static JsonObject Normal(string text, string label) => Sentence(text, label, false);

    private static JsonObject Sentence(string text, string label, bool abnormal) => new()
    {
        ["sentence_en"] = text,
        ["abnormal"] = abnormal,
        ["boxes"] = new JsonArray(),
        ["extra_boxes"] = new JsonArray(),
        ["labels"] = new JsonArray(label),
        ["locations"] = new JsonArray(),
        ["progression"] = null,
    };

    private static string Study(BoxedPicture picture) => $"{picture.Image.Id}_study";

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);
}
