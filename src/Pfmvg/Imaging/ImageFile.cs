using Microsoft.Win32.SafeHandles;
using Pfmvg.Imaging.Dicom;
using Pfmvg.Imaging.Formats;

namespace Pfmvg.Imaging;

/// <summary>
/// Reads picture files to Pillow's pixels: EXIF orientation ignored, alpha dropped (not composited), palettes expanded, gray
/// kept as one channel. The format is told by the content, not by the name.
/// </summary>
/// <remarks>
/// One deliberate difference: 16-bit gray is scaled to 8 bits by the bits in use, where Pillow clips it at 255 and
/// turns it white.
/// Memory is bounded before anything is allocated: by <see cref="ImageLimits"/> and by what a file of this length can hold.
/// </remarks>
public static class ImageFile
{
    /// <summary>The formats that are read, for messages.</summary>
    public const string Formats = "JPEG, PNG, DICOM, BMP, GIF, WebP, TIFF or TGA";

    private const int MaxFileBytes = 1 << 30;

    /// <summary>Decodes a file.</summary>
    /// <param name="path">A file of one of the <see cref="Formats"/>.</param>
    /// <param name="buffer">Memory to decode into; the result is then valid until its next use.</param>
    /// <param name="dicom">How the values of a DICOM file become gray; other formats have no choice.</param>
    /// <exception cref="InputException">The file is missing, empty, truncated, damaged, too large or no picture.</exception>
    public static DecodedImage Decode(string path, DecodeBuffer? buffer = null, DicomGray dicom = DicomGray.Window)
    {
        buffer ??= new DecodeBuffer();
        return Decode(ReadFile(path, buffer), path, buffer, dicom);
    }

    /// <summary>Decodes a file's content; <paramref name="path"/> only names it in errors.</summary>
    /// <exception cref="InputException">The content is empty, truncated, damaged, too large or no picture.</exception>
    public static DecodedImage Decode(ReadOnlySpan<byte> file, string path, DecodeBuffer? buffer = null, DicomGray dicom = DicomGray.Window)
    {
        var picture = new PictureName(path);
        buffer ??= new DecodeBuffer();
        if (DicomPicture.Is(file)) return DicomPicture.Decode(file, picture, buffer, dicom);
        var turned = Exif.Note(file);
        var decoded = Png.Is(file) ? Png.Decode(file, picture, buffer)
            : Jpeg.Is(file) ? Jpeg.Decode(file, picture, buffer)
            : SkiaPicture.Is(file) ? SkiaPicture.Decode(file, picture, buffer)
            : Tiff.Is(file) ? Tiff.Decode(file, picture, buffer)
            : Tga.Is(file) ? Tga.Decode(file, picture, buffer)
            : throw NotAPicture(picture, file);
        return turned is null ? decoded : decoded.Noting(turned);
    }

    /// <summary>
    /// Decodes a file for models that spread the full range of its values: gray of more than 8 bits is in
    /// <see cref="DecodedImage.Wide"/> in its full depth, and a DICOM picture there alone, without regard to windows.
    /// </summary>
    /// <exception cref="InputException">As for <see cref="Decode(string, DecodeBuffer, DicomGray)"/>.</exception>
    internal static DecodedImage DecodeFullRange(string path, DecodeBuffer buffer)
    {
        var file = ReadFile(path, buffer);
        return DicomPicture.Is(file) ? DicomPicture.Decode(file, new PictureName(path), buffer, DicomGray.Full, wide: true)
            : Decode(file, path, buffer);
    }

    /// <summary>Reads only the size and kind.</summary>
    /// <exception cref="InputException">The file is missing, empty, no picture, or its header is damaged.</exception>
    public static ImageHeader ReadHeader(string path) => Probe(path, out _);

    /// <summary>
    /// Reads the size and kind, and makes sure that the file is whole: by its end mark, or by decoding it when there is none.
    /// </summary>
    /// <exception cref="InputException">The file is missing, empty, truncated, no picture, or its header is damaged.</exception>
    public static ImageHeader Check(string path, DecodeBuffer buffer, DicomGray dicom = DicomGray.Window)
    {
        var header = Probe(path, out var whole);
        return whole ? header : Decoded(header, Decode(path, buffer, dicom));
    }

    /// <summary>As <see cref="Check(string, DecodeBuffer, DicomGray)"/> for a file that is in memory.</summary>
    internal static ImageHeader Check(ReadOnlySpan<byte> file, string path, DicomGray dicom = DicomGray.Window)
    {
        var header = ReadHeader(file, path);
        return EndsWhole(file) ? header with { Note = Exif.Note(file) } : Decoded(header, Decode(file, path, null, dicom));
    }

