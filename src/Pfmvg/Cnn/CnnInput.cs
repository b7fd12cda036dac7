using System.Runtime.InteropServices;
using Pfmvg.Imaging;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Cnn;

/// <summary>Pictures and phrases as the network's inputs.</summary>
internal static class CnnInput
{
    /// <summary>The gray values of a picture; of colours their mean.</summary>
    public static byte[] Gray(DecodedImage picture)
    {
        if (picture.Channels == 1) return picture.Pixels.ToArray();
        var pixels = picture.Pixels;
        var gray = new byte[picture.Width * picture.Height];
        for (var i = 0; i < gray.Length; i++) gray[i] = (byte)((pixels[3 * i] + pixels[3 * i + 1] + pixels[3 * i + 2] + 1) / 3);
        return gray;
    }

    /// <summary>(B, 1, S, S): gray values from -2 to 2.</summary>
    public static Tensor Pictures(IReadOnlyList<byte[]> gray, int size, Device device)
    {
        using var scope = NewDisposeScope();
        var values = empty([gray.Count, 1, size, size], ScalarType.Float32);
        var memory = MemoryMarshal.Cast<byte, float>(values.bytes);
        for (var (row, at) = (0, 0); row < gray.Count; row++)
            foreach (var value in gray[row])
                memory[at++] = value / 63.75f - 2;
        return values.Send(device).MoveToOuterDisposeScope();
    }

    /// <summary>(B, words): 1 where a phrase has a word.</summary>
    public static Tensor Bags(IReadOnlyList<IReadOnlyList<int>> phrases, int words, Device device)
    {
        using var scope = NewDisposeScope();
        var width = Math.Max(words, 1);
        var values = new float[phrases.Count * width];
        for (var row = 0; row < phrases.Count; row++)
            foreach (var place in phrases[row])
                values[row * width + place] = 1;
        return tensor(values, [phrases.Count, width]).Send(device).MoveToOuterDisposeScope();
    }
}
