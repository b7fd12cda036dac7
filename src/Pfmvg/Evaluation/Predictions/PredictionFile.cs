using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>How to read predictions that another program wrote.</summary>
public sealed record ReadOptions
{
    /// <summary>The questions with their truth; null when every line of the file carries its own.</summary>
    public TruthSet? Truth { get; init; }

    /// <summary>What the numbers of the boxes mean; null when the file says so itself or answers in text.</summary>
    public Coordinates? Coordinates { get; init; }

    /// <summary>The size of the resized picture that boxes in pixels belong to; null for the original picture.</summary>
    public PictureFrame? Frame { get; init; }

    /// <summary>The split of the truth that is asked; null for all of it. <see cref="TruthFile.Read"/> chooses it.</summary>
    internal string? TruthSplit { get; init; }

    /// <summary>Counts a question without an answer as a failure that scores 0 instead of refusing the file.</summary>
    public bool AllowMissing { get; init; }

    /// <summary>Boxes with less confidence are dropped before anything is scored.</summary>
    public double MinimumConfidence { get; init; } = double.NegativeInfinity;

    /// <summary>Accepts boxes that look as if they were in other coordinates than declared.</summary>
    public bool TrustCoordinates { get; init; }

    /// <summary>Receives a line for everything that the reader left out or shared among samples.</summary>
    public Action<string> Note { get; init; } = _ => { };
}

/// <summary>predictions.jsonl: one JSON object per line, in UTF-8; docs/evaluation.md describes every field.</summary>
public static class PredictionFile
{
    /// <summary>The field of the first line of answers that are not complete.</summary>
    internal const string Unfinished = "unfinished";

    /// <summary>Writes the predictions, one line each, in the order given.</summary>
    /// <param name="path">The file; replaced atomically.</param>
    /// <param name="predictions">What to write. Boxes are written as pixels, left, top, right, bottom.</param>
    /// <param name="keepPatients">
    /// Writes patient identifiers as they are. By default they become "p1", "p2", ... in order of first appearance, which is
    /// all that the intervals need.
    /// </param>
    public static void Write(string path, IEnumerable<Prediction> predictions, bool keepPatients = false) =>
        AtomicFile.Write(path, stream => Write(stream, predictions, keepPatients));

    /// <summary>The same as <see cref="Write(string, IEnumerable{Prediction}, bool)"/>, in memory.</summary>
    internal static byte[] ToBytes(IEnumerable<Prediction> predictions, bool keepPatients)
    {
        using var stream = new MemoryStream();
        Write(stream, predictions, keepPatients);
        return stream.ToArray();
    }

    private static void Write(Stream stream, IEnumerable<Prediction> predictions, bool keepPatients)
    {
        var opaque = new Pseudonyms("p");
        foreach (var prediction in predictions)
        {
            using (var json = new Utf8JsonWriter(stream, JsonOutput.Line))
            {
                json.WriteStartObject();
                json.WriteString("id", prediction.Id);
                json.WriteString("image", prediction.Image);
                json.WriteString("class", prediction.Class);
                json.WriteString("phrase", prediction.Phrase);
                json.WriteNumber("width", prediction.Width);
                json.WriteNumber("height", prediction.Height);
                json.WriteBoxes("truth", prediction.Truth);
                if (prediction.Answer is { } answer) json.WriteString("answer", answer);
                if (prediction.Boxes is { } boxes)
                {
                    json.WriteBoxes("boxes", boxes);
                    json.WriteString("coordinates", "pixels-xyxy");
                }

                if (prediction.HeatMap is { } map) json.WriteString("heatmap", map);
                prediction.MapPlace?.Write(json);
                if (prediction.BrokenPicture is { } reason) json.WriteString("broken_picture", reason);
                if (prediction.Unanswered is { } fault) json.WriteString("unanswered", fault);
                if (prediction.Refused) json.WriteBoolean("refused", true);
                if (prediction.Sent is { } sent) json.WriteString("sent", sent.ToString());
                if (prediction.Usage is { } usage)
                {
                    json.WriteStartObject("usage");
                    json.WriteNumber("prompt_tokens", usage.Prompt);
                    json.WriteNumber("completion_tokens", usage.Completion);
                    json.WriteEndObject();
                }

                if (prediction.Confidence is { } confidence) json.WriteConfidence(confidence);
                if (prediction.Agreement is { } agreement) json.WriteNumber("agreement", Math.Round(agreement, 6));
                if (prediction.Draws is { } draws) json.WriteNumber("draws", draws);
                if (prediction.Patient is { } patient) json.WriteString("patient", keepPatients ? patient : opaque.Of(patient));
                if (prediction.Synthetic) json.WriteBoolean("synthetic", true);
                foreach (var (name, value) in prediction.Traits.Known) json.WriteString(name, value);
                json.WriteEndObject();
            }

            stream.WriteByte((byte)'\n');
        }
    }

