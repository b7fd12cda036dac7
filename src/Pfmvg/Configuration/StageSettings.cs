using System.ComponentModel.DataAnnotations;
using System.Globalization;
using Pfmvg.Text;

namespace Pfmvg.Configuration;

/// <summary>Settings of one fine-tuning stage. A step is one update of the trainables.</summary>
public sealed record StageSettings
{
    /// <summary>What the stage teaches.</summary>
    public SampleTask Task { get; init; }

    /// <summary>Passes over the training split.</summary>
    [Range(1, 1_000_000)] public int Epochs { get; init; } = 1;

    /// <summary>Samples per device and micro-step.</summary>
    [Range(1, 1 << 16)] public int BatchSize { get; init; } = 1;

    /// <summary>Micro-steps per step; the loss is weighted by answer tokens over all of them.</summary>
    [Range(1, 1 << 16)] public int Accumulate { get; init; } = 1;

    /// <summary>Learning rate that warm-up ends at and the cosine starts from.</summary>
    [Range(0.0, 10.0, MinimumIsExclusive = true)] public double InitLr { get; init; } = 1e-4;

    /// <summary>Learning rate at the end of the cosine.</summary>
    [Range(0.0, 10.0)] public double MinLr { get; init; }

    /// <summary>Learning rate at the first step of the warm-up.</summary>
    [Range(0.0, 10.0)] public double WarmupStartLr { get; init; } = 1e-6;

    /// <summary>Steps of linear warm-up.</summary>
    [Range(0, int.MaxValue)] public int WarmupSteps { get; init; }

    /// <summary>Which step the warm-up counts.</summary>
    public WarmupScope WarmupScope { get; init; } = WarmupScope.Run;

    /// <summary>AdamW's decoupled decay; not applied to vectors nor to names with "bias", "ln" or "bn".</summary>
    [Range(0.0, 10.0)] public double WeightDecay { get; init; } = 0.05;

    /// <summary>AdamW's first momentum.</summary>
    [Range(0.0, 1.0, MaximumIsExclusive = true)] public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's second momentum.</summary>
    [Range(0.0, 1.0, MaximumIsExclusive = true)] public double Beta2 { get; init; } = 0.999;

    /// <summary>
    /// Rate of the adapters' second factors (B) as a multiple of all other rates (LoRA+, Hayou et al. 2024); 1 is the published training.
    /// </summary>
    [Range(0.0, 10_000.0, MinimumIsExclusive = true)] public double LoraBLrFactor { get; init; } = 1;

    /// <summary>Largest norm of the whole gradient; 0 does not clip, as published.</summary>
    [Range(0.0, double.MaxValue)] public double ClipNorm { get; init; }

    /// <summary>Longest answer in tokens; a longer one is cut, its end token with it.</summary>
    [Range(1, 1 << 16)] public int MaxAnswerTokens { get; init; } = 160;

    /// <summary>How a picture becomes square.</summary>
    public ImageMode Image { get; init; } = ImageMode.RandomCrop;

    /// <summary>Smallest area of a random crop as a share of the picture.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)] public double CropScaleMin { get; init; } = 0.5;

    /// <summary>Share of the samples (of the pictures, where they are shared) that are cropped in an epoch; the others are whole.</summary>
    [Range(0.0, 1.0)] public double CropShare { get; init; } = 1;

    /// <summary>
    /// The vision tower and the norm behind it learn, too; in the published training they are frozen. Their features are then not kept.
    /// </summary>
    public bool TrainVision { get; init; }

    /// <summary>Rate of the vision tower as a multiple of the other rates.</summary>
    [Range(0.0, 10_000.0, MinimumIsExclusive = true)] public double VisionLrFactor { get; init; } = 1;

    /// <summary>Normalise captions and phrases as BLIP's caption processor does: lower case, punctuation to spaces.</summary>
    public bool NormalizeText { get; init; } = true;

    /// <summary>Longest normalised caption in words.</summary>
    [Range(1, 1 << 16)] public int CaptionWords { get; init; } = 50;

    /// <summary>What a phrase with several boxes becomes.</summary>
    public MultiBox MultiBox { get; init; } = MultiBox.PerBox;

    /// <summary>Which whole number of hundredths a target has for a corner of its box.</summary>
    public BoxWriting BoxWriting { get; init; }

    /// <summary>Stage 2 also trains a head that reads a box off the hidden state behind the prompt, where a target is one box.</summary>
    public bool BoxHead { get; init; }

    /// <summary>Weight of a box's loss in that head beside the loss of one answer token.</summary>
    [Range(0.0, 1e6, MinimumIsExclusive = true)] public double BoxHeadWeight { get; init; } = 1;

    /// <summary>What the loss is a mean over: answer tokens, as published, or answers, whose tokens share the weight of one.</summary>
    public LossMean LossMean { get; init; }

    /// <summary>Weight of the expected distance of a coordinate's digits beside their cross-entropy; 0, as published, has none.</summary>
    [Range(0.0, 1e6)] public double CoordinateLoss { get; init; }

