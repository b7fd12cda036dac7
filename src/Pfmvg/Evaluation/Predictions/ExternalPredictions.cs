using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>Reads answers in any of the supported forms: predictions.jsonl, COCO results, or a folder of heat maps.</summary>
public static class ExternalPredictions
{
    /// <summary>Reads what the path names: a folder of .npy files, a .json list of COCO results, or JSON Lines.</summary>
    /// <exception cref="InputException">The path is none of these, or its content does not fit the truth.</exception>
    public static IReadOnlyList<Prediction> Read(string path, ReadOptions? options = null)
    {
        options ??= new ReadOptions();
        if (Directory.Exists(path)) return ReadHeatMaps(path, options);
        return Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".json" => ReadCocoResults(path, options, Results(path)),
            ".csv" or ".tsv" or ".xlsx" => throw new InputException($"{path}: CSV is not read; write one JSON object per line "
                + "(predictions.jsonl), or COCO results as one list in a .json file."),
            ".npy" or ".npz" => throw new InputException(
                $"{path}: heat maps are given as a folder with one <sample id>.npy each, or by 'heatmap' in a .jsonl file."),
            _ => IsCocoLines(path) ? ReadCocoResults(path, options, JsonInput.Lines(path)) : PredictionFile.Read(path, options),
        };
    }

    private static IEnumerable<JsonInput> Results(string path)
    {
        var file = JsonInput.File(path);
        return file.Element.ValueKind == JsonValueKind.Array ? file.Elements()
            : throw file.Wrong("COCO results are a JSON list; a file of one object per line is named .jsonl");
    }

    /// <summary>COCO results one a line, as pandas writes records: the first line has COCO's fields and none of ours.</summary>
    private static bool IsCocoLines(string path) => 
        JsonInput.Lines(path).FirstOrDefault() is { Element.ValueKind: JsonValueKind.Object } first
        && first.Find("image_id") is not null && first.Find("category_id") is not null && first.Find("bbox") is not null
        && first.Find("id", "ann_id", "annotation_id", "image", "dicom_id") is null;

    /// <summary>
    /// COCO's list [{"image_id", "category_id", "bbox": [x, y, w, h], "score"}]; an "annotation_id" or "label_text" may
    /// name the phrase.
    /// </summary>
    private static IReadOnlyList<Prediction> ReadCocoResults(string path, ReadOptions options, IEnumerable<JsonInput> lines)
    {
        var truth = options.Truth ?? throw new InputException(
            $"{path}: COCO results hold no truth; name the file with the true boxes with --truth.");
        // What COCO's results are by definition.
        var coordinates = (options.Coordinates ?? new Coordinates(null, BoxLayout.Xywh)).In(options.Frame);
        var byId = truth.Questions.ToDictionary(question => question.Id, IdComparer.Instance);
        var byClass = truth.Questions.ToLookup(question => (question.Image, question.Class));
        Dictionary<string, List<(IReadOnlyList<double> Numbers, double Score)>> found = [];
        Dictionary<(string Image, string Class), Prediction> nowhere = [];
        var (shared, unasked, elsewhere) = (0, 0, 0);
        foreach (var result in lines)
        {
            var numbers = result.Numbers("bbox") is { Count: 4 } four
                ? four : throw result.Wrong("'bbox' must have 4 numbers: x, y, width, height");
            var score = result.Numbers("score") is { Count: 1 } one ? one[0] : throw result.Wrong("'score' must be one number");
            score = PredictionFile.Confidence(score, "score", result);
            var questions = Questions(result);
            if (questions is [{ Truth.Count: 0 }]) unasked++;
            if (questions.Count == 0) elsewhere++;
            if (questions.Select(question => question.Phrase).Distinct().Count() > 1) shared++;
            foreach (var question in questions)
            {
                if (!found.TryGetValue(question.Id, out var list)) found.Add(question.Id, list = []);
                list.Add((numbers, score));
            }
        }

        if (elsewhere > 0) options.Note($"{elsewhere} results are of pictures outside the split; they are left out.");
        if (unasked > 0)
            options.Note($"{unasked} results are of a picture and class that has no phrase: false positives in map50, as for COCO; "
                + "other protocols leave them out.");
        if (shared > 0) options.Note($"{shared} results belong to several phrases of one picture and class; each phrase got them all.");
        var check = new CoordinateCheck(path);
        IReadOnlyList<Prediction> answered =
            [.. truth.Questions.Concat(nowhere.Values).Select(question => Answered(question, found.GetValueOrDefault(question.Id) ?? []))];
        if (!options.TrustCoordinates) check.ThrowIfImplausible();
        return answered;

        List<Prediction> Questions(JsonInput result)
        {
            if (result.Text("annotation_id", "ann_id") is { } id)
                return byId.TryGetValue(id, out var one) ? [one] : throw result.Wrong($"the truth has no annotation '{id}'");
            var image = Known("image_id", truth.Images);
            var name = Known("category_id", truth.Categories);
            var phrase = result.Text("label_text", "phrase");
            List<Prediction> asked = [.. byClass[(image, name)].Where(question => phrase is null || question.Phrase == phrase)];
            if (asked.Count > 0) return asked;
            if (!nowhere.TryGetValue((image, name), out var none))
            {
                if (truth.Nowhere(image, name) is not { } made) return [];
                nowhere.Add((image, name), none = made);
            }

            return [none];

            string Known(string key, IReadOnlyDictionary<string, string> names) =>
                names.TryGetValue(result.Text(key) ?? throw result.Wrong($"'{key}' is missing"), out var value) ? value
                    : throw result.Wrong($"the truth has no {key} {result.Text(key)}"
                        + (names.Count == 0 ? "; COCO results need the truth in COCO's form, too (.json)" : ""));
        }

        Prediction Answered(Prediction question, List<(IReadOnlyList<double> Numbers, double Score)> results)
        {
            var (boxes, scores) = PredictionFile.BestFirst(
                results.ConvertAll(r => coordinates.ToPixels(r.Numbers, question.Width, question.Height)),
                results.ConvertAll(r => r.Score),
                options.MinimumConfidence);
            if (results.Count > 0) check.Add(question, results.MaxBy(r => r.Score).Numbers, coordinates);
            return question with { Boxes = boxes, Confidence = scores, BoxCoordinates = coordinates };
        }
    }

    /// <summary>One map per phrase, named after a sample of the phrase, or after its picture if that has no other phrase.</summary>
    private static List<Prediction> ReadHeatMaps(string folder, ReadOptions options)
    {
        var truth = options.Truth ?? throw new InputException(
            $"{folder}: heat maps hold no truth; name the file with the true boxes with --truth.");
        var files = Directory.EnumerateFiles(folder, "*.npy").ToDictionary(file => Path.GetFileNameWithoutExtension(file));
        if (files.Count == 0) throw new InputException($"{folder}: holds no .npy file; heat maps are named <sample id>.npy.");
        var phrases = truth.Questions.GroupBy(p => p.PhraseKey).Select(same => same.ToList()).ToList();
        var alone = phrases.CountBy(phrase => QuestionIndex.ImageKey(phrase[0].Image)).Where(pair => pair.Value == 1)
            .Select(pair => pair.Key).ToHashSet();
        List<Prediction> answered = [];
        HashSet<string> used = [];
        foreach (var phrase in phrases)
        {
            var picture = QuestionIndex.ImageKey(phrase[0].Image);
            var names = phrase.Select(question => question.Id).Concat(alone.Contains(picture) ? [picture] : []).Where(files.ContainsKey)
                .ToList();
            used.UnionWith(names);
            if (names.Count == 0 && phrase.Exists(question => question.Truth.Count > 0) && !options.AllowMissing)
                throw new InputException($"{folder}: the sample '{phrase[0].Id}' has no {phrase[0].Id}.npy; " +
                    "add it, or count it as a failure with --allow-missing.");
            answered.Add(QuestionIndex.Merge(phrase) with { HeatMap = names.Count > 0 ? files[names[0]] : null });
        }

        return files.Keys.FirstOrDefault(name => !used.Contains(name)) is not { } extra ? answered
            : throw new InputException($"{folder}: {extra}.npy belongs to no sample of the truth; maps are named <sample id>.npy.");
    }
}
