using System.Globalization;
using System.Text.Json.Nodes;
using Pfmvg.Geometry;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>A picture with its regions.</summary>
/// <param name="Image">The picture.</param>
/// <param name="Split">train, validation or test.</param>
/// <param name="IsGold">People drew its regions.</param>
/// <param name="Regions">At most one of each name.</param>
internal sealed record RegionPicture(PlannedImage Image, string Split, bool IsGold, IReadOnlyList<(string Name, Box Box)> Regions);

/// <summary>
/// Chest ImaGenome's scene graphs, splits and gold boxes. Its regions are the phantom's findings, by their classes, or the anatomy of other
/// sets' pictures.
/// </summary>
internal static class ImaGenomeFiles
{
    private static readonly string[] Columns = ["subject_id", "study_id", "dicom_id", "path", "ViewPosition"];

    public static void Write(string folder, List<(BoxedPicture Picture, List<BoxedFinding> Findings)> pictures) => Write(folder,
        pictures.ConvertAll(one => new RegionPicture(one.Picture.Image, one.Picture.Split, one.Picture.Patient % 10 == 9,
            [.. Regions(one.Findings)])));

    public static void Write(string folder, IReadOnlyList<RegionPicture> pictures)
    {
        var gold = pictures.Where(picture => picture.IsGold).ToList();
        foreach (var (name, split) in new[] { ("train", "train"), ("valid", "validation"), ("test", "test") }) // a small one may be empty
            DelimitedText.Write(Path.Combine(folder, "silver_dataset", "splits", name + ".csv"), ',', Columns,
                pictures.Where(picture => picture.Split == split).Select(picture => Row(picture.Image)));
        DelimitedText.Write(Path.Combine(folder, "silver_dataset", "splits", "images_to_avoid.csv"), ',', Columns,
            gold.Select(picture => Row(picture.Image)));
        foreach (var picture in pictures)
        {
            var objects = picture.Regions.Select(region => new JsonObject
            {
                ["bbox_name"] = region.Name,
                ["original_x1"] = region.Box.Left,
                ["original_y1"] = region.Box.Top,
                ["original_x2"] = region.Box.Right,
                ["original_y2"] = region.Box.Bottom,
            });
            AtomicFile.WriteText(Path.Combine(folder, "silver_dataset", "scene_graph", picture.Image.Id + "_SceneGraph.json"),
                new JsonObject { ["image_id"] = picture.Image.Id, ["objects"] = new JsonArray([.. objects]) }.ToJsonString() + "\n");
        }

        DelimitedText.Write(Path.Combine(folder, "gold_dataset", "gold_bbox_coordinate_annotations_1000images.csv"), ',',
            ["image_id", "bbox_name", "original_x1", "original_y1", "original_x2", "original_y2"],
            gold.SelectMany(picture => picture.Regions.Select(region => new[]
            {
                picture.Image.Id + ".dcm", region.Name, Number(region.Box.Left), Number(region.Box.Top), Number(region.Box.Right),
                Number(region.Box.Bottom),
            })));
    }

    /// <summary>One box for each name, as every region occurs once in a picture.</summary>
    private static IEnumerable<(string Name, Box Box)> Regions(List<BoxedFinding> findings) => findings
        .Select(finding => (Finding.NameOf(finding.Finding.Class).ToLowerInvariant(), finding.Boxes[0])).DistinctBy(region => region.Item1);

    private static string[] Row(PlannedImage image)
    {
        var path = image.Path.Split('/');
        return [path[2][1..], path[3][1..], image.Id, Path.ChangeExtension(image.Path, ".dcm"), "PA"];
    }

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);
}
