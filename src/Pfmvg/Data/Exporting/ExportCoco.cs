using System.Text.Json.Nodes;

namespace Pfmvg.Data.Exporting;

/// <summary>COCO's instances: one category for each phrase, and phrases without a box in a picture's `neg_category_ids`.</summary>
internal static class ExportCoco
{
    public static JsonObject Write(IReadOnlyList<(Sample Sample, string Picture)> samples)
    {
        var phrases = samples.Select(sample => sample.Sample.Text).Distinct().ToList();
        var category = phrases.Index().ToDictionary(phrase => phrase.Item, phrase => phrase.Index + 1);
        var (images, annotations) = (new JsonArray(), new JsonArray());
        foreach (var (index, picture) in samples.GroupBy(sample => sample.Picture).Index())
        {
            var first = picture.First().Sample;
            images.Add(new JsonObject
            {
                ["id"] = index + 1,
                ["file_name"] = picture.Key,
                ["width"] = first.Width,
                ["height"] = first.Height,
                ["neg_category_ids"] = new JsonArray([.. picture.Where(sample => sample.Sample.Boxes.Count == 0)
                    .Select(sample => (JsonNode)category[sample.Sample.Text]).DistinctBy(id => (int)id)]),
            });
            foreach (var (sample, _) in picture)
                foreach (var box in sample.Boxes)
                    annotations.Add(new JsonObject
                    {
                        ["id"] = annotations.Count + 1,
                        ["image_id"] = index + 1,
                        ["category_id"] = category[sample.Text],
                        ["bbox"] = new JsonArray(box.Left, box.Top, box.Width, box.Height),
                        ["area"] = box.Area,
                        ["iscrowd"] = 0,
                        ["segmentation"] = new JsonArray(),
                    });
        }

        return new JsonObject
        {
            ["info"] = new JsonObject(),
            ["licenses"] = new JsonArray(),
            ["images"] = images,
            ["annotations"] = annotations,
            ["categories"] = new JsonArray([.. phrases.Select(phrase =>
                new JsonObject { ["id"] = category[phrase], ["name"] = phrase, ["supercategory"] = "finding" })]),
        };
    }
}
