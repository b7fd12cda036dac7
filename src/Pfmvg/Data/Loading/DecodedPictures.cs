using System.Collections.Concurrent;
using Pfmvg.Imaging;

namespace Pfmvg.Data.Loading;

/// <summary>
/// Decoded pictures in memory, in their own size, so that a crop of a later epoch loses nothing and decodes nothing. The first ones stay:
/// every epoch needs all pictures, so whatever was removed would be needed as soon as what replaced it.
/// </summary>
/// <param name="bytes">Most bytes of pixels; pictures beyond are decoded each time.</param>
internal sealed class DecodedPictures(long bytes)
{
    private readonly ConcurrentDictionary<string, DecodedImage> _held = new();
    private long _heldBytes;

    /// <summary>A picture by its path; null when it is not held.</summary>
    public DecodedImage? Find(string path) => _held.GetValueOrDefault(path);

    /// <summary>Holds a copy of a picture, if it fits.</summary>
    public void Keep(string path, DecodedImage picture)
    {
        var size = picture.Pixels.Length;
        if (Interlocked.Add(ref _heldBytes, size) > bytes || !_held.TryAdd(path, Copy(picture))) Interlocked.Add(ref _heldBytes, -size);
    }

    // What is decoded lies in a buffer that the next picture overwrites.
    private static DecodedImage Copy(DecodedImage picture) => new(picture.Width, picture.Height, picture.Channels, picture.Pixels.ToArray())
    {
        Note = picture.Note, EndsEarly = picture.EndsEarly,
    };
}
