using System.Text;
using System.Text.Json;
using Pfmvg.Geometry;
using Pfmvg.Serving;

namespace Pfmvg.Cli.Serving.Chat;

/// <summary>
/// The boxes of an answer as JSON in original pixels, in the form of a client's schema: the only way that every client keeps. A property
/// is told by its name: boxes, box, left or x1, confidence, phrase and their like.
/// </summary>
internal sealed class JsonAnswer
{
    private const int Deepest = 24;

    private readonly JsonElement? _schema;

    private JsonAnswer(JsonElement? schema) => _schema = schema;

    /// <summary>What the body asks for; null for plain text.</summary>
    /// <exception cref="ApiError">The schema wants what an answer does not hold.</exception>
    public static JsonAnswer? Read(JsonElement body)
    {
        if (body.Member("response_format") is not { } format) return null;
        if (format.ValueKind != JsonValueKind.Object) throw ApiError.Wrong("response_format", "must be an object with a type.");
        switch (format.Text("type"))
        {
            case "text":
                return null;
            case "json_object" or "json":
                var value = format.Member("value") ?? format.Member("schema"); // as Hugging Face's client writes it
                return Checked(new JsonAnswer(value?.Clone()));
            case "json_schema" when format.Member("json_schema")?.Member("schema") is { } schema:
                return Checked(new JsonAnswer(schema.Clone()));
            case "json_schema":
                throw ApiError.Wrong("response_format", "json_schema has no schema.");
            default:
                throw ApiError.Wrong("response_format", "the type must be text, json_object or json_schema.");
        }
    }

    /// <summary>The answer as JSON.</summary>
    public string Write(ServedAnswer answer)
    {
        var line = answer.Line;
        return Write(line.Prediction.Phrase, line.Prediction.Answer ?? "", line.Prediction.Width, line.Prediction.Height,
            [.. line.Boxes.Select((box, i) => (box, line.Confidence?[i]))]);
    }

    private static JsonAnswer Checked(JsonAnswer form)
    {
        _ = form.Write("", "", 1, 1, [(new Box(0, 0, 1, 1), 1.0)]);
        return form;
    }

