using System.Collections.Concurrent;

namespace Pfmvg.Imaging;

/// <summary>What becomes of a picture whose compressed data end early or are broken: a part of its pixels is not the picture's.</summary>
public enum TruncatedPictures
{
    /// <summary>It is used, and said once.</summary>
    Warn,

    /// <summary>It is refused, as any other damaged picture is.</summary>
    Refuse,
}

/// <summary>Judges decoded pictures by the rule. Any number of threads may ask.</summary>
/// <param name="rule">What becomes of them.</param>
/// <param name="tell">Gets a line for each such picture, once; null says nothing.</param>
internal sealed class TruncationGuard(TruncatedPictures rule, Action<string>? tell = null)
{
    private readonly ConcurrentDictionary<string, bool> _told = [];
    private readonly Lock _gate = new();

    /// <summary>The picture, if it may be used.</summary>
    /// <param name="image">As it was decoded.</param>
    /// <param name="path">Names it.</param>
    /// <exception cref="InputException">It ends early, and such pictures are refused.</exception>
    public DecodedImage Judge(DecodedImage image, string path)
    {
        if (image.EndsEarly is not { } clause) return image;
        if (rule == TruncatedPictures.Refuse)
            throw new PictureName(path).Bad(clause, "fetch it again, or use it as it is with data.truncated_pictures: warn");
        if (tell is null || !_told.TryAdd(path, true)) return image;
        lock (_gate)
            tell($"{Privacy.Mask(path)}: {clause}; it is used as it is, and data.truncated_pictures: refuse refuses such pictures.");
        return image;
    }
}
