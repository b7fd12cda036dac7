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
        RespectNullableAnnotations = true,
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
        foreach (var line in JsonInput.Lines(path, "prepare the data again with 'pfmvg data prepare', or put the line right"))
        {
            var sample = line.Read<Sample>(Options);
            if (!ids.Add(sample.Id)) throw line.Wrong("the id occurs twice");
            if (sample.Task != task)
                throw line.Wrong($"the task is '{sample.Task.ToString().ToLowerInvariant()}' in a manifest for "
                + $"'{task.ToString().ToLowerInvariant()}'");
            if (ImageRoot.WrongName(sample.Image) is { } wrong) throw line.Wrong(wrong);
            if (sample.Width <= 0 || sample.Height <= 0) throw line.Wrong($"the picture's size is {sample.Width} x {sample.Height}");
            if (sample.Text.Length == 0) throw line.Wrong("the text is empty");
            if (task == SampleTask.Refer && PhraseLimit.Problem(sample.Text) is { } tooLong) throw line.Wrong(tooLong);
            if (task == SampleTask.Refer && line.Find("boxes") is null)
                throw line.Wrong("there is no list 'boxes', which is empty where a phrase has no box");
            if (sample.Boxes.Select(box => BoxRules.Problem(box, sample.Width, sample.Height))
                .FirstOrDefault(problem => problem is not null) is { } badBox) throw line.Wrong(badBox);
            yield return sample;
        }
    }

    private sealed class BoxConverter : JsonConverter<Box>
    {
        public override Box Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
        {
            var box = JsonElement.ParseValue(ref reader);
            return box.ValueKind == JsonValueKind.Array && box.GetArrayLength() == 4
                && box.EnumerateArray().All(edge => edge.ValueKind == JsonValueKind.Number)
                    ? new Box(box[0].GetDouble(), box[1].GetDouble(), box[2].GetDouble(), box[3].GetDouble())
                    : throw new JsonException("is no list of four numbers");
        }

        public override void Write(Utf8JsonWriter writer, Box value, JsonSerializerOptions options)
        {
            writer.WriteStartArray();
            foreach (var edge in (ReadOnlySpan<double>)[value.Left, value.Top, value.Right, value.Bottom]) writer.WriteNumberValue(edge);
            writer.WriteEndArray();
        }
    }
}
