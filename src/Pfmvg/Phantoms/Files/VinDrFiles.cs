using System.Globalization;
using Pfmvg.Geometry;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>VinDr-CXR's `annotations/annotations_{train,test}.csv`: three readers a training picture.</summary>
internal static class VinDrFiles
{
    private static readonly string[] Columns = ["image_id", "rad_id", "class_name", "x_min", "y_min", "x_max", "y_max"];

    public static void Write(string folder, List<(BoxedPicture Picture, List<BoxedFinding> Findings)> pictures)
    {
        foreach (var part in pictures.GroupBy(picture => picture.Picture.Split == "test" ? "test" : "train"))
        {
            var rows = part.SelectMany(picture => part.Key == "test" ? Rows(picture.Picture, null, picture.Findings)
                : Enumerable.Range(0, 3).SelectMany(reader => Rows(picture.Picture, reader, picture.Findings)));
            DelimitedText.Write(Path.Combine(folder, "annotations", $"annotations_{part.Key}.csv"), ',',
                part.Key == "test" ? [.. Columns.Where(column => column != "rad_id")] : Columns, rows);
        }
    }

    private static IEnumerable<string[]> Rows(BoxedPicture picture, int? reader, List<BoxedFinding> findings)
    {
        string[] whose = reader is null ? [picture.Image.Id] : [picture.Image.Id, $"R{8 + reader}"];

        // The third reader misses every picture's last finding, and each draws a little differently.
        var seen = reader == 2 ? findings.SkipLast(1).ToList() : findings;
        if (seen.Count == 0) yield return [.. whose, "No finding", "", "", "", ""];
        var (width, height) = (picture.Image.Picture.Width, picture.Image.Picture.Height);
        foreach (var finding in seen)
            foreach (var box in finding.Boxes.Select(box => box.Move(reader ?? 0, 0).Intersect(new Box(0, 0, width, height))))
                yield return
                [
                    .. whose, Finding.NameOf(finding.Finding.Class),
                    .. new[] { box.Left, box.Top, box.Right, box.Bottom }.Select(edge => edge.ToString(CultureInfo.InvariantCulture)),
                ];
    }
}
