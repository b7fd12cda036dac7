using System.Buffers.Binary;
using Pfmvg.Weights.Torch;

namespace Pfmvg.Weights.Loading;

/// <summary>Opens any weights that users have.</summary>
public static class WeightFile
{
    /// <summary>
    /// Opens a safetensors file, a file of torch.save (zip, the older stream, a bare pickle) or a Hugging Face folder.
    /// The content decides, not the name.
    /// </summary>
    /// <exception cref="InputException">It is not there, is none of these, or is damaged or hostile; the message says where.</exception>
    public static ITensorFile Open(string path) => Directory.Exists(path) ? WeightFolder.Open(path) : OpenFile(path);

    internal static TensorFile OpenFile(string path)
    {
        if (OtherFile.Recognise(path) is { } other) throw Refusal.ForFile(path, other.What, other.Advice);
        return (TensorFile)(LooksLikeSafeTensors(path) ? SafeTensors.Open(path) : TorchPickle.Open(path));
    }

    private static bool LooksLikeSafeTensors(string path)
    {
        using var file = new OpenedFile(path);
        var head = new byte[Math.Min(9, file.Length)];
        file.Read(0, head);
        if (path.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)) return !head.AsSpan().StartsWith("PK"u8);
        return head.Length == 9 && head[8] == '{' && BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(4)) == 0;
    }
}
