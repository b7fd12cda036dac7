using System.Collections.Concurrent;
using System.Security.Cryptography;
using Pfmvg.Data.Preparation;
using Pfmvg.Geometry;
using Pfmvg.Imaging;

namespace Pfmvg.Data.Loading;

/// <summary>How <see cref="SampleLoader"/> loads.</summary>
public sealed record LoaderOptions
{
    /// <summary>Side of the square picture in pixels.</summary>
    public required int Size { get; init; }

    /// <summary>Threads that decode; 0: one per core.</summary>
    public int Workers { get; init; }

    /// <summary>Pictures that may wait for the model; 0: four per worker.</summary>
    public int Ahead { get; init; }

    /// <summary>Smallest area of a random crop as a share of the picture; null: the whole picture, always.</summary>
    public double? LeastCropArea { get; init; }

    /// <summary>Share of what is shown that is cropped in an epoch; the rest is whole.</summary>
    public double CropShare { get; init; } = 1;

    /// <summary>
    /// For a sample the first of those that are shown the same crop in an epoch, and the boxes that it must hold; null where each sample
    /// has its own.
    /// </summary>
    internal Func<int, (int First, IReadOnlyList<Box> Boxes)>? Together { get; init; }

    /// <summary>Most bytes of decoded pictures that stay in memory, so that later epochs decode them no more; 0: none.</summary>
    internal long KeptBytes { get; init; }

    /// <summary>The run's seed, which the crops depend on.</summary>
    public long Seed { get; init; }

    /// <summary>A picture that cannot be read, or has another size than its sample: fail, or leave the sample out and list it.</summary>
    public BadSamples Broken { get; init; } = BadSamples.Fail;

    /// <summary>How DICOM values become gray.</summary>
    public DicomGray Dicom { get; init; } = DicomGray.Window;

    /// <summary>Judges pictures that end early; null: they are used.</summary>
    internal TruncationGuard? Truncation { get; init; }

    /// <summary>Folder for ready pictures; null: none. Random crops are never kept.</summary>
    public string? Cache { get; init; }

    /// <summary>Kept features of whole pictures, which are then not decoded; null: none. Random crops are never kept.</summary>
    public FeatureCache? Features { get; init; }

    /// <summary>Whether a sample is cropped in an epoch.</summary>
    internal static bool IsCropped(double share, long seed, int epoch, int index) =>
        share >= 1 || new CounterRandom(seed, "crop share", epoch, index).NextDouble() < share;
}

/// <summary>A sample as the model sees it.</summary>
/// <param name="Index">Its place in the list of samples.</param>
/// <param name="Sample">The sample as prepared.</param>
/// <param name="Crop">The part of the picture that is seen, in original pixels.</param>
/// <param name="Boxes">The sample's boxes in pixels of the crop.</param>
/// <param name="Picture">The crop at S x S, or its features.</param>
public sealed record LoadedSample(int Index, Sample Sample, Crop Crop, IReadOnlyList<Box> Boxes, VisionInput Picture);

/// <summary>A sample that was left out.</summary>
/// <param name="Index">Its place in the list of samples.</param>
/// <param name="Reason">What is wrong; patient numbers are hidden.</param>
public sealed record BrokenSample(int Index, string Reason);

/// <summary>
/// Reads pictures ahead of the model. What comes out depends on the samples, the epoch and the seed only: not on the number
/// of workers, nor on timing, nor on the cache.
/// </summary>
/// <param name="data">Where the pictures are.</param>
/// <param name="options">How to load.</param>
public sealed class SampleLoader(PreparedData data, LoaderOptions options)
{
    private readonly PictureCache? _cache = options.Cache is null ? null
        : new PictureCache(options.Cache, options.Size, options.Dicom);
    private readonly DecodedPictures _decoded = new(options.KeptBytes);
    private readonly Lock _gate = new();
    private readonly SortedDictionary<int, string> _broken = [];

    /// <summary>The samples left out so far, each once.</summary>
    public IReadOnlyList<BrokenSample> Broken
    {
        get
        {
            lock (_gate) return [.. _broken.Select(broken => new BrokenSample(broken.Key, broken.Value))];
        }
    }

    /// <summary>Loads samples in the given order.</summary>
    /// <param name="samples">All samples of a split.</param>
    /// <param name="order">Places in <paramref name="samples"/>.</param>
    /// <param name="epoch">Another epoch has other random crops.</param>
    /// <param name="augment">Random crops, if the options have them.</param>
    /// <param name="cancel">Stops the loading.</param>
    /// <exception cref="InputException">A picture is broken and the options say to fail.</exception>
    public IEnumerable<LoadedSample> Load(
        IReadOnlyList<Sample> samples, IEnumerable<int> order, int epoch = 0, bool augment = false, CancellationToken cancel = default) =>
        Ahead(samples, [new StepShare(epoch, order)], augment, cancel).Select(loaded => loaded.Sample).OfType<LoadedSample>();

