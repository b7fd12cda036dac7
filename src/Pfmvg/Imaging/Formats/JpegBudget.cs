namespace Pfmvg.Imaging.Formats;

/// <summary>
/// What a JPEG may cost that <see cref="GrayJpeg"/> does not decode: libjpeg keeps the coefficients of all components while it reads scan
/// after scan, so few bytes can take gigabytes and minutes. Counted from the markers, before anything is decoded.
/// </summary>
internal static class JpegBudget
{
    /// <summary>The most samples of all scans together: pixels x components x scans. libjpeg's own script has 14 of a pixel.</summary>
    internal const long MostSamples = 1_000_000_000;

    /// <summary>The most scans; libjpeg's own script has 10.</summary>
    internal const int MostScans = 100;

    private const int MostTableBytes = 1 << 20;

    /// <summary>Refuses a picture that is beyond the budget.</summary>
    public static void Check(ReadOnlySpan<byte> file, PictureName picture)
    {
        var segments = new JpegSegments(file);
        JpegFrame? frame = null;
        var (samples, scans, tables) = (0L, 0, 0L);
        while (segments.MoveNext())
        {
            if (segments.Marker == JpegSegments.EndOfImage) return;
            if (segments.Marker == JpegSegments.HuffmanTables) tables += segments.Content.Length;
            if (segments.IsFrame && frame is null && (frame = JpegFrame.Of(segments)) is null) return; // libjpeg says what is wrong
            if (segments.Marker == JpegSegments.StartOfScan)
            {
                scans++;
                if (frame is not null) samples += frame.SamplesOf(segments.Content);
                segments.SkipScan();
            }

            if (samples > MostSamples || scans > MostScans || tables > MostTableBytes)
                throw picture.Bad($"the picture takes more than {MostSamples:N0} samples in all scans together, {MostScans} scans or "
                    + $"{MostTableBytes >> 20} MiB of code tables (pixels x components x scans)", "save it again as a baseline JPEG");
        }
    }
}

/// <summary>The frame header of a JPEG: what its scans are scans of.</summary>
/// <param name="Marker">SOFn, which names the coding process.</param>
/// <param name="Width">Pixels per row.</param>
/// <param name="Height">Rows.</param>
/// <param name="Components">Its components.</param>
internal sealed record JpegFrame(byte Marker, int Width, int Height, JpegFrame.Component[] Components)
{
    /// <summary>A component with its sampling factors.</summary>
    public readonly record struct Component(byte Id, int Across, int Down);

    /// <summary>Blocks of a minimum coded unit that all components share, across and down.</summary>
    public (int Across, int Down) Most => (Components.Max(one => one.Across), Components.Max(one => one.Down));

    /// <summary>Whether the frame is Huffman-coded by scans that refine each other.</summary>
    public bool IsProgressive => Marker == 0xc2;

    /// <summary>Reads the frame at which the segments stand; null when it is none that can be decoded.</summary>
    public static JpegFrame? Of(JpegSegments segments)
    {
        var content = segments.Content;
        if (content.Length < 6 || content[5] is 0 or > 4 || content.Length != 6 + 3 * content[5]) return null;
        var (width, height) = segments.Size;
        var components = new Component[content[5]];
        for (var i = 0; i < components.Length; i++)
            components[i] = new Component(content[6 + 3 * i], content[7 + 3 * i] >> 4, content[7 + 3 * i] & 15);
        return width > 0 && height > 0 && Array.TrueForAll(components, one => one is { Across: > 0 and < 5, Down: > 0 and < 5 })
            ? new JpegFrame(segments.Marker, width, height, components) : null;
    }

    /// <summary>The places of a scan's components, from the content of its header; null when it names others than the frame has.</summary>
    public int[]? ComponentsOf(ReadOnlySpan<byte> scan)
    {
        if (scan.Length < 1 || scan[0] is 0 or > 4 || scan.Length != 4 + 2 * scan[0]) return null;
        var found = new int[scan[0]];
        for (var i = 0; i < found.Length; i++)
        {
            var id = scan[1 + 2 * i];
            found[i] = Array.FindIndex(Components, one => one.Id == id);
            if (found[i] < 0 || Array.IndexOf(found, found[i]) < i) return null;
        }

        return found;
    }

    /// <summary>Samples that a scan covers.</summary>
    public long SamplesOf(ReadOnlySpan<byte> scan)
    {
        var (across, down) = Most;
        var pixels = (long)Width * Height;
        return ComponentsOf(scan)?.Sum(i => pixels * Components[i].Across * Components[i].Down / (across * down)) ?? pixels;
    }

    /// <summary>Blocks of a component across and down, where it stands in a scan of its own.</summary>
    public (int Across, int Down) BlocksOf(Component component)
    {
        var (across, down) = Most;
        return (Blocks(Width * component.Across, 8 * across), Blocks(Height * component.Down, 8 * down));
    }

    /// <summary>Minimum coded units of a scan of several components, across and down.</summary>
    public (int Across, int Down) Units => (Blocks(Width, 8 * Most.Across), Blocks(Height, 8 * Most.Down));

    private static int Blocks(int pixels, int size) => (pixels + size - 1) / size;
}