    private string Write(string phrase, string text, int width, int height, IReadOnlyList<(Box Box, double? Confidence)> boxes)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, ApiJson.Options))
        {
            var filler = new Filler(json, _schema ?? default, phrase, text, width, height, boxes);
            if (_schema is { } schema) filler.Fill(schema, "", null, 0);
            else filler.Plain();
        }

        return Encoding.UTF8.GetString(memory.ToArray());
    }

    private sealed class Filler(
        Utf8JsonWriter json, JsonElement root, string phrase, string text, int width, int height,
        IReadOnlyList<(Box Box, double? Confidence)> boxes)
    {
        public void Plain()
        {
            json.WriteStartObject();
            ApiJson.WriteBoxes(json, phrase, boxes);
            ApiJson.WriteSize(json, width, height);
            json.WriteEndObject();
        }

        /// <summary>Writes what a schema describes.</summary>
        /// <param name="schema">The schema.</param>
        /// <param name="name">The property's name; that of its list for an item.</param>
        /// <param name="box">The box that an item is about; null outside of lists.</param>
        /// <param name="depth">How deep in the schema.</param>
        public void Fill(JsonElement schema, string name, int? box, int depth)
        {
            schema = Resolve(schema, depth);
            switch (TypeOf(schema))
            {
                case "object":
                    json.WriteStartObject();
                    foreach (var property in Properties(schema))
                    {
                        var wanted = property.Value;
                        if (!Can(wanted, property.Name, box, depth + 1))
                        {
                            if (!Requires(schema, property.Name)) continue;
                            throw Unknown(property.Name);
                        }

                        json.WritePropertyName(property.Name);
                        Fill(wanted, property.Name, box, depth + 1);
                    }

                    json.WriteEndObject();
                    break;
                case "array":
                    FillList(schema, name, box, depth);
                    break;
                case "string":
                    json.WriteStringValue(Word(name) ?? throw Unknown(name));
                    break;
                case "boolean":
                    json.WriteBooleanValue(boxes.Count > 0);
                    break;
                case "integer":
                case "number":
                    var value = (Number(name, box) ?? throw Unknown(name))();
                    WriteNumber(TypeOf(schema) == "integer" && value is { } exact ? Math.Round(exact) : value);
                    break;
                default:
                    throw Unknown(name);
            }
        }

        private void FillList(JsonElement schema, string name, int? box, int depth)
        {
            var items = schema.Member("items") ?? schema.Member("prefixItems") switch
            {
                { ValueKind: JsonValueKind.Array } first when first.GetArrayLength() > 0 => first[0],
                _ => throw Unknown(name),
            };
            items = Resolve(items, depth);
            var whole = TypeOf(items) == "integer";
            json.WriteStartArray();
            switch (TypeOf(items))
            {
                case "array" or "object" when box is null:
                    for (var i = 0; i < boxes.Count; i++) Fill(items, name, i, depth + 1);
                    break;
                case "number" or "integer" when SchemaNames.IsConfidence(name):
                    foreach (var (_, sure) in box is { } one ? [boxes[one]] : boxes) WriteNumber(sure);
                    break;
                case "number" or "integer" when SchemaNames.IsSize(name):
                    WriteNumber(width);
                    WriteNumber(height);
                    break;
                case "number" or "integer" when box is not null || SchemaNames.IsBox(name):
                    if ((box ?? (boxes.Count > 0 ? 0 : null)) is { } at)
                        foreach (var edge in ApiJson.Edges(boxes[at].Box)) WriteNumber(whole ? Math.Round(edge) : edge);
                    break;
                case "string" when Word(name) is { } word:
                    json.WriteStringValue(word);
                    break;
                default:
                    throw Unknown(name);
            }

            json.WriteEndArray();
        }

        private bool Can(JsonElement schema, string name, int? box, int depth)
        {
            schema = Resolve(schema, depth);
            return TypeOf(schema) switch
            {
                "object" or "boolean" => true,
                "array" => true,
                "string" => schema.Member("enum") is null && Word(name) is not null,
                "number" or "integer" => Number(name, box) is not null,
                _ => false,
            };
        }

        // A reference into the schema itself, and the first way that is not null of several.
        private JsonElement Resolve(JsonElement schema, int depth)
        {
            for (var step = depth; step < Deepest; step++)
            {
                if (schema.Member("$ref") is { ValueKind: JsonValueKind.String } reference && reference.GetString() is { } path
                    && path.StartsWith('#'))
                {
                    var target = root;
                    foreach (var part in path[1..].Split('/', StringSplitOptions.RemoveEmptyEntries))
                        target = target.Member(part) ?? throw Unknown(path);
                    schema = target;
                }
                else if ((schema.Member("anyOf") ?? schema.Member("oneOf") ?? schema.Member("allOf"))
                    is { ValueKind: JsonValueKind.Array } ways
                    && ways.EnumerateArray().FirstOrDefault(way => way.Text("type") != "null") is { ValueKind: JsonValueKind.Object } way)
                {
                    schema = way;
                }
                else
                {
                    return schema;
                }
            }

            throw ApiError.Wrong("response_format", "the schema is too deep.");
        }

        private static string TypeOf(JsonElement schema) => schema.Member("type") switch
        {
            { ValueKind: JsonValueKind.String } type => type.GetString()!,
            { ValueKind: JsonValueKind.Array } types => types.EnumerateArray().Where(type => type.ValueKind == JsonValueKind.String)
                .Select(type => type.GetString()!).FirstOrDefault(type => type != "null") ?? "",
            _ => schema.Member("properties") is not null ? "object" : schema.Member("items") is not null ? "array" : "",
        };

        private static List<JsonProperty> Properties(JsonElement schema) =>
            schema.Member("properties") is { ValueKind: JsonValueKind.Object } properties ? [.. properties.EnumerateObject()] : [];

        private static bool Requires(JsonElement schema, string name) =>
            schema.Member("required").Items().Any(item => item.TextOrNull() == name);

        private string? Word(string name) => SchemaNames.IsPhrase(name) ? phrase : SchemaNames.IsText(name) ? text : null;

        private Func<double?>? Number(string name, int? box)
        {
            (Box Box, double? Confidence)? one = (box ?? (boxes.Count > 0 ? 0 : null)) is { } at ? boxes[at] : null;
            if (SchemaNames.IsConfidence(name)) return () => one?.Confidence;
            if (SchemaNames.Edge(name) is { } edge) return () => one is { } found ? ApiJson.Round(edge(found.Box)) : null;
            return SchemaNames.Plain(name) switch
            {
                "imagewidth" => () => width,
                "imageheight" => () => height,
                "count" or "n" or "number" => () => boxes.Count,
                _ => null,
            };
        }

        private void WriteNumber(double? value)
        {
            if (value is { } number) json.WriteNumberValue(Math.Round(number, 6));
            else json.WriteNullValue();
        }

        private static ApiError Unknown(string name) => ApiError.Wrong("response_format",
            $"an answer holds nothing for '{name}' of the schema; it has "
            + "boxes (lists of left, top, right, bottom), confidence, phrase, answer and image_size.");
    }
}
