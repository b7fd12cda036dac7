using System.Globalization;
using System.Text.Json;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>The questions that another program answered, with their truth.</summary>
/// <param name="Questions">One per true box, as MS-CXR lists them; none has an answer.</param>
/// <param name="Images">Path of the picture of each COCO image identifier; empty for other files.</param>
/// <param name="Categories">Class of each COCO category identifier; empty for other files.</param>
public sealed record TruthSet(
    IReadOnlyList<Prediction> Questions, IReadOnlyDictionary<string, string> Images, IReadOnlyDictionary<string, string> Categories)
{
    /// <summary>A question without truth for each picture and class that a COCO file has no box of: results there are wrong.</summary>
    internal Func<string, string, Prediction?> Nowhere { get; init; } = (_, _) => null;
}

/// <summary>Reads true boxes: MS-CXR (JSON or CSV), COCO, a prepared manifest, or a predictions file (its answers are ignored).</summary>
public static class TruthFile
{
    private static readonly Dictionary<string, string> None = [];

    /// <summary>Reads the file by its extension: .json is COCO or MS-CXR, .csv is MS-CXR, .jsonl one sample per line.</summary>
    /// <param name="path">The file.</param>
    /// <param name="split">Keeps only samples of this split, where the file names splits (MS-CXR from 1.1.0 does).</param>
    /// <exception cref="InputException">
    /// The file is not one of these or names no splits, a box is impossible, or nothing is left.
    /// </exception>
    public static TruthSet Read(string path, string? split = null)
    {
        var part = split is null ? (Split?)null : SplitNames.Find(split)
            ?? throw new InputException($"There is no split '{split}'; use train, validate or test.");
        var truth = Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".json" => ReadCoco(path, part),
            ".csv" or ".gz" => new TruthSet(ReadCsv(path, part), None, None),
            ".jsonl" => part is null ? new TruthSet(ReadLines(path), None, None) : throw NoSplits(path),
            var other => throw new InputException(
                $"{path}: true boxes are read from .json (COCO, MS-CXR), .csv (MS-CXR) or .jsonl, not from '{other}'."),
        };
        foreach (var question in truth.Questions)
            if (PhraseLimit.Problem(question.Phrase) is { } tooLong)
                throw new InputException($"{path}: of the sample '{Privacy.Mask(question.Id)}' {tooLong}; leave it out.");
        return truth.Questions.Count > 0 ? truth
            : throw new InputException($"{path}: holds no true box{(split is null ? "" : $" in the split '{split}'")}.");
    }

    private static InputException NoSplits(string path) => new($"{path}: names no splits, so that none can be chosen; leave "
        + "--truth-split out, or name the file of the split alone.");

    private static List<Prediction> ReadLines(string path)
    {
        List<Prediction> questions = [];
        Dictionary<string, string> places = new(IdComparer.Instance);
        foreach (var line in JsonInput.Lines(path))
        {
            questions.Add(ReadLine(line, emptyTruth: true, "truth", "boxes"));
            if (!places.TryAdd(questions[^1].Id, line.Place))
                throw line.Wrong($"the id '{questions[^1].Id}' stands at {places[questions[^1].Id]}, too; identifiers must be unique");
        }

        return questions;
    }

    /// <summary>One sample of a manifest or predictions file.</summary>
    /// <param name="line">The line.</param>
    /// <param name="emptyTruth">Whether a phrase may have no box, as in a manifest.</param>
    /// <param name="truthNames">What the true boxes may be called; in a predictions file "boxes" are the predicted ones.</param>
    internal static Prediction ReadLine(JsonInput line, bool emptyTruth, params ReadOnlySpan<string> truthNames)
    {
        int Number(string name) => line.Integer(name) ?? throw line.Wrong($"'{name}' is missing");
        string Text(params ReadOnlySpan<string> names) => line.Text(names) ?? throw line.Wrong($"'{names[0]}' is missing");

        var boxes = line.Quadruples(truthNames)
            ?? throw line.Wrong("has no 'truth'; add it, or name the file with the true boxes with --truth");
        var (width, height) = Size(line, Number("width"), Number("height"));
        var image = Text("image");
        if (PhraseLimit.Problem(Text("phrase", "label_text", "text")) is { } tooLong) throw line.Wrong($"{tooLong}; leave it out");
        return new Prediction
        {
            Id = Text("id", "ann_id", "annotation_id"),
            Image = image,
            Class = Text("class", "category_name"),
            Phrase = Text("phrase", "label_text", "text"),
            Width = width,
            Height = height,
            Truth = emptyTruth && boxes.Count == 0 ? []
                : TrueBoxes(line, boxes.Select(n => new Box(n[0], n[1], n[2], n[3])), width, height),
            Patient = line.Text("patient") ?? ListedSample.Owner(image).Patient,
            Synthetic = line.Find("synthetic") is { ValueKind: JsonValueKind.True },
            Traits = Traits.Of(line),
        };
    }

    private static TruthSet ReadCoco(string path, Split? split)
    {
        var file = CocoFile.Read(path);
        if (file.Annotations.Count == 0)
            throw new InputException($"{path}: has no 'annotations'; true boxes are read from COCO's or MS-CXR's form {{images, "
                + "annotations, categories}.");
        if (split is not null && file.Annotations.All(annotation => (annotation.Split ?? file.ImageOf(annotation).Split) is null))
            throw NoSplits(path);
        var ranks = file.Images.OrderBy(image => Number(image.Key)).ThenBy(image => image.Key, StringComparer.Ordinal)
            .Select((image, rank) => (image.Key, rank)).ToDictionary(pair => pair.Key, pair => pair.rank, IdComparer.Instance);
        List<Prediction> questions = [];
        Dictionary<(string Image, string Class), List<Box>> crowds = [];
        foreach (var annotation in file.Annotations)
        {
            var place = new JsonInput(default, annotation.Place);
            var image = file.ImageOf(annotation);
            if (split is not null && (annotation.Split ?? image.Split) is { } part && part != split) continue;
            var (width, height) = Size(new JsonInput(default, image.Place), image.Width ?? 0, image.Height ?? 0);
            var name = file.Categories.GetValueOrDefault(annotation.Category)
                ?? throw place.Wrong($"'category_id' {annotation.Category} is not among the file's categories");
            var box = annotation.Box ?? throw place.Wrong("'bbox' must have 4 numbers: x, y, width, height");
            if (annotation.IsCrowd)
            {
                var key = (ImagePath(image), name);
                if (!crowds.TryGetValue(key, out var list)) crowds.Add(key, list = []);
                list.Add(box);
                continue;
            }

            questions.Add(Question(image, ranks[annotation.Image], name) with
            {
                Id = annotation.Id ?? throw place.Wrong("'id' is missing"),
                Phrase = annotation.Text ?? name,
                Truth = TrueBoxes(place, [box], width, height),
            });
        }

        var byPath = file.Images.GroupBy(image => ImagePath(image.Value)).ToDictionary(same => same.Key, same => same.First());
        return new TruthSet(
            [.. questions.Select(question => question with { Crowds = crowds.GetValueOrDefault((question.Image, question.Class)) ?? [] })],
            file.Images.ToDictionary(image => image.Key, image => ImagePath(image.Value), IdComparer.Instance), file.Categories)
        {
            Nowhere = (image, name) => split is not null && byPath[image].Value.Split != split ? null
                : Question(byPath[image].Value, ranks[byPath[image].Key], name) with
            {
                Crowds = crowds.GetValueOrDefault((image, name)) ?? [],
            },
        };

        static double Number(string id) => double.TryParse(id, CultureInfo.InvariantCulture, out var number) ? number : double.MaxValue;

        static string ImagePath(CocoImage image) =>
            image.Path ?? throw new InputException($"{image.Place}: has neither 'path' nor 'file_name'.");

        static Prediction Question(CocoImage image, int rank, string name) => new()
        {
            Id = $"{ImagePath(image)}: {name}",
            Image = ImagePath(image),
            Class = name,
            Phrase = name,
            Width = image.Width ?? 0,
            Height = image.Height ?? 0,
            Truth = [],
            Patient = ListedSample.Owner(ImagePath(image)).Patient,
            Rank = rank,
        };
    }

    private static List<Prediction> ReadCsv(string path, Split? split)
    {
        var rows = new MsCxrReader(path).Read().ToList();
        if (split is not null && rows.TrueForAll(listed => listed.Split is null)) throw NoSplits(path);
        return [.. rows.Where(listed => split is null || listed.Split is null || listed.Split == split).Select(listed =>
        {
            var place = new JsonInput(default, listed.Place);
            var (width, height) = Size(place, listed.Width ?? 0, listed.Height ?? 0);
            return new Prediction
            {
                Id = listed.Id,
                Image = listed.Image,
                Class = listed.Class ?? "",
                Phrase = listed.Text,
                Width = width,
                Height = height,
                Truth = TrueBoxes(place, listed.Boxes, width, height),
                Patient = listed.Patient,
            };
        })];
    }

    private static (int, int) Size(JsonInput place, int width, int height) =>
        width > 0 && height > 0 ? (width, height)
            : throw place.Wrong($"the picture's size of {width} x {height} pixels is missing or impossible");

    /// <summary>True boxes, checked: at least one, and each as <see cref="BoxRules"/> wants it.</summary>
    private static List<Box> TrueBoxes(JsonInput place, IEnumerable<Box> boxes, int width, int height)
    {
        var list = boxes.ToList();
        if (list.Count == 0) throw place.Wrong("has no true box; a question needs at least one");
        foreach (var box in list)
            if (BoxRules.Problem(box, width, height) is { } problem) throw place.Wrong(problem);
        return list;
    }
}
