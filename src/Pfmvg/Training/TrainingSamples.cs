using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Geometry;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>One sample as the model is taught it in one epoch.</summary>
/// <param name="Index">Place of the sample in its split.</param>
/// <param name="Sequence">Prompt and answer as tokens.</param>
/// <param name="Picture">The transformed picture, or its features.</param>
/// <param name="DropoutSeed">Seed of the adapters' dropout masks.</param>
public sealed record TrainingExample(int Index, TokenSequence Sequence, VisionInput Picture, long DropoutSeed)
{
    /// <summary>The target's only box, as shares of the picture; null where it has none or several.</summary>
    internal Box? Box { get; init; }
}

/// <summary>
/// Makes training examples of a split. What an epoch changes (order, instruction, crop, dropout) is a function of (seed,
/// epoch, sample), so that a resumed run, another number of ranks and another number of workers see the same.
/// </summary>
/// <param name="data">The prepared data.</param>
/// <param name="samples">The split.</param>
/// <param name="builder">Prompts and answers to tokens.</param>
/// <param name="settings">The stage.</param>
/// <param name="loading">How pictures are loaded, and the run's seed. Crops are the stage's own affair.</param>
public sealed class TrainingSamples(
    PreparedData data, IReadOnlyList<Sample> samples, SequenceBuilder builder, StageSettings settings, LoaderOptions loading)
{
    private const long MostDecoded = 1L << 30; // bytes of pixels

    private static readonly Box Widest = new(10, 10, 99, 99); // of 100: a random crop may give every number a second digit

    private readonly long _seed = loading.Seed;
    private readonly StageSamples _split = new(data, samples, settings, loading with
    {
        LeastCropArea = settings.Image == ImageMode.RandomCrop ? settings.CropScaleMin : null,
        CropShare = settings.CropShare,
        KeptBytes = KeptBytes(settings),
    });

    /// <summary>The most bytes of decoded pictures that a stage keeps in memory for later epochs.</summary>
    internal static long KeptBytes(StageSettings settings) =>
        settings.SharePictures && (settings.Image == ImageMode.RandomCrop || settings.TrainVision) ? MostDecoded : 0;

    /// <summary>The samples, a phrase with several boxes taken apart where the stage says so (as published: one target per box).</summary>
    public IReadOnlyList<Sample> Samples => _split.Samples;

    /// <summary>What the user should read about their mixture; null where they are those of the split.</summary>
    internal string? Mixture => _split.Mixture;

    /// <summary>Number of samples.</summary>
    public int Count => Samples.Count;

    /// <summary>
    /// The order of an epoch: at random or, where the stage groups by length, steps at random whose samples have texts of like
    /// length, the best fitting ones of some steps that were drawn together. An incomplete step is the last one.
    /// </summary>
    /// <param name="epoch">The epoch.</param>
    /// <param name="stepSize">Samples of a step, of all processes together.</param>
    public int[] Order(int epoch, int stepSize) => _split.Order(epoch, stepSize);

    /// <summary>How many targets and prompts are cut, and captions shortened or emptied; the tokens of the longest cut target.</summary>
    internal (int Targets, int Prompts, int Longest, int Shortened, int Emptied) Cuts()
    {
        var (targets, prompts, longest, shortened, emptied) = (0, 0, 0, 0, 0);
        foreach (var sample in _split.Possible)
        {
            var (text, cut) = settings.NormalizeText
                ? CaptionNormalizer.Normalize(sample.Text, settings.CaptionWords) : (sample.Text, false);
            if (cut) shortened++;
            if (text.Length == 0) emptied++;
            var (prompt, answer) = sample.Boxes.Count > 0 && settings.Image == ImageMode.RandomCrop
                ? TaughtText.Of(settings, sample, [.. sample.Boxes.Select(_ => Widest)], 100, 100, pick: null)
                : TaughtText.Of(settings, sample, sample.Boxes, sample.Width, sample.Height, pick: null);
            var found = builder.Measure(prompt, answer);
            if (found.PromptIsCut) prompts++;
            if (!found.AnswerIsCut) continue;
            targets++;
            longest = Math.Max(longest, found.Answer);
        }

        return (targets, prompts, longest, shortened, emptied);
    }

    /// <summary>Samples left out so far because their pictures are broken.</summary>
    public IReadOnlyList<BrokenSample> Broken => _split.Broken;

    /// <summary>
    /// The examples of the given samples, in this order, decoded ahead by worker threads. Broken ones are left out
    /// where the settings say so.
    /// </summary>
    public IEnumerable<TrainingExample> Load(
        IReadOnlyList<int> indices, int epoch, bool augment, CancellationToken cancel = default) =>
        _split.Load(indices, epoch, augment, cancel).Select(loaded => ToExample(loaded, epoch, augment));

    /// <summary>Loads the coming steps before they are asked for; ends when the result is disposed.</summary>
    internal IDisposable Follow(IEnumerable<StepShare> steps, CancellationToken cancel) => _split.Follow(steps, cancel);

    /// <summary>The first sample that is shown the same as this one: its picture, or the crop of it that they share.</summary>
    internal int FirstOfPicture(int index) => _split.FirstOfPicture(index);

    /// <summary>What texts become tokens with.</summary>
    internal LlamaTokenizer Tokenizer => builder.Tokenizer;

    /// <summary>Seed of the dropout masks of a sample in an epoch.</summary>
    internal long DropoutSeed(int epoch, int index) => unchecked((long)new CounterRandom(_seed, "dropout", epoch, index).NextBits());

    /// <summary>Pads the sequences of examples on the right.</summary>
    /// <returns>Token ids and targets (B, T), in the caller's dispose scope.</returns>
    public (Tensor Ids, Tensor Targets) Collate(IReadOnlyList<TrainingExample> examples)
    {
        var length = examples.Max(e => e.Sequence.Ids.Count);
        var ids = new long[examples.Count * length];
        var targets = new long[examples.Count * length];
        Array.Fill(ids, builder.Tokenizer.PadId);
        Array.Fill(targets, SequenceBuilder.NoTarget);
        for (var row = 0; row < examples.Count; row++)
        {
            var sequence = examples[row].Sequence;
            for (var i = 0; i < sequence.Ids.Count; i++)
                (ids[row * length + i], targets[row * length + i]) = (sequence.Ids[i], sequence.Targets[i]);
        }

        return (tensor(ids, [examples.Count, length]), tensor(targets, [examples.Count, length]));
    }

    private TrainingExample ToExample(LoadedSample loaded, int epoch, bool augment)
    {
        var pick = augment ? new CounterRandom(_seed, "instruction", epoch, loaded.Index) : null;
        var (prompt, answer) = TaughtText.Of(settings, loaded.Sample, loaded.Boxes, loaded.Crop.Width, loaded.Crop.Height, pick);
        return new TrainingExample(loaded.Index, builder.Training(prompt, answer), loaded.Picture, DropoutSeed(epoch, loaded.Index))
        {
            Box = loaded is { Boxes: [var box], Sample.Task: SampleTask.Refer }
                ? box.Scale(1.0 / loaded.Crop.Width, 1.0 / loaded.Crop.Height) : null,
        };
    }
}