    private static ImageHeader Decoded(ImageHeader header, DecodedImage image) =>
        header with { Note = image.Note, EndsEarly = image.EndsEarly };

    /// <summary>As <see cref="ReadHeader(string)"/> for a file in memory; <paramref name="path"/> only names it in errors.</summary>
    internal static ImageHeader ReadHeader(ReadOnlySpan<byte> file, string path) =>
        Header(file, new PictureName(path)) ?? throw new PictureName(path).Damaged("it ends before its size");

    private static ImageHeader Probe(string path, out bool whole)
    {
        const int usual = 4096, most = 4 << 20; // colour profiles can come first
        var picture = new PictureName(path);
        using var handle = Open(path, picture);
        try
        {
            Span<byte> start = stackalloc byte[usual], end = stackalloc byte[16];
            start = start[..RandomAccess.Read(handle, start, 0)];
            var length = RandomAccess.GetLength(handle);
            if (DicomPicture.Is(start) || (!Png.Is(start) && !Jpeg.Is(start)))
            {
                whole = false;
                return OtherHeader(ReadFile(path, new DecodeBuffer()), picture);
            }

            if (Header(start, picture) is not { } header)
            {
                var more = new byte[Math.Min(most, length)];
                header = Header(more.AsSpan(0, RandomAccess.Read(handle, more, 0)), picture)
                    ?? throw picture.Damaged("it ends before its size");
            }

            whole = EndsWhole(start, end[..RandomAccess.Read(handle, end, Math.Max(0, length - end.Length))]);
            return header with { Note = Exif.Note(start) };
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw picture.Bad("the file cannot be read", "check the disk and the permissions", e);
        }
    }

    private static ImageHeader? Header(ReadOnlySpan<byte> start, PictureName picture) =>
        Png.Is(start) ? Png.Header(start, picture)
        : Jpeg.Is(start) ? Jpeg.Header(start, picture)
        : OtherHeader(start, picture);

    /// <summary>The header of a format that needs the whole file for it.</summary>
    private static ImageHeader OtherHeader(ReadOnlySpan<byte> file, PictureName picture) =>
        DicomPicture.Is(file) ? DicomPicture.Header(file, picture)
        : SkiaPicture.Is(file) ? SkiaPicture.Header(file, picture)
        : Tiff.Is(file) ? Tiff.Header(file, picture)
        : Tga.Is(file) ? Tga.Header(file, picture)
        : throw NotAPicture(picture, file);

    private static bool EndsWhole(ReadOnlySpan<byte> file) => EndsWhole(file, file);

    private static bool EndsWhole(ReadOnlySpan<byte> start, ReadOnlySpan<byte> end) =>
        Png.Is(start) ? Png.EndsWhole(end) : Jpeg.Is(start) && Jpeg.EndsWhole(end);

    /// <summary>The whole file in the buffer's memory.</summary>
    /// <exception cref="InputException">The file is missing, cannot be read or is larger than any picture.</exception>
    internal static ReadOnlySpan<byte> ReadFile(string path, DecodeBuffer buffer)
    {
        var picture = new PictureName(path);
        using var handle = Open(path, picture);
        try
        {
            var length = RandomAccess.GetLength(handle);
            if (length > MaxFileBytes)
                throw picture.Bad($"the file has {length:N0} bytes, more than any picture here", $"name a {Formats} file");
            var file = buffer.File((int)length).AsSpan(0, (int)length);
            var done = 0;
            for (int read; done < file.Length && (read = RandomAccess.Read(handle, file[done..], done)) > 0;) done += read;
            return file[..done];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            throw picture.Bad("the file cannot be read", "check the disk and the permissions", e);
        }
    }

    private static SafeFileHandle Open(string path, PictureName picture)
    {
        try
        {
            InputFile.Require(path);
            if (new FileInfo(path).Length == 0) throw picture.Bad("the file is empty", "fetch it again");
            return File.OpenHandle(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw Directory.Exists(path)
                ? picture.Bad("this is a folder, not a picture", $"name a {Formats} file")
                : picture.Bad("there is no such picture", "check the image folder");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException or ArgumentException)
        {
            throw picture.Bad("the file cannot be opened", "check its name and permissions", e);
        }
    }

    private static InputException NotAPicture(PictureName picture, ReadOnlySpan<byte> file) => file.Length == 0
        ? picture.Bad("the file is empty", "fetch it again")
        : OtherFile.Recognise("", file[..Math.Min(file.Length, OtherFile.Head)]) is { } other ? picture.Bad(other.What, other.Advice)
        : picture.Bad($"the file is no {Formats}", "convert it, or fetch it again");
}
