using System.IO.Compression;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>What is packed in gzip is changed inside and packed again.</summary>
internal static class Gzip
{
    public static Mutation Around(Mutation inner) => (input, dice) =>
    {
        if (input is not [0x1f, 0x8b, ..]) return inner(input, dice);
        try
        {
            using var unpacked = new MemoryStream();
            using (var stream = new GZipStream(new MemoryStream(input), CompressionMode.Decompress)) stream.CopyTo(unpacked);
            using var packed = new MemoryStream();
            using (var stream = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true)) stream.Write(inner(unpacked.ToArray(),
                dice));
            return packed.ToArray();
        }
        catch (InvalidDataException)
        {
            return input;
        }
    };
}
