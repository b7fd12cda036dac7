namespace Pfmvg.Imaging.Dicom;

/// <summary>Decodes one gray radiograph from a DICOM file to 8 bits; docs/dicom.md says what is read, and how.</summary>
internal static class DicomPicture
{
    public static bool Is(ReadOnlySpan<byte> file) => DicomFile.Is(file);

    /// <summary>The size, from Columns and Rows; the elements that say what pixels are must make sense together.</summary>
    public static ImageHeader Header(ReadOnlySpan<byte> file, PictureName picture)
    {
        var layout = PixelLayout.Read(DicomFile.Open(file, picture, new DecodeBuffer()).Set, picture);
        return new ImageHeader("DICOM", layout.Columns, layout.Rows);
    }

    /// <param name="file">The whole file.</param>
    /// <param name="picture">Names it in errors.</param>
    /// <param name="buffer">Memory to decode into.</param>
    /// <param name="mode">How values become gray.</param>
    /// <param name="wide">Give the values alone in their full depth, in memory of their own, and no 8-bit pixels.</param>
    public static DecodedImage Decode(
        ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer, DicomGray mode, bool wide = false)
    {
        var opened = DicomFile.Open(file, picture, buffer);
        var layout = PixelLayout.Read(opened.Set, picture);
        var gray = GrayScale.Read(opened.Set, layout, picture);
        var words = opened.Syntax.Decoder is { } decode
            ? decode(Fragments.Frame(opened.Set, picture, buffer), layout, picture, buffer)
            : PixelWords.Find(opened.Set, layout, picture);
        var said = opened.Notes.Concat(gray.Notes(mode)).ToList();
        var note = said.Count == 0 ? null : string.Join("; ", said);
        if (wide)
        {
            var values = new ushort[layout.Count]; // not the buffer's, where the words may lie
            words.Map(gray.Values(words.Count(layout)), layout, values.AsSpan());
            return new DecodedImage(layout.Columns, layout.Rows, 1, []) { Note = note, Wide = values };
        }

        var levels = gray.Levels(mode, gray.NeedsCounts(mode) ? words.Count(layout) : []);
        var pixels = buffer.Pixels(layout.Count);
        words.Map(levels, layout, pixels.AsSpan(0, layout.Count));
        return new DecodedImage(layout.Columns, layout.Rows, 1, pixels) { Note = note };
    }
}
