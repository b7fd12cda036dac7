using System.Globalization;
using System.Text;

namespace Pfmvg;

/// <summary>
/// Files that stand where another one should: what a failed download leaves behind, and formats of other programs. Recognised here once,
/// for weights, pictures and tokenizers.
/// </summary>
/// <param name="What">What it is, to follow the file's name.</param>
/// <param name="Advice">What to do.</param>
internal sealed record OtherFile(string What, string Advice)
{
    /// <summary>How many bytes of a file's beginning are looked at.</summary>
    public const int Head = 512;

    private const string FetchAgain = "log in or wait, and download the file itself";
    private const int LongestName = 60, TarSignature = 257;

    private static readonly OtherFile Index = new("is the index of shards", "name its folder"),
        Json = new("is a JSON text (settings, or an error of the server), not the file itself", FetchAgain);

    private static readonly (byte[] Start, string Name, string Advice)[] Signatures =
    [
        ("GGUF"u8.ToArray(), "a GGUF file (llama.cpp)", "give the Hugging Face folder that it was made from"),
        ("lmgg"u8.ToArray(), "a GGML file (llama.cpp)", "give the Hugging Face folder that it was made from"),
        ("tjgg"u8.ToArray(), "a GGML file (llama.cpp)", "give the Hugging Face folder that it was made from"),
        ([0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'], "a NumPy array (.npy)", "save a state_dict by torch.save"),
        ([0x89, (byte)'H', (byte)'D', (byte)'F'], "an HDF5 file (Keras, TensorFlow)", "give the PyTorch weights of the same model"),
        ([0x1f, 0x8b], "a gzip archive", "unpack it"),
        ([0xfd, (byte)'7', (byte)'z', (byte)'X', (byte)'Z'], "an xz archive", "unpack it"),
        ([(byte)'7', (byte)'z', 0xbc, 0xaf], "a 7z archive", "unpack it"),
        ("BZh"u8.ToArray(), "a bzip2 archive", "unpack it"),
        ([0x28, 0xb5, 0x2f, 0xfd], "a zstd archive", "unpack it"),
        ("Rar!"u8.ToArray(), "a rar archive", "unpack it"),
        ("%PDF"u8.ToArray(), "a PDF document", "name the file itself"),
    ];

    // How the texts begin that servers send in place of a file. Other texts are not shown: they may be a patient's.
    private static readonly string[] Errors =
    [
        "Entry not found", "Not found", "Repository not found", "File not found", "404 ", "404:", "403 ", "401 ", "429 ", "500 ", "502 ",
        "503 ", "504 ", "Access to model",
        "Access to dataset", "Access denied", "Forbidden", "Unauthorized", "Invalid username or password", "Too many requests",
        "Rate limit", "Quota exceeded", "Internal server error", "Bad gateway", "Service unavailable", "Gateway time", "Moved permanently",
        "Redirecting",
    ];

    private static readonly (string Ending, string Name, string Advice)[] Endings =
    [
        (".gguf", "a GGUF file (llama.cpp)", "give the Hugging Face folder that it was made from"),
        (".distcp", "one piece of a distributed checkpoint", Converted),
        (".metadata", "the list of a distributed checkpoint", Converted),
        (".onnx", "an ONNX model", "give the PyTorch weights that it was made from"),
        (".pt2", "a program of torch.export (.pt2)", "save the model's state_dict() by torch.save"),
        (".msgpack", "a Flax file", "give the PyTorch weights of the same model"),
        (".h5", "a TensorFlow file", "give the PyTorch weights of the same model"),
        (".tflite", "a TensorFlow Lite file", "give the PyTorch weights of the same model"),
        (".ckpt.index", "a TensorFlow checkpoint", "give the PyTorch weights of the same model"),
        (".npz", "an archive of NumPy arrays (.npz)", "save a state_dict by torch.save"),
        (".npy", "a NumPy array (.npy)", "save a state_dict by torch.save"),
    ];

    /// <summary>The way out for a distributed checkpoint.</summary>
    public const string Converted =
        "convert it by torch.distributed.checkpoint.format_utils: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER "
        + "FILE.pth (the function dcp_to_torch_save)";

    /// <summary>Names a file that is none of ours by its first bytes and, where these say nothing, its name; null for any other.</summary>
    /// <param name="path">The file.</param>
    /// <param name="head">Its first bytes, at least <see cref="Head"/> where it has them.</param>
    public static OtherFile? Recognise(string path, ReadOnlySpan<byte> head)
    {
        if (head.Length == 0) return new("is empty", "fetch it again");
        foreach (var (start, name, advice) in Signatures)
            if (head.StartsWith(start)) return new($"is {name}", advice);
        if (head.Length > TarSignature + 5 && head[TarSignature..].StartsWith("ustar"u8)) return new("is a tar archive", "unpack it");
        if (head[0] == 8 && head.Length > 4 && head[2] == 0x12 && head.IndexOf("onnx"u8) + head.IndexOf("pytorch"u8) > -2)
            return new("is an ONNX model", "give the PyTorch weights that it was made from");
        if (FromText(head) is { } text) return text;
        foreach (var (ending, name, advice) in Endings)
            if (path.EndsWith(ending, StringComparison.OrdinalIgnoreCase)) return new($"is {name}", advice);
        return null;
    }

    /// <summary>Reads a file's beginning and names what it is; null for a file of ours, or one that cannot be opened.</summary>
    public static OtherFile? Recognise(string path)
    {
        try
        {
            if (InputFile.KindOf(path) != FileKind.File) return null;
            using var stream = File.OpenRead(path);
            var head = new byte[Head];
            return Recognise(path, head.AsSpan(0, stream.ReadAtLeast(head, Head, throwOnEndOfStream: false)));
        }
        catch (Exception closed) when (closed is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return null; // who reads it says why it cannot be read
        }
    }

    /// <summary>Names what stands in place of a JSON file that cannot be parsed; null where it begins as one.</summary>
    public static OtherFile? InsteadOfJson(string path) =>
        Recognise(path) is { } other && other != Json && other != Index ? other : null;

    /// <summary>Names a zip file that torch.save has not written, by its entries; null for any other.</summary>
    public static OtherFile? InZip(IReadOnlyCollection<string> entries)
    {
        if (Any(name => name.EndsWith("serialized_exported_program.json", StringComparison.Ordinal)
            || name.EndsWith("archive_format", StringComparison.Ordinal) || name.EndsWith("models/model.json", StringComparison.Ordinal)))
            return new("is a program of torch.export (.pt2)", "save the model's state_dict() by torch.save");
        if (Any(name => name.EndsWith("/constants.pkl", StringComparison.Ordinal) || name.Contains("/code/", StringComparison.Ordinal)))
            return new("is a TorchScript archive (torch.jit.save)", "save the model's state_dict() by torch.save");
        if (Any(name => name.Contains("/.data/extern_modules", StringComparison.Ordinal)))
            return new("is an archive of torch.package", "save the model's state_dict() by torch.save");
        if (Any(name => name.EndsWith("/data.pkl", StringComparison.Ordinal))) return null;
        if (entries.Count > 0 && entries.All(name => name.EndsWith(".npy", StringComparison.Ordinal)))
            return new("is an archive of NumPy arrays (.npz)", "save a state_dict by torch.save");
        return new(
            $"is a zip archive of other files ({string.Join(", ", entries.Take(3).Select(Printable))}{(entries.Count > 3 ? ", ..." : "")})",
            "unpack it, and name the file or folder in it");

        bool Any(Func<string, bool> isSo) => entries.Any(isSo);
    }

    private static OtherFile? FromText(ReadOnlySpan<byte> head)
    {
        if (head.StartsWith("version https://git-lfs"u8) || head.StartsWith("version https://hawser"u8))
            return new("is a git-lfs pointer, not the file itself", "fetch the file by `git lfs pull` in its folder, or from its page");
        if (head.StartsWith<byte>([0xEF, 0xBB, 0xBF])) head = head[3..];
        var isText = true;
        foreach (var value in head) isText &= value is >= 0x20 or (byte)'\t' or (byte)'\n' or (byte)'\r';
        if (!isText) return null;
        var text = Encoding.UTF8.GetString(head).TrimStart();
        if (Begins("<!doctype html") || Begins("<html") || Begins("<head") || Begins("<body") || Begins("<script") || Begins("<!--"))
            return new("is an HTML page (a login, a quota or an error), not the file itself", FetchAgain);
        if (Begins("<?xml") || Begins("<error")) return new("is an XML text (an error of the server), not the file itself", FetchAgain);
        if (text.Contains("\"weight_map\"", StringComparison.Ordinal)) return Index;
        if (Begins("{") || Begins("[{")) return Json;
        if (head.Length < Head && (Begins("../") || Begins("./")) && !text.Contains('\n', StringComparison.Ordinal))
            return new("is the text of a symbolic link, not the file that it points to", "copy that file here");
        return Array.Find(Errors, Begins) is { } error
            ? new($"is the server's answer '{error}', not the file itself", FetchAgain) : null;

        bool Begins(string start) => text.StartsWith(start, StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>A name from a file, short and without what moves a terminal's cursor.</summary>
    internal static string Printable(string name) => string.Concat(name.Take(LongestName).Select(c =>
        char.IsControl(c) || char.IsSurrogate(c) || char.GetUnicodeCategory(c) == UnicodeCategory.Format ? '?' : c));
}
