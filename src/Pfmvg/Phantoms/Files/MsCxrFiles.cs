using System.Globalization;
using System.Text.Json.Nodes;
using Pfmvg.Geometry;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>One box of MS-CXR, as one row of its CSV.</summary>
internal sealed record BoxAnnotation(FindingClass Class, string Text, PlannedImage Image, Box Box, string Split)
{
    /// <summary>Width of the picture according to the annotation.</summary>
    public int Width { get; init; } = Image.Picture.Width;

    /// <summary>Height of the picture according to the annotation.</summary>
    public int Height { get; init; } = Image.Picture.Height;
}

/// <summary>MS-CXR's annotation files: releases 1.0.0 and 1.1.0 (which has splits), each as CSV and COCO-like JSON.</summary>
internal static class MsCxrFiles
{
    public static void Write(string folder, IReadOnlyList<BoxAnnotation> annotations)
    {
        foreach (var (version, splits) in (ReadOnlySpan<(string, bool)>)[("1.0.0", false), ("1.1.0", true)])
        {
            var name = Path.Combine(folder, $"MS_CXR_Local_Alignment_v{version}");
            string[] header = ["category_name", "label_text", "path", "x", "y", "w", "h", "image_width", "image_height", "dicom_id"];
            DelimitedText.Write(name + ".csv", ',', splits ? [.. header, "split"] : header, annotations.Select(a => Row(a, splits)));
            AtomicFile.WriteText(name + ".json", Coco(annotations, version, splits).ToJsonString(new() { WriteIndented = true }) + "\n");
        }
    }

    private static string[] Row(BoxAnnotation a, bool splits)
    {
        string[] row =
        [
            Finding.NameOf(a.Class), a.Text, Listed(a.Image),
            Number(a.Box.Left), Number(a.Box.Top), Number(a.Box.Width), Number(a.Box.Height), Number(a.Width), Number(a.Height), a.Image.Id,
        ];
        return splits ? [.. row, a.Split] : row;
    }

    /// <summary>The path as MS-CXR has it, whose lists are of MIMIC-CXR-JPG whatever edition lies there.</summary>
    private static string Listed(PlannedImage image) => Path.ChangeExtension(image.Path, ".jpg");

    private static JsonObject Coco(IReadOnlyList<BoxAnnotation> annotations, string version, bool splits)
    {
        var names = Enum.GetValues<FindingClass>().Select(Finding.NameOf).Order(StringComparer.Ordinal).ToList();
        var categories = names.Select((name, index) =>
            new JsonObject { ["id"] = index + 1, ["name"] = name, ["supercategory"] = "finding" });
        var images = new JsonArray();
        var boxes = new JsonArray();
        foreach (var (index, group) in annotations.GroupBy(a => a.Image.Id).Index())
        {
            var first = group.First();
            images.Add(new JsonObject
            {
                ["id"] = index + 1,
                ["file_name"] = first.Image.Id + ".jpg",
                ["path"] = Listed(first.Image),
                ["width"] = first.Width,
                ["height"] = first.Height,
                ["num_annotations"] = group.Count(),
            });
            foreach (var a in group)
            {
                var box = new JsonObject
                {
                    ["id"] = boxes.Count + 1,
                    ["image_id"] = index + 1,
                    ["category_id"] = names.IndexOf(Finding.NameOf(a.Class)) + 1,
                    ["bbox"] = new JsonArray(Json(a.Box.Left), Json(a.Box.Top), Json(a.Box.Width), Json(a.Box.Height)),
                    ["area"] = Json(a.Box.Width * a.Box.Height),
                    ["iscrowd"] = 0,
                    ["label_text"] = a.Text,
                };
                if (splits) box["split"] = a.Split;
                boxes.Add(box);
            }
        }

        return new()
        {
            ["info"] = new JsonObject
            {
                ["description"] = "Phantom study in the layout of MS-CXR; synthetic, no patient data",
                ["version"] = version,
            },
            ["licenses"] = new JsonArray(),
            ["categories"] = new JsonArray([.. categories]),
            ["images"] = images,
            ["annotations"] = boxes,
        };
    }

    private static JsonValue? Json(double value) => double.IsFinite(value) ? JsonValue.Create(value) : null;

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);
}