    /// <summary>Reads predictions: our own, or another program's in the same form with the truth beside it.</summary>
    /// <exception cref="InputException">
    /// A line is malformed, or answers a sample a second time or an unknown one; a sample is missing; the picture's size
    /// differs; or there are boxes without declared coordinates.
    /// </exception>
    public static IReadOnlyList<Prediction> Read(string path, ReadOptions? options = null)
    {
        options ??= new ReadOptions();
        var questions = options.Truth is { } truth ? new QuestionIndex(truth.Questions) : null;
        var check = new CoordinateCheck(path);
        var meaning = new DeclaredCoordinates(options);
        var predictions = AnswerReadings.Apply(
            path, Read(JsonInput.Lines(path), questions, options, check, meaning, emptyTruth: false), meaning.OfLines, options);
        if (predictions.Count == 0) throw new InputException($"{path}: holds no prediction; it needs one JSON object per line.");
        foreach (var answer in predictions) ThrowIfUnmatched(path, answer);
        meaning.ThrowIfContradicted(check);
        if (!options.TrustCoordinates) check.ThrowIfImplausible();
        if (questions is null) return predictions;
        if (options.Truth!.Questions.Count(question => question.Truth.Count == 0) is > 0 and var unasked)
            options.Note($"{unasked} of {options.Truth.Questions.Count} phrases have no true box: boxes there are false positives in "
                + "map50, other protocols leave them out.");
        return questions.Complete(path, predictions, options.AllowMissing);
    }

    /// <summary>Our own predictions from memory, where there may be none, and phrases that name nothing.</summary>
    /// <param name="bytes">As <see cref="ToBytes"/> makes them.</param>
    /// <param name="name">Names them in messages.</param>
    internal static IReadOnlyList<Prediction> FromBytes(byte[] bytes, string name) =>
        Read(JsonInput.Lines(new MemoryStream(bytes), name), null, new ReadOptions(), new CoordinateCheck(name),
            new DeclaredCoordinates(new ReadOptions()), emptyTruth: true);

    private static List<Prediction> Read(
        IEnumerable<JsonInput> lines, QuestionIndex? questions, ReadOptions options, CoordinateCheck check,
        DeclaredCoordinates meaning, bool emptyTruth)
    {
        List<Prediction> predictions = [];
        Dictionary<string, string> places = new(IdComparer.Instance);
        foreach (var line in lines)
        {
            if (line.Find(Unfinished) is not null)
            {
                options.Note($"{line.Place}: the evaluation that wrote these answers is not finished; it scores what is there.");
                continue;
            }

            if (meaning.IsHeader(line)) continue;
            var question = questions is null ? TruthFile.ReadLine(line, emptyTruth, "truth") : questions.Find(line);
            var prediction = WithAnswer(question, line, meaning.Of(line), options, check);
            if (!places.TryAdd(prediction.Id, line.Place))
                throw line.Wrong($"the sample '{prediction.Id}' was already answered at {places[prediction.Id]}; keep one line per sample");
            predictions.Add(prediction);
        }

        return predictions;
    }

    /// <summary>The question with the answer of a line.</summary>
    private static Prediction WithAnswer(
        Prediction question, JsonInput line, Coordinates? coordinates, ReadOptions options, CoordinateCheck check)
    {
        var numbers = line.Quadruples("boxes", "box", "bbox", "bbox_2d");
        var (answer, map) = (PhraseLimit.Cut(line.Text("answer", "output")), line.Text("heatmap"));
        var given = (answer is null ? 0 : 1) + (numbers is null ? 0 : 1) + (map is null ? 0 : 1);
        if (given > 1) throw line.Wrong("has more than one of 'answer', 'boxes' and 'heatmap'; leave the one to be scored");
        var broken = given == 0 ? line.Text("broken_picture") : null;
        var unanswered = given == 0 ? line.Text("unanswered") : null;
        if (given == 0 && (broken ?? unanswered) is null && !options.AllowMissing)
            throw line.Wrong("has none of 'answer', 'boxes' and 'heatmap'; an empty answer is written \"\" or [], " +
                "and --allow-missing counts it as a failure");

        var confidence = line.Numbers("confidence", "score", "scores");
        if (confidence?.All(double.IsNaN) == true) confidence = null; // [null]: there is a box, and how sure it is nobody knows
        confidence = confidence is null ? null : [.. confidence.Select(value => Confidence(value, "confidence", line))];
        if (numbers is not null && confidence is not null && numbers.Count != confidence.Count)
            throw line.Wrong($"has {numbers.Count} boxes and {confidence.Count} confidences; give one for each box");
        if (numbers is { Count: > 0 } && coordinates is null)
            throw line.Wrong($"has boxes{(line.Find("bbox_2d") is null ? "" : " (bbox_2d: Qwen writes pixels or 0..1000)")}, "
                + $"but nothing says what their numbers mean; declare it with --coordinates, one of {string.Join(", ", Coordinates.All)}");

        if (map is not null) map = MapBeside(check.Path, map, line);
        List<Box>? boxes = null;
        if (numbers is not null)
        {
            boxes = [.. numbers.Select(n => coordinates!.ToPixels(n, question.Width, question.Height))];
            if (numbers.Count > 0) check.Add(question, numbers[0], coordinates!);
            if (confidence is not null) (boxes, confidence) = BestFirst(boxes, confidence, options.MinimumConfidence);
        }

        return question with
        {
            Answer = answer, Boxes = boxes, HeatMap = map, MapPlace = MapPlace.Read(line, question.Width, question.Height),
            Confidence = confidence, Agreement = Agreement(line), Draws = Draws(line),
            BrokenPicture = broken, Unanswered = unanswered,
            Refused = answer is not null && line.Find("refused") is { ValueKind: JsonValueKind.True },
            Sent = Sent(line), Usage = Usage(line), BoxCoordinates = boxes is null ? null : coordinates,
            Traits = Traits.Of(line).Or(question.Traits),
        };
    }

