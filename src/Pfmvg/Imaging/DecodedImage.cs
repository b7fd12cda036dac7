namespace Pfmvg.Imaging;

/// <summary>A picture as 8-bit samples, as Pillow's <c>convert("RGB")</c> has them; a gray picture keeps one channel.</summary>
/// <param name="width">Pixels per row.</param>
/// <param name="height">Rows.</param>
/// <param name="channels">1 (gray, standing for three equal channels) or 3 (red, green, blue).</param>
/// <param name="pixels">Row-major and interleaved; only the first width * height * channels bytes count.</param>
public sealed class DecodedImage(int width, int height, int channels, byte[] pixels)
{
    /// <summary>Pixels per row.</summary>
    public int Width { get; } = width;

    /// <summary>Rows.</summary>
    public int Height { get; } = height;

    /// <summary>1 (gray, standing for three equal channels) or 3 (red, green, blue).</summary>
    public int Channels { get; } = channels;

    /// <summary>The samples, row-major and interleaved.</summary>
    public ReadOnlySpan<byte> Pixels => pixels.AsSpan(0, checked(Width * Height * Channels));

    /// <summary>What decoding changed that a reader of the scores should know; null when nothing.</summary>
    public string? Note { get; init; }

    /// <summary>
    /// That the compressed data end early or are broken, as a clause: a part of the pixels is not the picture's. Null for a whole picture.
    /// </summary>
    public string? EndsEarly { get; init; }

    /// <summary>
    /// The values of a gray picture of 16 bits before they were scaled to 8, in the buffer's memory; empty for all others.
    /// </summary>
    internal ReadOnlyMemory<ushort> Wide { get; init; }

    /// <summary>The same picture with something more to know.</summary>
    internal DecodedImage Noting(string more) =>
        new(Width, Height, Channels, pixels) { Note = Note is null ? more : $"{Note}; {more}", Wide = Wide, EndsEarly = EndsEarly };

    /// <summary>The same picture, with what is known of its end.</summary>
    internal DecodedImage EndingEarly(string? clause) => clause is null ? this
        : new(Width, Height, Channels, pixels) { Note = Note, Wide = Wide, EndsEarly = clause };
}

/// <summary>Memory that one worker uses again for every picture, so that large pictures do not touch new pages each time.</summary>
/// <remarks>A <see cref="DecodedImage"/> made with it is valid until the next picture is decoded with it. One thread at a time.</remarks>
public sealed class DecodeBuffer
{
    private byte[] _file = [], _pixels = [], _scratch = [];
    private ushort[] _wide = [];

    internal byte[] File(int length) => Grow(ref _file, length);

    internal byte[] Pixels(int length) => Grow(ref _pixels, length);

    /// <summary>For values of 16 bits, which are scaled when all are known.</summary>
    internal ushort[] Wide(int length) => Grow(ref _wide, length);

    /// <summary>For what lies between the file and its pixels: a stream put together, a data set that was deflated.</summary>
    internal byte[] Scratch(int length) => Grow(ref _scratch, length);

    private static T[] Grow<T>(ref T[] memory, int length)
    {
        if (memory.Length < length) memory = GC.AllocateUninitializedArray<T>(length);
        return memory;
    }
}