    /// <summary>Loads the samples of one step after the other; null for those that are left out.</summary>
    internal IEnumerable<(StepShare Step, LoadedSample? Sample)> Ahead(
        IReadOnlyList<Sample> samples, IEnumerable<StepShare> steps, bool augment, CancellationToken cancel)
    {
        var workers = options.Workers > 0 ? options.Workers : Environment.ProcessorCount;
        var ahead = options.Ahead > 0 ? options.Ahead : 4 * workers;
        return LoadAhead.InOrder(steps.SelectMany(Items), (item, buffer) =>
            (item.Step, TryLoad(samples[item.Index], item.Index, item.Step.Epoch, augment, buffer, item.Shown)), workers, ahead, cancel);

        // What several samples of a step show is made once.
        IEnumerable<(StepShare Step, int Index, ConcurrentDictionary<(string, Crop), Lazy<VisionInput>>? Shown)> Items(StepShare step)
        {
            var shown = augment && options.Together is not null ? new ConcurrentDictionary<(string, Crop), Lazy<VisionInput>>() : null;
            return step.Indices.Select(index => (step, index, shown));
        }
    }

    /// <summary>Loads one sample on the caller's thread.</summary>
    /// <exception cref="InputException">The picture cannot be read or has another size than the sample.</exception>
    public LoadedSample Load(Sample sample, int index, int epoch, bool augment, DecodeBuffer buffer) =>
        Load(sample, index, epoch, augment, crop => See(sample, crop, buffer));

    private LoadedSample Load(Sample sample, int index, int epoch, bool augment, Func<Crop, VisionInput> see)
    {
        var (first, boxes) = options.Together?.Invoke(index) ?? (index, sample.Boxes);
        if (!augment || options.LeastCropArea is not { } least
            || !LoaderOptions.IsCropped(options.CropShare, options.Seed, epoch, first))
            return new LoadedSample(index, sample, Whole(sample), sample.Boxes, see(Whole(sample)));
        var crop = Crop.Random(sample.Width, sample.Height, boxes, least, new CounterRandom(options.Seed, "crop", epoch, first));
        return new LoadedSample(index, sample, crop, crop.Apply(sample.Boxes), see(crop));
    }

    private VisionInput See(Sample sample, Crop crop, DecodeBuffer buffer) =>
        crop == Whole(sample) ? Whole(sample, buffer) : new VisionInput(Picture(sample, crop, buffer));

    private static Crop Whole(Sample sample) => Crop.Whole(sample.Width, sample.Height);

    /// <summary>A sample's whole picture, or its features where they are kept; on the caller's thread.</summary>
    /// <exception cref="InputException">The picture cannot be read or has another size than the sample.</exception>
    public VisionInput Whole(Sample sample, DecodeBuffer buffer)
    {
        var entry = options.Features?.EntryOf(data.ImagePath(sample), sample.Width, sample.Height, buffer);
        if (entry?.Find() is { } features) return new VisionInput(null, entry, features);
        var picture = Picture(sample, Whole(sample), buffer);
        return new VisionInput(picture, picture.EndsEarly is null ? entry : null); // what is kept is never judged again
    }

    private LoadedSample? TryLoad(Sample sample, int index, int epoch, bool augment, DecodeBuffer buffer,
        ConcurrentDictionary<(string, Crop), Lazy<VisionInput>>? shown)
    {
        try
        {
            return shown is null ? Load(sample, index, epoch, augment, buffer) : Load(sample, index, epoch, augment, crop =>
                shown.GetOrAdd((data.ImagePath(sample), crop), _ => new Lazy<VisionInput>(() => See(sample, crop, buffer))).Value);
        }
        catch (InputException e) when (options.Broken == BadSamples.Skip)
        {
            lock (_gate) _broken[index] = e.Message;
            return null;
        }
    }

    private DecodedImage Picture(Sample sample, Crop crop, DecodeBuffer buffer)
    {
        var whole = crop == Whole(sample);
        if (whole && sample.Sha256 is not null && _cache?.Find(sample.Sha256, buffer) is { } ready) return ready;

        var path = data.ImagePath(sample);
        if (_decoded.Find(path) is { } decoded) return ImageTransform.Resize(decoded, options.Size, crop).EndingEarly(decoded.EndsEarly);
        var file = ImageFile.ReadFile(path, buffer);
        var hash = whole && _cache is not null ? Convert.ToHexStringLower(SHA256.HashData(file)) : null;
        if (hash is not null && sample.Sha256 is null && _cache?.Find(hash, new DecodeBuffer()) is { } unnamed) return unnamed;

        var image = ImageFile.Decode(file, path, buffer, options.Dicom);
        options.Truncation?.Judge(image, path);
        if (image.Width != sample.Width || image.Height != sample.Height)
            throw new InputException($"{Privacy.Mask(path)}: the picture has {image.Width} x {image.Height} pixels, but {sample.Width} "
                + $"x {sample.Height} when the data were prepared; prepare them again.");
        _decoded.Keep(path, image);
        var picture = ImageTransform.Resize(image, options.Size, crop).EndingEarly(image.EndsEarly);
        if (hash is not null && image.EndsEarly is null) _cache!.Keep(hash, picture);
        return picture;
    }
}
