using System.Buffers.Binary;
using System.Text.Json;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights;

/// <summary>
/// The safetensors format: the header's length (8 bytes, little-endian), a JSON header with type, shape and place of
/// every tensor, then their elements one after another without gaps.
/// </summary>
public static class SafeTensors
{
    // The limit of the format's own reader.
    private const long MaxHeader = 100_000_000;

    // Where the first element of a written file begins: the rule is a multiple of 8; a cache line is better where the file is mapped.
    private const int Alignment = 64;

    /// <summary>Opens a file. The whole header is checked before anything of the size it claims is allocated.</summary>
    /// <exception cref="InputException">The file is not there or breaks the format anywhere; the message says where.</exception>
    public static ITensorFile Open(string path)
    {
        var opened = new OpenedFile(path);
        try
        {
            return Open(opened);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Writes tensors at hand, atomically.</summary>
    /// <param name="path">The file; its folder is created.</param>
    /// <param name="tensors">Names and values, from any device.</param>
    /// <param name="metadata">Free text entries; may be null.</param>
    /// <exception cref="ArgumentException">Two tensors have the same name.</exception>
    public static void Write(
        string path, IEnumerable<KeyValuePair<string, Tensor>> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        var values = new Dictionary<string, Tensor>(tensors);
        Write(path, [.. values.Select(entry => TensorInfo.Describe(entry.Key, entry.Value))], info => values[info.Name], metadata);
    }

    /// <summary>Writes planned tensors one at a time, atomically, so that only one need be in memory.</summary>
    /// <param name="path">The file; its folder is created.</param>
    /// <param name="plan">What will be written.</param>
    /// <param name="valueOf">Gives a tensor just before it is written; called in a dispose scope of its own.</param>
    /// <param name="metadata">Free text entries; may be null.</param>
    /// <exception cref="ArgumentException">Two tensors have the same name, or a value is not as planned.</exception>
    public static void Write(
        string path, IReadOnlyList<TensorInfo> plan, Func<TensorInfo, Tensor> valueOf, IReadOnlyDictionary<string, string>? metadata = null)
    {
        // Wide types first keeps every tensor aligned to its own type without gaps, which the format forbids.
        var order = plan.OrderByDescending(info => TensorTypes.Size(info.Type)).ToList();
        var header = Header(order, metadata);
        AtomicFile.Write(path, stream =>
        {
            stream.Write(header);
            foreach (var info in order) info.Write(valueOf, stream.Write);
        });
    }

    private static byte[] Header(IReadOnlyList<TensorInfo> order, IReadOnlyDictionary<string, string>? metadata)
    {
        var json = new MemoryStream();
        json.Write(new byte[8]);
        using (var writer = new Utf8JsonWriter(json))
        {
            writer.WriteStartObject();
            if (metadata is { Count: > 0 })
            {
                writer.WriteStartObject("__metadata__");
                foreach (var (key, value) in metadata) writer.WriteString(key, value);
                writer.WriteEndObject();
            }

            long begin = 0;
            var names = new HashSet<string>();
            foreach (var info in order)
            {
                if (!names.Add(info.Name) || info.Name == "__metadata__")
                    throw new ArgumentException($"The name '{info.Name}' cannot be used or is used twice.", nameof(order));
                writer.WriteStartObject(info.Name);
                writer.WriteString("dtype", TensorTypes.SafeTensorsName(info.Type));
                WriteArray("shape", info.Shape);
                WriteArray("data_offsets", [begin, begin + info.Bytes]);
                writer.WriteEndObject();
                begin += info.Bytes;
            }

            writer.WriteEndObject();

            void WriteArray(string name, long[] values)
            {
                writer.WriteStartArray(name);
                foreach (var value in values) writer.WriteNumberValue(value);
                writer.WriteEndArray();
            }
        }

        while (json.Length % Alignment != 0) json.WriteByte((byte)' ');
        var header = json.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(header, header.Length - 8);
        return header;
    }

    private static TensorFile Open(OpenedFile opened)
    {
        var (path, length) = (opened.Path, opened.Length);
        if (length < 10) throw Refusal.ForFile(path, $"has {length} bytes, too few for a safetensors file");
        var file = new FileBytes(opened);
        var prefix = new byte[8];
        file.Read(0, prefix);
        var size = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (size > MaxHeader || (long)size > length - 8)
            throw Refusal.ForFile(path, $"claims a header of {size} bytes, but the file has {length} (and {MaxHeader} is the limit)");
        var header = new byte[size];
        file.Read(8, header);
        var dataLength = length - 8 - (long)size;
        try
        {
            var (entries, metadata) = new HeaderReader(path, header).Read();
            RefuseGapsAndOverlaps(path, entries, dataLength);
            var data = file.Slice(length - dataLength, dataLength);
            var weights = entries.Where(entry => entry.Other is null)
                .Select(entry => new StoredTensor(entry.Info, data, entry.Begin, null));
            return new TensorFile(path, "safetensors", weights, [], metadata, [opened])
            {
                Unreadable = entries.Where(entry => entry.Other is not null)
                    .ToDictionary(entry => entry.Info.Name, entry => UnreadableTensor.OfType(entry.Other!)),
            };
        }
        catch (Exception broken) when (broken is JsonException or InvalidOperationException or FormatException)
        {
            // InvalidOperationException: text that is not UTF-8, or an escape that is half a surrogate pair.
            using var json = JsonText.Parse(header, out var fault);
            throw Refusal.ForFile(path, "its header is not the JSON of a safetensors file ("
                + (fault is null ? Refusal.Show(broken.Message.TrimEnd('.')) : $"{fault.Where} {fault.What}".TrimStart()) + ")");
        }
    }

    private static void RefuseGapsAndOverlaps(string path, List<Entry> entries, long dataLength)
    {
        long end = 0;
        foreach (var (info, begin, _) in entries.OrderBy(entry => entry.Begin).ThenBy(entry => entry.Info.Bytes))
        {
            var name = Refusal.Show(info.Name);
            if (begin < end) throw Refusal.ForFile(path, $"the tensor '{name}' begins at {begin}, inside the one before it");
            if (begin > end) throw Refusal.ForFile(path, $"{begin - end} bytes before the tensor '{name}' belong to no tensor");
            if (info.Bytes > dataLength - begin)
                throw Refusal.ForFile(
                    path, $"the tensor '{name}' ends at {begin + info.Bytes}, but there are only {dataLength} bytes of data");
            end = begin + info.Bytes;
        }

        if (end != dataLength) throw Refusal.ForFile(path, $"{dataLength - end} bytes after the last tensor belong to no tensor");
    }

    // A tensor of a type that is not computed with has the type's name, and its bytes as uint8.
    private readonly record struct Entry(TensorInfo Info, long Begin, string? Other);

    /// <summary>Reads the JSON header by hand: the schema is small, and a general tree would cost many times its size.</summary>
    private ref struct HeaderReader(string path, ReadOnlySpan<byte> json)
    {
        private Utf8JsonReader _json = new(json, new JsonReaderOptions { MaxDepth = 8 });

        public (List<Entry> Entries, Dictionary<string, object?> Metadata) Read()
        {
            var entries = new List<Entry>();
            var metadata = new Dictionary<string, object?>();
            var names = new HashSet<string>();
            Expect(JsonTokenType.StartObject);
            while (Next() != JsonTokenType.EndObject)
            {
                var name = _json.GetString()!;
                if (!names.Add(name)) throw Refusal.ForFile(path, $"the header has the name '{Refusal.Show(name)}' twice");
                Expect(JsonTokenType.StartObject);
                if (name == "__metadata__") ReadMetadata(metadata);
                else entries.Add(ReadEntry(name));
            }

            if (_json.Read()) throw new JsonException("something follows the header's object");
            return (entries, metadata);
        }

        private void ReadMetadata(Dictionary<string, object?> metadata)
        {
            while (Next() != JsonTokenType.EndObject)
            {
                var key = _json.GetString()!;
                Expect(JsonTokenType.String);
                if (!metadata.TryAdd(key, _json.GetString()))
                    throw Refusal.ForFile(path, $"the metadata has the key '{Refusal.Show(key)}' twice");
            }
        }

        private Entry ReadEntry(string name)
        {
            var shown = Refusal.Show(name);
            (string? typeName, long[]? shape, long[]? offsets) = (null, null, null);
            while (Next() != JsonTokenType.EndObject)
            {
                var field = _json.GetString();
                var twice = field switch
                {
                    "dtype" => typeName is not null,
                    "shape" => shape is not null,
                    "data_offsets" => offsets is not null,
                    _ => false,
                };
                if (twice) throw Refusal.ForFile(path, $"the tensor '{shown}' has '{field}' twice");
                switch (field)
                {
                    case "dtype":
                        Expect(JsonTokenType.String);
                        typeName = _json.GetString();
                        break;
                    case "shape":
                        shape = ReadNumbers();
                        break;
                    case "data_offsets":
                        offsets = ReadNumbers();
                        break;
                    default:
                        throw Refusal.ForFile(path, $"the tensor '{shown}' has the unknown field '{Refusal.Show(field!)}'");
                }
            }

            if (typeName is null || shape is null || offsets is not { Length: 2 })
                throw Refusal.ForFile(path, $"the tensor '{shown}' lacks its dtype, its shape or its two data_offsets");
            var known = TensorTypes.FromSafeTensorsName(typeName);
            var bits = known is { } computed ? 8 * TensorTypes.Size(computed) : TensorTypes.BitsOf(typeName)
                ?? throw Refusal.ForFile(path, $"the tensor '{shown}' has the type '{Refusal.Show(typeName)}', which the format has not");
            if (TensorInfo.CountBytes(shape, bits) is not { } bytes)
                throw Refusal.ForFile(path, $"the tensor '{shown}' has the impossible shape {TensorInfo.ShapeToText(shape)}");
            if (offsets[0] < 0 || offsets[1] < offsets[0] || offsets[1] - offsets[0] != bytes)
                throw Refusal.ForFile(path, $"the tensor '{shown}' needs {bytes} bytes, but lies from {offsets[0]} to {offsets[1]}");
            return new Entry(new TensorInfo(name, known ?? ScalarType.Byte, shape, bytes), offsets[0], known is null ? typeName : null);
        }

        private long[] ReadNumbers()
        {
            var numbers = new List<long>();
            Expect(JsonTokenType.StartArray);
            while (Next() != JsonTokenType.EndArray)
            {
                if (_json.TokenType != JsonTokenType.Number || !_json.TryGetInt64(out var number)
                    || numbers.Count == TensorInfo.MaxDimensions)
                    throw new JsonException($"expected at most {TensorInfo.MaxDimensions} whole numbers");
                numbers.Add(number);
            }

            return [.. numbers];
        }

        private JsonTokenType Next() => _json.Read() ? _json.TokenType : throw new JsonException("it ends early");

        private void Expect(JsonTokenType token)
        {
            if (Next() != token) throw new JsonException($"{_json.TokenType} in place of {token} near byte {_json.TokenStartIndex}");
        }
    }
}
