using System.Text;
using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Rivals;

namespace Pfmvg.Runs;

/// <summary>What a rival says of a phrase in a picture.</summary>
/// <param name="Asked">The question.</param>
/// <param name="Rival">Who was asked.</param>
/// <param name="Width">Width of the picture in pixels.</param>
/// <param name="Height">Its height.</param>
/// <param name="Map">The map on the model's grid.</param>
/// <param name="Place">Where the grid lies in the picture.</param>
/// <param name="Threshold">What a box was asked for with; null for none.</param>
/// <param name="Box">The largest region above the threshold; null when nothing is above it, or without one.</param>
internal sealed record RivalAnswer(
    PredictionCase Asked, Rival Rival, int Width, int Height, PhraseMap Map, MapPlace Place, double? Threshold, Box? Box)
{
    /// <summary>The map at the picture's size; NaN outside of the crop.</summary>
    /// <param name="memory">Taken for it where it has its size.</param>
    public float[] FullMap(float[]? memory = null) => Place.Enlarge(Map.Values, Map.Rows, Map.Columns, Width, Height, memory);

    /// <summary>The highest value of the grid and the middle of its place, in pixels of the picture.</summary>
    public (double Value, double X, double Y) Peak
    {
        get
        {
            var at = Array.IndexOf(Map.Values, Map.Values.Max());
            var (row, column) = Math.DivRem(at, Map.Columns);
            return (Map.Values[at], Place.Left + (column + 0.5) * Place.Side / Map.Columns,
                Place.Top + (row + 0.5) * Place.Side / Map.Rows);
        }
    }

    /// <summary>
    /// One line of JSON: id, image, phrase, width, height, model, global_similarity, peak {value, x, y}, crop (the map's place),
    /// grid (rows, columns), threshold, boxes (null without a threshold), coordinates.
    /// </summary>
    public string ToJson()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, JsonOutput.Line))
        {
            json.WriteStartObject();
            json.WriteString("id", Asked.Id);
            json.WriteString("image", Asked.Image);
            json.WriteString("phrase", Asked.Phrase);
            json.WriteNumber("width", Width);
            json.WriteNumber("height", Height);
            json.WriteString("model", BioVilFiles.Name(Rival));
            json.WriteNumber("global_similarity", Math.Round(Map.GlobalSimilarity, 6));
            json.WriteStartObject("peak");
            json.WriteNumber("value", Math.Round(Peak.Value, 6));
            json.WriteNumber("x", Math.Round(Peak.X, 2));
            json.WriteNumber("y", Math.Round(Peak.Y, 2));
            json.WriteEndObject();
            json.WriteStartArray("crop");
            foreach (var edge in (ReadOnlySpan<int>)[Place.Left, Place.Top, Place.Left + Place.Side, Place.Top + Place.Side])
                json.WriteNumberValue(edge);
            json.WriteEndArray();
            json.WriteStartArray("grid");
            json.WriteNumberValue(Map.Rows);
            json.WriteNumberValue(Map.Columns);
            json.WriteEndArray();
            if (Threshold is { } threshold)
            {
                json.WriteNumber("threshold", threshold);
                json.WriteBoxes("boxes", Box is { } box ? [box] : []);
            }
            else
            {
                json.WriteNull("threshold");
                json.WriteNull("boxes");
            }

            json.WriteString("coordinates", "pixels-xyxy");
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }

    /// <summary>The same in words.</summary>
    public string ToText()
    {
        var (value, x, y) = Peak;
        var text = FormattableString.Invariant(
            $"global similarity {Map.GlobalSimilarity:0.000}; peak {value:0.000} at x {x:0.#}, y {y:0.#} pixels");
        return Threshold is not { } threshold ? text : Box is not { } box
            ? FormattableString.Invariant($"{text}; no region above {threshold}")
            : FormattableString.Invariant(
                $"{text}; box left {box.Left}, top {box.Top}, right {box.Right}, bottom {box.Bottom} pixels")
                + FormattableString.Invariant($" (largest region above {threshold}: our rule, not the authors')");
    }
}
