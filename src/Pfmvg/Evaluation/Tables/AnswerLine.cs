using System.Text;
using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Tables;

/// <summary>An answer for people and for programs, where there is no truth to score it by.</summary>
/// <param name="Prediction">The question and the answer's text.</param>
/// <param name="Boxes">Sound boxes in original pixels, as the model wrote them.</param>
/// <param name="Confidence">A confidence for each box; null when unknown.</param>
/// <param name="Flaw">What is wrong with the answer.</param>
public sealed record AnswerLine(Prediction Prediction, IReadOnlyList<Box> Boxes, IReadOnlyList<double>? Confidence, Flaw Flaw)
{
    /// <summary>Reads an answer as the scores do.</summary>
    /// <param name="prediction">The question and the answer's text.</param>
    /// <param name="reading">How numbers on the grid of 0..100 are read.</param>
    public static AnswerLine Read(Prediction prediction, BoxReading reading = BoxReading.Written)
    {
        var read = AnswerReader.Read(prediction, AnswerRule.Raw, single: false, reading: reading);
        return new AnswerLine(prediction, read.Boxes, read.Confidence, read.Flaw);
    }

    /// <summary>
    /// One line of JSON: id, image, phrase, width, height, answer, boxes with their coordinates and confidence, failure;
    /// of drawn answers also how far they agree; of a DICOM picture also the rule by which its values became gray.
    /// </summary>
    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, JsonOutput.Line))
        {
            json.WriteStartObject();
            json.WriteString("id", Prediction.Id);
            json.WriteString("image", Prediction.Image);
            json.WriteString("phrase", Prediction.Phrase);
            json.WriteNumber("width", Prediction.Width);
            json.WriteNumber("height", Prediction.Height);
            json.WriteString("answer", Prediction.Answer);
            json.WriteBoxes("boxes", Boxes, edge => Math.Round(edge, 2));
            json.WriteString("coordinates", "pixels-xyxy");
            if (Confidence is null) json.WriteNull("confidence");
            else json.WriteConfidence(Confidence);
            if (Prediction.Agreement is { } agreement) json.WriteNumber("agreement", Math.Round(agreement, 6));
            if (Flaw == Flaw.None) json.WriteNull("failure");
            else json.WriteString("failure", ScoreGrid.Label(Flaw));
            if (Prediction.Dicom is { } rule) json.WriteString("dicom", rule);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>The boxes in words, and what is wrong with the answer.</summary>
    public string ToText()
    {
        List<string> parts = [];
        foreach (var (i, box) in Boxes.Index())
        {
            var confidence = Confidence is null ? "" : FormattableString.Invariant($", confidence {Confidence[i]:0.00}");
            parts.Add(FormattableString.Invariant(
                $"box left {box.Left:0.#}, top {box.Top:0.#}, right {box.Right:0.#}, bottom {box.Bottom:0.#} pixels{confidence}"));
        }

        if (Boxes.Count > 0 && Prediction.Agreement is { } agreement)
            parts.Add(FormattableString.Invariant($"agreement of the draws {agreement:0.00}"));
        var kind = Boxes.Count == 0 ? "no region" : "note";
        if (Flaw != Flaw.None) parts.Add($"{kind}: {ScoreGrid.Label(Flaw)}, the answer was '{Shown(Prediction.Answer)}'");
        return string.Join("; ", parts);
    }

    // A model that was taught nothing writes anything, also what moves a terminal's cursor.
    private static string Shown(string? answer) =>
        string.Concat((answer ?? "").Select(c => char.IsControl(c) ? FormattableString.Invariant($"\\u{(int)c:x4}") : $"{c}"));
}
