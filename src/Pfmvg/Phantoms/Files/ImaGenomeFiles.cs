using System.Globalization;
using System.Text.Json.Nodes;
using Pfmvg.Geometry;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>Chest ImaGenome's scene graphs, splits and gold boxes. Its regions are the phantom's findings, by their classes.</summary>
internal static class ImaGenomeFiles
{
    private static readonly string[] Columns = ["subject_id", "study_id", "dicom_id", "path", "ViewPosition"];

    public static void Write(string folder, List<(BoxedPicture Picture, List<BoxedFinding> Findings)> pictures)
    {
        var gold = pictures.Where(picture => picture.Picture.Patient % 10 == 9).ToList();
        foreach (var (name, split) in new[] { ("train", "train"), ("valid", "validation"), ("test", "test") }) // a small one may be empty
            DelimitedText.Write(Path.Combine(folder, "silver_dataset", "splits", name + ".csv"), ',', Columns,
                pictures.Where(picture => picture.Picture.Split == split).Select(picture => Row(picture.Picture)));
        DelimitedText.Write(Path.Combine(folder, "silver_dataset", "splits", "images_to_avoid.csv"), ',', Columns,
            gold.Select(picture => Row(picture.Picture)));
        foreach (var (picture, findings) in pictures)
        {
            var objects = Regions(findings).Select(region => new JsonObject
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
            gold.SelectMany(picture => Regions(picture.Findings).Select(region => new[]
            {
                picture.Picture.Image.Id + ".dcm", region.Name, Number(region.Box.Left), Number(region.Box.Top), Number(region.Box.Right),
                Number(region.Box.Bottom),
            })));
    }

    /// <summary>One box for each name, as every region occurs once in a picture.</summary>
    private static IEnumerable<(string Name, Box Box)> Regions(List<BoxedFinding> findings) => findings
        .Select(finding => (Finding.NameOf(finding.Finding.Class).ToLowerInvariant(), finding.Boxes[0])).DistinctBy(region => region.Item1);

    private static string[] Row(BoxedPicture picture)
    {
        var path = picture.Image.Path.Split('/');
        return [path[2][1..], path[3][1..], picture.Image.Id, Path.ChangeExtension(picture.Image.Path, ".dcm"), "PA"];
    }

    private static string Number(double value) => value.ToString(CultureInfo.InvariantCulture);
}