    /// <summary>
    /// Share of an epoch's samples that are phrases which name nothing in their picture, to be answered "none", beside the others; 0
    /// teaches none, as published.
    /// </summary>
    [Range(0.0, 0.9)] public double Negatives { get; init; }

    /// <summary>How often an epoch takes the samples of a data set, by its name; once where it is not named.</summary>
    public IReadOnlyDictionary<string, string> Repeat { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Shares of an epoch's samples that ask other tasks of MiniGPT-v2's template about the same pictures, by the tasks' names: identify,
    /// detection, grounding. Empty, as published, teaches the stage's task alone.
    /// </summary>
    public IReadOnlyDictionary<string, string> Tasks { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Puts samples with texts of like length into the same step, so that batches hold less padding; the
    /// published training draws steps at random.
    /// </summary>
    public bool GroupByLength { get; init; }

    /// <summary>
    /// Puts the samples of a picture into the same step, where they share its visual tokens; on the CPU in float32 the step is code of its
    /// own with a picture a thread. The published training draws samples at random, and each has its picture for itself.
    /// </summary>
    public bool SharePictures { get; init; }

    /// <summary>Forward each block again in the backward pass instead of keeping its activations.</summary>
    public Recomputation Recompute { get; init; }

    /// <summary>Steps in a row with a NaN or infinite loss or gradient that are skipped before the run stops.</summary>
    [Range(0, int.MaxValue)] public int NanTolerance { get; init; } = 3;

    /// <summary>Steps between checkpoints within an epoch; 0 saves at the ends of epochs only.</summary>
    [Range(0, int.MaxValue)] public int CheckpointEvery { get; init; }

    /// <summary>Checkpoints kept, the best one by validation beside them.</summary>
    [Range(1, int.MaxValue)] public int KeepLast { get; init; } = 3;

    /// <summary>Steps between lines of the log.</summary>
    [Range(1, int.MaxValue)] public int LogEvery { get; init; } = 10;

    /// <summary>Score the validation split at the end of every epoch.</summary>
    public bool Validate { get; init; } = true;

    /// <summary>Epochs without a better validation after which the stage ends; 0 goes on to the last epoch, as published.</summary>
    [Range(0, 1_000_000)] public int Patience { get; init; }

    /// <summary>
    /// Which checkpoint of the training before the stage begins with: stage 1's, or that of the run's folder in `--from`.
    /// </summary>
    public CheckpointChoice Start { get; init; } = CheckpointChoice.Last;

    /// <summary>The stage as it is validated: on the split as it is.</summary>
    internal StageSettings Unmixed => this with
    {
        Negatives = 0, Repeat = new Dictionary<string, string>(), Tasks = new Dictionary<string, string>(),
    };

    /// <summary>The tasks that phrases with boxes can teach beside the place of a phrase.</summary>
    internal static IReadOnlyList<string> TaskNames { get; } = ["identify", "detection", "grounding"];

    /// <summary>The other tasks that are taught with their shares, in a fixed order; of settings that were checked.</summary>
    internal IReadOnlyList<(SampleTask Task, double Share)> TaskShares => [.. Tasks.Where(task => TaskShare(task.Value) > 0)
        .Select(task => (Enum.Parse<SampleTask>(task.Key, ignoreCase: true), TaskShare(task.Value)!.Value)).OrderBy(task => task.Item1)];

    /// <summary>A share as it is written; null where it is none.</summary>
    internal static double? TaskShare(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var share) && share <= 0.9 ? share : null;
}

/// <summary>Which step the warm-up counts.</summary>
public enum WarmupScope
{
    /// <summary>The step since the start of the stage.</summary>
    Run,

    /// <summary>
    /// The step since the start of the epoch, as in the original: it starts again in every epoch, even where epochs are
    /// shorter than the warm-up.
    /// </summary>
    Epoch,
}

/// <summary>How a picture becomes square.</summary>
public enum ImageMode
{
    /// <summary>The whole picture, stretched, as in the authors' published code.</summary>
    Resize,

    /// <summary>A random part of it that holds the target, stretched; the boxes move with it. As in the paper's text.</summary>
    RandomCrop,
}

/// <summary>What a phrase with several boxes becomes.</summary>
public enum MultiBox
{
    /// <summary>One sample per box with the same phrase, as published.</summary>
    PerBox,

    /// <summary>One sample with all boxes.</summary>
    PerPhrase,
}

/// <summary>Whether each block is computed again in the backward pass instead of keeping its activations.</summary>
public enum Recomputation
{
    /// <summary>Where the memory that is there asks for it; a resumed run keeps what it was begun with.</summary>
    Auto,

    /// <summary>Always.</summary>
    True,

    /// <summary>Never, but for int8 weights on CUDA.</summary>
    False,
}

/// <summary>What the loss of a step is a mean over.</summary>
public enum LossMean
{
    /// <summary>Answer tokens: a long answer weighs more.</summary>
    Tokens,

    /// <summary>Answers: each one's tokens have the weight of one.</summary>
    Answers,
}
