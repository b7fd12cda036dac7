using System.Numerics;

namespace Pfmvg.Imaging.Formats;

/// <summary>
/// 16-bit gray as 8 bits. Radiographs are often stored with 12 bits in 16, so the scale is that of the bits in use: 65,535
/// as white would leave them nearly black.
/// </summary>
internal static class WideGray
{
    /// <summary>
    /// With b the fewest bits, 8 to 16, that hold the highest value, a pixel is round(value * 255 / (2^b - 1)).
    /// </summary>
    /// <param name="values">The values, in the machine's byte order.</param>
    /// <param name="pixels">Gets as many bytes.</param>
    /// <returns>The note for whoever reads the scores.</returns>
    public static string Narrow(ReadOnlySpan<ushort> values, Span<byte> pixels)
    {
        ushort highest = 0;
        foreach (var value in values) highest = Math.Max(highest, value);
        var bits = Math.Max(8, 32 - BitOperations.LeadingZeroCount(highest));
        var white = (1 << bits) - 1; // odd, so no pixel lies halfway
        for (var i = 0; i < values.Length; i++) pixels[i] = (byte)((values[i] * 510L + white) / (2 * white));
        return bits == 16 ? "16-bit gray was scaled to 8 bits; Pillow clips it at 255"
            : $"16-bit gray with values of {bits} bits was scaled to 8 bits, {white} as white; Pillow clips it at 255";
    }
}
