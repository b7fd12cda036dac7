using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>A user's samples as JSON Lines, imagefolder's `metadata.jsonl` or COCO; pictures' paths stay as they are written.</summary>
internal static class OwnLists
{
    private static readonly HashSet<string> Names = ["id", "image", "phrase", "boxes", "patient", "patient_id", "subject_id", "study",
        "study_id", "class", "split", "width", "height"];

    /// <summary>Objects {"image", "phrase", "boxes"}, and what <see cref="OwnRows.Common"/> knows.</summary>
    public static IEnumerable<ListedSample> Lines(string path, TextRepairs repairs, Coordinates coordinates, List<string> notes)
    {
        var respelled = new SortedSet<string>(StringComparer.Ordinal);
        foreach (var row in OwnRows.Read(path, repairs))
        {
            var sample = OwnRows.Common(row, row.Text("image"), row.Text("phrase"));
            var boxes = OwnRows.Boxes(row.Value.Member("boxes"));
            respelled.UnionWith(row.Value.EnumerateObject().Select(member => member.Name)
                .Where(name => !Names.Contains(name) && Names.Contains(name.Trim().ToLowerInvariant())));
            var listed = Size(row) is { } size ? sample with { Width = size.Width, Height = size.Height } : sample;
            yield return listed with
            {
                Boxes = boxes ?? [],
                ToPixels = coordinates is { Range: null, Layout: BoxLayout.Xyxy } && listed.Width is not null ? null
                    : (box, width, height) => coordinates.ToPixels([box.Left, box.Top, box.Right, box.Bottom], width, height),
                Problem = sample.Problem is not null ? $"{sample.Problem} (\"image\" and \"phrase\" must be texts)"
                    : boxes is null ? "\"boxes\" is no list of lists of four numbers; a phrase without a box has an empty list" : null,
            };
        }

        notes.AddRange(respelled.Select(name =>
            $"The name '{name}' in own is passed over: it must be written '{name.Trim().ToLowerInvariant()}'."));
    }

    /// <summary>Objects {"file_name", "phrase", "objects": {"bbox": [[x, y, width, height], ...]}}.</summary>
    public static IEnumerable<ListedSample> ImageFolder(string path, TextRepairs repairs)
    {
        foreach (var row in OwnRows.Read(path, repairs))
        {
            var sample = OwnRows.Common(row, row.Text("file_name"), row.Text("phrase"));
            var boxes = OwnRows.Boxes(row.Value.Member("objects") is { } objects ? objects.Member("bbox") : null);
            yield return sample with
            {
                Boxes = [.. (boxes ?? []).Select(box => Box.FromXywh(box.Left, box.Top, box.Right, box.Bottom))],
                ToPixels = AsListed,
                Problem = sample.Problem is not null ? $"{sample.Problem} (\"file_name\" and \"phrase\" must be texts)"
                    : boxes is null ? "\"objects\" has no list \"bbox\" of x, y, width, height; a phrase without a box has an empty one"
                    : null,
            };
        }
    }

    /// <summary>
    /// COCO: the annotations of one picture, class and text are one sample; the text is the class's name where an annotation has
    /// none of its own. `neg_category_ids` of a picture are phrases without a box.
    /// </summary>
    public static IEnumerable<ListedSample> Coco(string path, TextRepairs repairs, List<string> notes)
    {
        var file = CocoFile.Read(path, repairs);
        if (file.Images.Count == 0)
            throw new InputException($"{Privacy.Mask(path)}: there are no 'images' in it; COCO's form is "
                + "{images, annotations, categories}.");
        var crowds = file.Annotations.Count(annotation => annotation.IsCrowd);
        if (crowds > 0) notes.Add($"{Units.Count(crowds)} annotations of own are marked iscrowd and are left out.");
        if (file.Annotations.Exists(annotation => annotation.Text is null))
            notes.Add("Annotations of own without a phrase have the name of their category as the prompt.");
        var annotated = file.Annotations.Select(annotation => annotation.Image).ToHashSet(IdComparer.Instance);
        var silent = file.Images.Count(image => image.Value.Absent.Count == 0 && !annotated.Contains(image.Key));
        if (silent > 0)
            notes.Add($"{Units.Count(silent)} pictures of own have no annotation and no neg_category_ids: nothing is asked there.");
        foreach (var phrase in file.Annotations.Where(annotation => !annotation.IsCrowd).GroupBy(a => (a.Image, a.Category, a.Text)))
        {
            var first = phrase.First();
            var name = Category(first.Category, first.Place);
            yield return Sample(file.ImageOf(first), name, first.Text ?? name, first.Place) with
            {
                Boxes = [.. phrase.Select(annotation => annotation.Box ?? new Box(double.NaN, double.NaN, double.NaN, double.NaN))],
                Split = first.Split ?? file.ImageOf(first).Split,
            };
        }

        foreach (var image in file.Images.Values)
            foreach (var category in image.Absent)
                yield return Sample(image, Category(category, image.Place), Category(category, image.Place), image.Place);

        string Category(string id, string place) => file.Categories.GetValueOrDefault(id)
            ?? throw new InputException($"{place}: the category {id} is not among the file's categories; put the file right.");

        static ListedSample Sample(CocoImage image, string name, string text, string place) => new()
        {
            Id = "",
            Image = image.Path ?? "",
            Text = text.Trim(),
            Place = place,
            Width = image.Width,
            Height = image.Height,
            Class = name,
            Patient = image.Patient,
            Split = image.Split,
            Problem = image.Path is null ? "the picture has no 'file_name'" : null,
        };
    }

    private static Box AsListed(Box box, int width, int height) => box;

    private static (int Width, int Height)? Size(JsonItem row) =>
        (Pixels(row, "width"), Pixels(row, "height")) is ({ } width, { } height) ? (width, height) : null;

    private static int? Pixels(JsonItem row, string name) =>
        row.Value.Member(name) is { ValueKind: JsonValueKind.Number } value && value.TryGetInt32(out var pixels) && pixels > 0
            ? pixels : null;
}
