using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Data.Files;

/// <summary>A manifest file: one <see cref="Sample"/> per line as JSON, boxes as [left, top, right, bottom] in original pixels.</summary>
public static class Manifest
{
    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        AllowDuplicateProperties = false,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower), new BoxConverter() },
    };

    /// <summary>The file name of a task and split, for example `refer.train.jsonl`.</summary>
    public static string FileName(SampleTask task, Split split) => $"{task}.{split}.jsonl".ToLowerInvariant();

    /// <summary>One line without its line end.</summary>
    public static byte[] Write(Sample sample) => JsonSerializer.SerializeToUtf8Bytes(sample, Options);

    /// <summary>Reads and checks a manifest.</summary>
    /// <param name="path">The file.</param>
    /// <param name="task">What its samples must be for.</param>
    /// <exception cref="InputException">The file is missing, or a line is no JSON, lacks a field or makes no sense.</exception>
    public static IEnumerable<Sample> Read(string path, SampleTask task)
    {
        var ids = new HashSet<string>();
        foreach (var line in DataFile.Lines(path))
        {
            if (string.IsNullOrWhiteSpace(line.Text)) continue;
            Sample? sample;
            try
            {
                sample = JsonSerializer.Deserialize<Sample>(line.Text, Options);
            }
            catch (JsonException e)
            {
                throw Bad($"not a sample: {Reason(e)}");
            }

            if (sample is null) throw Bad("not a sample");
            foreach (var (name, value) in new[]
                { ("id", sample.Id), ("image", sample.Image), ("text", sample.Text), ("source", sample.Source) })
                if (value is null) throw Bad($"'{name}' is null");
            if (!ids.Add(sample.Id)) throw Bad("the id occurs twice");
            if (sample.Task != task)
                throw Bad($"the task is '{sample.Task.ToString().ToLowerInvariant()}' in a manifest for "
                + $"'{task.ToString().ToLowerInvariant()}'");
            if (ImageRoot.WrongName(sample.Image) is { } wrong) throw Bad(wrong);
            if (sample.Width <= 0 || sample.Height <= 0) throw Bad($"the picture's size is {sample.Width} x {sample.Height}");
            if (sample.Text.Length == 0) throw Bad("the text is empty");
            if (task == SampleTask.Refer && PhraseLimit.Problem(sample.Text) is { } tooLong) throw Bad(tooLong);
            if (sample.Boxes is null
                || task == SampleTask.Refer && sample.Boxes.Count == 0 && !line.Text.Contains("\"boxes\"", StringComparison.Ordinal))
                throw Bad("there is no list 'boxes', which is empty where a phrase has no box");
            if (sample.Boxes.Select(box => BoxRules.Problem(box, sample.Width, sample.Height))
                .FirstOrDefault(problem => problem is not null) is { } badBox) throw Bad(badBox);
            yield return sample;

            InputException Bad(string what) =>
                new($"{Privacy.Mask(path)}:{line.Number}: {what}; "
                + "prepare the data again with 'pfmvg data prepare', or put the line right.");
        }
    }

    /// <summary>The library's message without the offending value, which may be patient text.</summary>
    private static string Reason(JsonException e) => e.Message.Contains("missing required properties", StringComparison.Ordinal)
        ? e.Message.TrimEnd('.')
        : e.Message.Contains("uplicate propert", StringComparison.Ordinal) ? "a name stands twice"
        : $"no valid JSON at byte {e.BytePositionInLine + 1}"
            + (string.IsNullOrEmpty(e.Path) || e.Path == "$" ? "" : $", field {e.Path.TrimStart('$', '.')}");

    private sealed class BoxConverter : JsonConverter<Box>
    {
        public override Box Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            if (JsonSerializer.Deserialize<double[]>(ref reader, options) is not { Length: 4 } edges)
                throw new JsonException("A box has four numbers.");
            return new Box(edges[0], edges[1], edges[2], edges[3]);
        }

        public override void Write(Utf8JsonWriter writer, Box value, JsonSerializerOptions options)
        {
            writer.WriteStartArray();
            foreach (var edge in (ReadOnlySpan<double>)[value.Left, value.Top, value.Right, value.Bottom]) writer.WriteNumberValue(edge);
            writer.WriteEndArray();
        }
    }
}
