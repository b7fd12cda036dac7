using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;
using System.Text;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights.Torch;

/// <summary>
/// Files of <c>torch.save</c>: the zip format, the stream format from before PyTorch 1.6, and bare pickles. Nothing in
/// them is executed (see <see cref="PickleReader"/>) and nothing is unpacked to disk.
/// </summary>
/// <remarks>
/// The weights are the tensors directly in the dictionary that was saved or, when that has a dictionary with tensors named "model",
/// "state_dict", "module" or "model_state_dict" (MiniGPT-4's checkpoints, Lightning's, DeepSpeed's and others), directly in there; they
/// keep their own names without a prefix.
/// </remarks>
public static class TorchPickle
{
    private static readonly BigInteger StreamMagic =
        BigInteger.Parse("1950a86a20f9469cfc6c", NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    private const long StreamVersion = 1001;

    /// <summary>Opens a file of any of the three formats, told apart by content.</summary>
    /// <exception cref="InputException">
    /// The file is not there, is damaged, names what runs code, or has its weights inside a foreign class.
    /// </exception>
    public static ITensorFile Open(string path)
    {
        var opened = new OpenedFile(path);
        try
        {
            var file = new FileBytes(opened);
            return file.Length >= 2 && Head(file, 2) is [(byte)'P', (byte)'K'] ? OpenZip(file, opened) : OpenStream(file, opened);
        }
        catch
        {
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Writes what PyTorch's <c>torch.load</c> reads (the zip format), atomically.</summary>
    /// <param name="path">The file; its folder is created.</param>
    /// <param name="content">
    /// A state dict, or any nesting of plain data around tensors: null, bool, whole numbers, double, string, tuples
    /// (object?[]), lists and dictionaries.
    /// </param>
    /// <exception cref="ArgumentException">The content holds something else.</exception>
    public static void Write<TValue>(string path, IReadOnlyDictionary<string, TValue> content) =>
        Write(path, content.ToDictionary(), info => throw new ArgumentException($"The tensor {info.Name} has no values.", nameof(content)));

    /// <summary>Writes a state dict of planned tensors, atomically, one at a time, so that only one need be in memory.</summary>
    /// <param name="path">The file; its folder is created.</param>
    /// <param name="plan">What will be written.</param>
    /// <param name="valueOf">Gives a tensor just before it is written; called in a dispose scope of its own.</param>
    /// <exception cref="ArgumentException">Two tensors have the same name, or a value is not as planned.</exception>
    public static void Write(string path, IReadOnlyList<TensorInfo> plan, Func<TensorInfo, Tensor> valueOf) =>
        Write(path, plan.ToDictionary(info => info.Name), valueOf);

    private static void Write(string path, System.Collections.IDictionary content, Func<TensorInfo, Tensor> valueOf)
    {
        var pickle = new PickleWriter(content);
        AtomicFile.Write(path, stream =>
        {
            // The folder in the archive and the order of its entries are those of torch.save.
            var zip = new ZipWriter(stream);
            zip.Add("archive/data.pkl", pickle.Bytes);
            zip.Add("archive/byteorder", "little"u8);
            foreach (var (index, (info, value)) in pickle.Tensors.Index())
                zip.Add($"archive/data/{index}", info.Bytes, sink => info.Write(value is null ? valueOf : _ => value, sink));
            zip.Add("archive/version", "3\n"u8);
            zip.Finish();
        });
    }

    private static TensorFile OpenZip(FileBytes file, IDisposable handle)
    {
        var entries = ZipDirectory.Read(file);
        var pickles = entries.Keys.Where(name => name.EndsWith("/data.pkl", StringComparison.Ordinal) && name.Count(c => c == '/') == 1)
            .ToList();
        if (OtherFile.InZip(entries.Keys) is { } other) throw Refusal.ForFile(file.Path, other.What, other.Advice);
        if (pickles.Count != 1)
            throw Refusal.ForFile(
                file.Path, $"is a zip file with {pickles.Count} entries named 'folder/data.pkl', not one",
                "name a file written by torch.save");
        var root = pickles[0][..^"data.pkl".Length];
        if (entries.TryGetValue(root + "byteorder", out var order)
            && Encoding.Latin1.GetString(Content(order, file.Path, "byteorder", 16)) is not "little" and var endian)
            throw Refusal.ForFile(file.Path, $"has the byte order '{Refusal.Show(endian)}'", "save it on a little-endian machine");

        var reader = new PickleReader(Content(entries[pickles[0]], file.Path, "data.pkl", PickleReader.MaxBytes), file.Path, "data.pkl");
        var content = reader.Read();
        return Bind(file, handle, "torch zip", content, reader.Names, storage =>
            entries.TryGetValue($"{root}data/{storage.Key}", out var source)
                ? source
                : throw Refusal.ForFile(file.Path, $"lacks the entry '{Refusal.Show($"data/{storage.Key}")}' that its data.pkl refers to",
                    "it was saved without its data, or was damaged: fetch it again"));
    }

    private static TensorFile OpenStream(FileBytes file, IDisposable handle)
    {
        if (file.Length == 0) throw Refusal.ForFile(file.Path, "is empty");
        if (Head(file, 1)[0] is not (0x80 or (byte)'c' or (byte)'(' or (byte)'}' or (byte)']'))
            throw Refusal.ForFile(
                file.Path, "is neither a zip file nor a pickle", "name a file written by torch.save, or a safetensors file");

        // The pickles come first; their total length is not stored anywhere.
        var reader = new PickleReader(Head(file, PickleReader.MaxBytes), file.Path, "pickle");
        var content = reader.Read();
        if (content is not BigInteger magic || magic != StreamMagic)
        {
            if (reader.Position != file.Length)
                throw Refusal.ForFile(file.Path, $"{file.Length - reader.Position} bytes follow its pickle");
            return Bind(file, handle, "bare pickle", content, reader.Names,
                storage => throw Refusal.ForFile(file.Path, "is a bare pickle, but refers to storages outside of it"));
        }

        if (reader.Read() is not StreamVersion) throw reader.Refuse($"the version of the stream format is not {StreamVersion}");
        if (reader.Read() is not PickledDictionary system || !system.Pairs.Contains(new("little_endian", true)))
            throw reader.Refuse("it was not saved on a little-endian machine");
        content = reader.Read();
        var keys = reader.Read() as List<object?> ?? throw reader.Refuse("the list of its storages is missing");
        var storages = new Dictionary<string, ByteSource>();
        var at = (long)reader.Position;
        foreach (var key in keys)
        {
            if (key is not string name || !reader.Names.Storages.TryGetValue(name, out var storage) || storages.ContainsKey(name))
                throw Refusal.ForFile(file.Path, "its list of storages does not match its tensors");
            var shown = Refusal.Show(name);
            if (file.Length - at < 8) throw Refusal.ForFile(file.Path, $"ends before its storage '{shown}'");
            var count = BinaryPrimitives.ReadInt64LittleEndian(Content(file.Slice(at, 8), file.Path, shown, 8));
            at += 8;
            var width = TensorTypes.Size(storage.Type);
            if (count != storage.Elements || count < 0 || count > (file.Length - at) / width)
                throw Refusal.ForFile(file.Path, $"its storage '{shown}' has {count} elements of {width} bytes "
                    + $"where {storage.Elements} are expected and {file.Length - at} bytes are left");
            storages.Add(name, file.Slice(at, count * width));
            at += count * width;
        }

        return Bind(file, handle, "torch stream (before 1.6)", content, reader.Names, storage =>
            storages.TryGetValue(storage.Key, out var source)
                ? source
                : throw Refusal.ForFile(file.Path, $"lacks the storage '{Refusal.Show(storage.Key)}' that its pickle refers to"));
    }

    private static TensorFile Bind(
        FileBytes file, IDisposable handle, string format, object? content, PickledNames names, Func<PickledStorage, ByteSource> find)
    {
        var plain = new PickledContent(
            file.Path, (name, tensor) => tensor.View(name, find(tensor.Storage), file.Path, file.Length));
        plain.Sort(content);
        return new TensorFile(file.Path, format, plain.Weights, plain.Others, plain.Metadata, [handle])
        {
            Unreadable = plain.Unreadable, Container = plain.Container, ForeignNames = names.Foreign,
        };
    }

    private static byte[] Head(FileBytes file, long count) =>
        Content(file.Slice(0, Math.Min(count, file.Length)), file.Path, "beginning", count);

    private static unsafe byte[] Content(ByteSource source, string path, string name, long limit)
    {
        if (source.Length > limit)
            throw Refusal.ForFile(path, $"its {name} has {source.Length} bytes, more than the {limit} that any checkpoint needs");
        var bytes = new byte[source.Length];
        fixed (byte* place = bytes) source.CopyTo(0, place, bytes.Length);
        return bytes;
    }
}
