using System.Text;
using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Tables;

/// <summary>An answer to another task than the place of a phrase, for people and for programs.</summary>
/// <param name="Task">What was asked.</param>
/// <param name="Asked">The place that was asked about; null for none.</param>
/// <param name="Line">The answer with its boxes.</param>
/// <param name="Text">The answer's words, and its phrases with boxes.</param>
/// <param name="Reading">How numbers on the grid are read.</param>
internal sealed record TaskAnswer(TaskPrompt Task, Box? Asked, AnswerLine Line, GroundedText Text, BoxReading Reading)
{
    /// <summary>Reads an answer.</summary>
    public static TaskAnswer Read(TaskPrompt task, Box? asked, Prediction prediction, BoxReading reading) =>
        new(task, asked, AnswerLine.Read(prediction, reading), GroundedText.Parse(prediction.Answer ?? ""), reading);

    /// <summary>The boxes to draw: those of the answer, or the place that was asked about.</summary>
    public IReadOnlyList<Box> Boxes => Asked is { } box ? [box] : Line.Boxes;

    /// <summary>One line of JSON, with the answer as the model wrote it and as it was read.</summary>
    public string ToJson()
    {
        var prediction = Line.Prediction;
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, JsonOutput.Line))
        {
            json.WriteStartObject();
            json.WriteString("id", prediction.Id);
            json.WriteString("image", prediction.Image);
            json.WriteString("task", Task.Name);
            if (Task.HasText) json.WriteString("phrase", prediction.Phrase);
            if (Asked is { } box) json.WriteBoxes("box", [box], edge => Math.Round(edge, 2));
            json.WriteNumber("width", prediction.Width);
            json.WriteNumber("height", prediction.Height);
            json.WriteString("answer", prediction.Answer);
            json.WriteString("text", Text.Plain);
            if (Task.AnswersBoxes)
            {
                json.WriteBoxes("boxes", Line.Boxes, edge => Math.Round(edge, 2));
                json.WriteStartArray("phrases");
                foreach (var (phrase, boxes) in Text.Phrases)
                {
                    json.WriteStartObject();
                    json.WriteString("phrase", phrase);
                    json.WriteBoxes("boxes", Sound(boxes), edge => Math.Round(edge, 2));
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteString("coordinates", "pixels-xyxy");
                if (Line.Confidence is null) json.WriteNull("confidence");
                else json.WriteConfidence(Line.Confidence);
                if (Line.Flaw == Flaw.None) json.WriteNull("failure");
                else json.WriteString("failure", ScoreGrid.Label(Line.Flaw));
            }

            if (prediction.Dicom is { } rule) json.WriteString("dicom", rule);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>The answer in words.</summary>
    public string ToText() => Task.Task switch
    {
        SampleTask.Detection => Line.ToText(),
        _ when string.IsNullOrWhiteSpace(Text.Plain) => "the model answers without a word",
        SampleTask.Grounding => string.Join('\n', [Shown(Text.Plain), .. Text.Phrases.Select(found => FormattableString.Invariant(
            $"  {Shown(found.Phrase)}: {Sound(found.Boxes).Count} boxes")
            + string.Concat(Sound(found.Boxes).Select(box => FormattableString.Invariant(
                $"; left {box.Left:0.#}, top {box.Top:0.#}, right {box.Right:0.#}, bottom {box.Bottom:0.#}"))))]),
        _ => Shown(Text.Plain),
    };

    private List<Box> Sound(IReadOnlyList<GridBox> boxes) => [.. boxes.Where(box => box.Flaw == Flaw.None)
        .Select(box => box.ToPixels(Line.Prediction.Width, Line.Prediction.Height, sortAndClamp: false, Reading))];

    // A model that was taught nothing writes anything, also what moves a terminal's cursor.
    private static string Shown(string text) =>
        string.Concat(text.Select(c => char.IsControl(c) ? FormattableString.Invariant($"\\u{(int)c:x4}") : $"{c}"));
}
