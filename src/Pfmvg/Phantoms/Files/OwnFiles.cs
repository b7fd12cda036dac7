using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>`samples.jsonl`: a user's own list, with a phrase without a box in every picture whose heart is normal.</summary>
internal static class OwnFiles
{
    public const string List = "samples.jsonl";

    public static void Write(string folder, List<(BoxedPicture Picture, List<BoxedFinding> Findings)> pictures)
    {
        var lines = new List<string>();
        foreach (var (picture, findings) in pictures)
        {
            foreach (var finding in findings) lines.Add(Line(picture, finding.Phrase, Finding.NameOf(finding.Finding.Class), finding));
            if (findings.TrueForAll(finding => finding.Finding.Class != FindingClass.Cardiomegaly))
                lines.Add(Line(picture, "normal heart", Finding.NameOf(FindingClass.Cardiomegaly), null));
        }

        AtomicFile.WriteText(Path.Combine(folder, List), string.Concat(lines.Select((line, i) => line.Replace(
            "\"id\":\"\"", $"\"id\":\"own-{i + 1}\"", StringComparison.Ordinal) + "\n")));
    }

    private static string Line(BoxedPicture picture, string phrase, string name, BoxedFinding? finding) => new JsonObject
    {
        ["id"] = "",
        ["image"] = picture.Image.Path,
        ["phrase"] = phrase,
        ["boxes"] = new JsonArray([.. (finding?.Boxes ?? []).Select(box => new JsonArray(box.Left, box.Top, box.Right, box.Bottom))]),
        ["class"] = name,
        ["patient"] = $"patient-{picture.Patient + 1}",
        ["split"] = picture.Split,
        ["width"] = picture.Image.Picture.Width,
        ["height"] = picture.Image.Picture.Height,
    }.ToJsonString(new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}
