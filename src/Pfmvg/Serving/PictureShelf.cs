using System.Collections.Concurrent;
using System.Security.Cryptography;
using Pfmvg.Imaging;

namespace Pfmvg.Serving;

/// <summary>A picture that was sent: its size, and what the model sees of it.</summary>
/// <param name="width">Width of the original picture in pixels.</param>
/// <param name="height">Height of the original picture in pixels.</param>
/// <param name="image">S x S.</param>
internal sealed class ServedPicture(int width, int height, DecodedImage image)
{
    public int Width { get; } = width;

    public int Height { get; } = height;

    /// <summary>The rule by which the values of a DICOM picture became gray; null for other pictures.</summary>
    public string? Dicom { get; init; }

    /// <summary>What decoding changed; null when nothing.</summary>
    public string? Note { get; } = image.Note;

    /// <summary>S x S; null once the features are known. Only the answering thread asks.</summary>
    public DecodedImage? Image { get; private set; } = image;

    /// <summary>N x 4V values; null until the picture has been encoded. Only the answering thread asks.</summary>
    public float[]? Features { get; private set; }

    /// <summary>Keeps the features instead of the pixels.</summary>
    public void Keep(float[] features) => (Features, Image) = (features, null);
}

/// <summary>Pictures as they come in, bounded before they are decoded; the recent ones are kept in memory, ready for the model.</summary>
/// <remarks>For any number of threads. Nothing is written anywhere.</remarks>
/// <param name="size">S, the side of what the model sees.</param>
/// <param name="dicom">How DICOM values become gray.</param>
/// <param name="mostPixels">Larger pictures are refused.</param>
/// <param name="places">Pictures that are kept.</param>
/// <param name="guard">Judges pictures that end early; null: they are used.</param>
internal sealed class PictureShelf(int size, DicomGray dicom, long mostPixels, int places, TruncationGuard? guard = null)
{
    private const string Name = "image"; // in errors: the field that a picture came in
    private const int UsualPixels = 32 << 20;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedListNode<Place>> _byContent = [];
    private readonly LinkedList<Place> _recent = []; // the one used last comes first
    private readonly ConcurrentBag<DecodeBuffer> _buffers = [];

    // Requests that bring one picture at a time wait for the first of them, instead of decoding it once more.
    private sealed record Place(string Key, Lazy<ServedPicture> Picture);

    /// <summary>Pictures that were found ready, or being decoded for another request.</summary>
    public long Hits { get; private set; }

    /// <summary>Pictures that had to be decoded.</summary>
    public long Misses { get; private set; }

    /// <summary>A picture, ready for the model.</summary>
    /// <param name="file">Content of a file of one of <see cref="ImageFile.Formats"/>.</param>
    /// <exception cref="InputException">It is no picture, damaged or too large.</exception>
    public ServedPicture Read(ReadOnlyMemory<byte> file)
    {
        var place = Take(Convert.ToHexString(SHA256.HashData(file.Span)), () => Decode(file.Span,
            (image, isDicom) => new ServedPicture(image.Width, image.Height, ImageTransform.Resize(image, size))
            {
                Dicom = isDicom ? dicom.Word() : null,
            }));
        try
        {
            return place.Picture.Value;
        }
        catch
        {
            Remove(place);
            throw;
        }
    }

    /// <summary>Decodes a picture under the same bounds.</summary>
    /// <param name="file">Content of a file of one of <see cref="ImageFile.Formats"/>.</param>
    /// <param name="use">Gets the pixels, which are valid until it returns, and whether they came from a DICOM file.</param>
    /// <exception cref="InputException">It is no picture, damaged or too large.</exception>
    public T Decode<T>(ReadOnlySpan<byte> file, Func<DecodedImage, bool, T> use)
    {
        var header = ImageFile.ReadHeader(file, Name);
        var pixels = (long)header.Width * header.Height;
        if (pixels > mostPixels)
            throw new InputException($"{Name}: the picture has {header.Width} x {header.Height} pixels, and this server takes "
                + $"{mostPixels:N0} in all; send a smaller one.");
        var buffer = _buffers.TryTake(out var used) ? used : new DecodeBuffer();
        var image = ImageFile.Decode(file, Name, buffer, dicom);
        var result = use(guard?.Judge(image, Name) ?? image, header.Format == "DICOM");
        if (pixels <= UsualPixels) _buffers.Add(buffer); // that of a huge picture is given back to the system
        return result;
    }

    private Place Take(string key, Func<ServedPicture> decode)
    {
        lock (_gate)
        {
            if (_byContent.TryGetValue(key, out var node))
            {
                Hits++;
                _recent.Remove(node);
                _recent.AddFirst(node);
                return node.Value;
            }

            Misses++;
            if (_recent.Count >= places) Remove(_recent.Last!.Value);
            var place = new Place(key, new Lazy<ServedPicture>(decode));
            _byContent.Add(key, _recent.AddFirst(place));
            return place;
        }
    }

    private void Remove(Place place)
    {
        lock (_gate)
        {
            if (!_byContent.TryGetValue(place.Key, out var node) || node.Value != place) return;
            _byContent.Remove(place.Key);
            _recent.Remove(node);
        }
    }
}