    /// <summary>The path of a map. A foreign file must not make this program read what is not its own.</summary>
    private static string MapBeside(string file, string map, JsonInput line)
    {
        var path = new ImageRoot(Path.GetDirectoryName(Path.GetFullPath(file))!).Find(map, out var problem);
        return problem is null ? path
            : throw line.Wrong($"its 'heatmap' is refused ({problem}); the maps must be files in the folder of this one, or below it");
    }

    // Other programs may mean another thing by the word, but hardly by a number in 0..1.
    private static double? Agreement(JsonInput line) => line.Find("agreement") is { ValueKind: JsonValueKind.Number } value
        ? Confidence(value.GetDouble(), "agreement", line) : null;

    private static int? Draws(JsonInput line) => line.Find("draws") is { ValueKind: JsonValueKind.Number } value
        && value.TryGetInt32(out var count) ? count : null;

    private static PictureFrame? Sent(JsonInput line)
    {
        try
        {
            return line.Text("sent") is { } size ? PictureFrame.Parse(size) : null;
        }
        catch (InputException wrong)
        {
            throw new InputException($"{line.Place}, sent: {wrong.Message}", wrong);
        }
    }

    /// <summary>Tokens, if they are counted as servers do; of other programs' files nobody needs them.</summary>
    private static TokenUsage? Usage(JsonInput line)
    {
        return line.Find("usage") is { ValueKind: JsonValueKind.Object } usage && Count("prompt_tokens") is { } prompt
            && Count("completion_tokens") is { } completion ? new TokenUsage(prompt, completion) : null;

        long? Count(string name) => usage.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetInt64(out var count) ? count : null;
    }

    /// <summary>A text with boxes needs a confidence for each of them, or none.</summary>
    private static void ThrowIfUnmatched(string path, Prediction prediction)
    {
        if (prediction is not { Answer: { } answer, Confidence: { } confidence } || PhraseLimit.IsTooLong(answer)) return;
        var boxes = prediction.Reading?.Notation.Boxes(answer).Count ?? BoxCodec.Parse(answer).Boxes.Count;
        if (boxes > 0 && boxes != confidence.Count)
            throw new InputException($"{path}: the answer of the sample '{prediction.Id}' has {boxes} boxes and {confidence.Count} "
                + "confidences; give one for each box, or none.");
    }

    /// <summary>A confidence in 0..1; what float32 rounding lifts above 1 is 1.</summary>
    internal static double Confidence(double value, string name, JsonInput place) =>
        value is >= 0 and <= 1 ? value : value is > 1 and <= 1 + 1e-5 ? 1
            : throw place.Wrong(double.IsNaN(value) ? $"a {name} is null beside others that are not; give one for each box, or null for all"
                : FormattableString.Invariant($"the {name} {value} is not in 0..1"));

    /// <summary>Boxes by falling confidence (equal ones in their order), without those below the minimum.</summary>
    internal static (List<Box> Boxes, List<double> Confidence) BestFirst(
        IReadOnlyList<Box> boxes, IReadOnlyList<double> confidence, double minimum)
    {
        var order = Enumerable.Range(0, boxes.Count).Where(i => confidence[i] >= minimum).OrderByDescending(i => confidence[i]).ToList();
        return (order.ConvertAll(i => boxes[i]), order.ConvertAll(i => confidence[i]));
    }
}
