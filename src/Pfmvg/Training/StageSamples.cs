using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Geometry;

namespace Pfmvg.Training;

/// <summary>
/// The samples of a split as a stage takes them, whichever model learns: which they are, their order in an epoch, their pictures. What an
/// epoch changes is a function of (seed, epoch, sample), so that a resumed run, another number of ranks and another number of workers
/// see the same.
/// </summary>
/// <param name="data">The prepared data.</param>
/// <param name="samples">The split.</param>
/// <param name="settings">The stage.</param>
/// <param name="loading">How pictures are loaded, and the run's seed.</param>
internal sealed class StageSamples(PreparedData data, IReadOnlyList<Sample> samples, StageSettings settings, LoaderOptions loading)
{
    private const int StepsTogether = 32; // few enough that an epoch stays mixed, enough for lengths to fit

    private readonly TaughtMixture _mixture = new(data.Folder, samples, settings, loading.Seed);
    private SampleLoader? _loader;
    private Func<int, IReadOnlyList<int>, Func<IEnumerable<LoadedSample>>, IEnumerable<LoadedSample>>? _takeAhead;
    private int[]? _firstOfPicture;
    private ILookup<int, Box>? _boxesOfPicture;

    /// <summary>The samples, a phrase with several boxes taken apart where the stage says so (as published: one target per box).</summary>
    public IReadOnlyList<Sample> Samples => _mixture.Samples;

    /// <summary>What the user should read about their mixture; null where they are those of the split.</summary>
    public string? Mixture => _mixture.Said;

    /// <summary>Every sample that an epoch may have, however often and in whatever order.</summary>
    public IReadOnlyList<Sample> Possible => _mixture.Possible;

    /// <summary>Samples left out so far because their pictures are broken.</summary>
    public IReadOnlyList<BrokenSample> Broken => Loader.Broken;

    /// <summary>
    /// The order of an epoch: at random or, where the stage groups by length, steps at random whose samples have texts of like
    /// length, the best fitting ones of some steps that were drawn together; where pictures are shared, pictures at random, each with all
    /// its samples. An incomplete step is the last one.
    /// </summary>
    /// <param name="epoch">The epoch.</param>
    /// <param name="stepSize">Samples of a step, of all processes together.</param>
    public int[] Order(int epoch, int stepSize)
    {
        var drawn = new CounterRandom(loading.Seed, "order", epoch).Permutation(Samples.Count);
        if (settings.SharePictures)
        {
            var pictures = drawn.GroupBy(FirstOfPicture).ToList();
            return [.. new CounterRandom(loading.Seed, "pictures", epoch).Permutation(pictures.Count).SelectMany(i => pictures[i])];
        }

        if (!settings.GroupByLength) return drawn;
        var steps = drawn.Chunk(StepsTogether * stepSize)
            .SelectMany(together => together.OrderBy(i => Samples[i].Text.Length).Chunk(stepSize)).ToList();
        var order = new CounterRandom(loading.Seed, "steps", epoch).Permutation(Samples.Count / stepSize);
        return [.. order.Select(step => steps[step]).Concat(steps.Skip(order.Length)).SelectMany(step => step)];
    }

    /// <summary>
    /// The first sample that is shown the same as this one: its picture, or the crop of it where the stage shares pictures; otherwise
    /// each has a crop of its own.
    /// </summary>
    public int FirstOfPicture(int index) => (_firstOfPicture ??= FindFirst())[index];

    /// <summary>Samples in the given order, decoded ahead by worker threads; broken ones are left out where the settings say so.</summary>
    public IEnumerable<LoadedSample> Load(
        IReadOnlyList<int> indices, int epoch, bool augment, CancellationToken cancel = default)
    {
        return (augment && _takeAhead is { } take ? take(epoch, indices, Plain) : Plain())
            .Select(loaded => _mixture.At(loaded.Index, epoch) is var sample && !_mixture.IsDrawn(loaded.Index)
                ? loaded with { Sample = sample } : loaded with { Sample = sample, Boxes = loaded.Crop.Apply(sample.Boxes) });

        IEnumerable<LoadedSample> Plain() => Loader.Load(Samples, indices, epoch, augment, cancel);
    }

    /// <summary>
    /// Loads the samples of the coming steps before they are asked for, across the ends of steps and epochs. What is loaded stays the same.
    /// </summary>
    /// <param name="steps">The steps as they will be asked for, enumerated on threads of its own.</param>
    /// <param name="cancel">Stops the loading.</param>
    /// <returns>Ends it.</returns>
    public IDisposable Follow(IEnumerable<StepShare> steps, CancellationToken cancel)
    {
        var ahead = new LoadedSteps(Loader.Ahead(Samples, steps, augment: true, cancel));
        _takeAhead = ahead.Take;
        return ahead;
    }

    // A shared crop holds the boxes of all samples of its picture, so it depends on (seed, epoch, picture) alone. A question that is drawn
    // anew in each epoch has a crop that holds the boxes of all that it may be.
    private SampleLoader Loader => _loader ??= new SampleLoader(data, loading.LeastCropArea is null ? loading
        : settings.SharePictures
            ? loading with { Together = index => (FirstOfPicture(index), [.. BoxesOfPicture[FirstOfPicture(index)]]) }
        : settings.Tasks.Count > 0 ? loading with { Together = index => (index, _mixture.BoxesOf(index)) } : loading);

    private ILookup<int, Box> BoxesOfPicture => _boxesOfPicture ??= Enumerable.Range(0, Samples.Count)
        .SelectMany(index => _mixture.BoxesOf(index).Select(box => (First: FirstOfPicture(index), Box: box)))
        .ToLookup(one => one.First, one => one.Box);

    private int[] FindFirst()
    {
        if (loading.LeastCropArea is not null && !settings.SharePictures) return [.. Enumerable.Range(0, Samples.Count)];
        var first = new Dictionary<(string Source, string Image), int>();
        foreach (var (index, sample) in Samples.Index()) first.TryAdd((sample.Source, sample.Image), index);
        return [.. Samples.Select(sample => first[(sample.Source, sample.Image)])];
    }
}
