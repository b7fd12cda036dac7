namespace Pfmvg.Imaging;

/// <summary>Size and kind of a picture, from the first bytes of its file.</summary>
/// <param name="Format">"JPEG", "PNG", "DICOM", "BMP", "GIF", "WEBP", "TIFF" or "TGA".</param>
/// <param name="Width">Pixels per row.</param>
/// <param name="Height">Rows.</param>
public sealed record ImageHeader(string Format, int Width, int Height)
{
    /// <summary>
    /// What a reader of the scores should know: what decoding changed, where the file had to be decoded to be checked, and an EXIF
    /// orientation. Null where there is nothing.
    /// </summary>
    public string? Note { get; init; }

    /// <summary>As <see cref="DecodedImage.EndsEarly"/>, where the file had to be decoded to be checked.</summary>
    public string? EndsEarly { get; init; }
}

/// <summary>How large a picture may be.</summary>
internal static class ImageLimits
{
    /// <summary>More pixels are refused, as Pillow refuses them.</summary>
    public const int Pixels = 178_956_970;

    /// <summary>
    /// The limit of colour and progressive JPEG, and of formats whose pixels can take next to no bytes. Such a picture takes several times
    /// the memory of a gray one, and no radiograph is as large.
    /// </summary>
    public const int OtherPixels = 40_000_000;

    /// <summary>Longer rows or columns are refused; JPEG cannot have them.</summary>
    public const int Side = 65_535;
}

/// <summary>The picture's name for errors; patient and study numbers in its path are hidden.</summary>
internal readonly struct PictureName(string path)
{
    public InputException Bad(string what, string advice, Exception? cause = null)
    {
        var sentence = $"{Privacy.Mask(path)}: {what}; {advice}.";
        return cause is null ? new InputException(sentence) : new InputException(sentence, cause);
    }

    public InputException Damaged(string what, Exception? cause = null) =>
        Bad($"the picture is damaged ({what})", "fetch it again", cause);

    public InputException SeveralPictures() => Bad("the file holds several pictures", "save the one that is meant in a file of its own");

    /// <summary>Refuses impossible sizes, and sizes that so few bytes cannot fill, before memory is taken.</summary>
    /// <param name="width">Declared pixels per row.</param>
    /// <param name="height">Declared rows.</param>
    /// <param name="mostPixels">The most pixels that the file's bytes can hold.</param>
    /// <param name="limit">The most pixels that are read of this format.</param>
    public void CheckSize(long width, long height, long mostPixels = long.MaxValue, int limit = ImageLimits.Pixels)
    {
        if (width <= 0 || height <= 0) throw Damaged($"its size is {width} x {height}");
        if (Math.Max(width, height) > ImageLimits.Side || width * height > limit)
            throw Bad($"the picture has {width} x {height} pixels, more than {limit:N0} in all or {ImageLimits.Side:N0} "
                + "a side", "make it smaller");
        if (width * height > mostPixels) throw Damaged($"too few bytes for {width} x {height} pixels");
    }
}
