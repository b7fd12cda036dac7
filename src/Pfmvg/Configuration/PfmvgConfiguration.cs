using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;
using Pfmvg.Models;

namespace Pfmvg.Configuration;

/// <summary>
/// Everything a run depends on beside its files. A key in YAML is the property's name in snake_case; a key that is not
/// given keeps the value written here, which is the paper's or, where the paper is silent, MiniGPT-v2's.
/// </summary>
public sealed record PfmvgConfiguration
{
    /// <summary>Name of the run: its folder under <see cref="Runs"/>.</summary>
    [RegularExpression("[A-Za-z0-9][A-Za-z0-9._-]*")] public string Name { get; init; } = "pfmvg-7b";

    /// <summary>Every random number is a function of this seed, the epoch, the sample and its purpose.</summary>
    [Range(0, int.MaxValue)] public int Seed { get; init; } = 42;

    /// <summary>Where to compute; `auto` is CUDA when there is one.</summary>
    public DeviceChoice Device { get; init; } = DeviceChoice.Auto;

    /// <summary>Type of the frozen base weights; trainables and the loss stay float32.</summary>
    public Precision Precision { get; init; } = Precision.Bf16;

    /// <summary>CPU threads of one process; 0 is all cores, shared with the other processes on the machine.</summary>
    [Range(0, 4096)] public int Threads { get; init; }

    /// <summary>Folder that the relative paths of this configuration start from; itself relative to the current folder.</summary>
    public string Workspace { get; init; } = ".";

    /// <summary>Folder of the run folders.</summary>
    public string Runs { get; init; } = "runs";

    /// <summary>Base weights.</summary>
    public WeightSettings Weights { get; init; } = new();

    /// <summary>Sizes of the model.</summary>
    public ModelSettings Model { get; init; } = new();

    /// <summary>Prepared data.</summary>
    public DataSettings Data { get; init; } = new();

    /// <summary>When given, a phantom study and random base weights are made where the data or the weights are absent.</summary>
    public PhantomSettings? Phantom { get; init; }

    /// <summary>When given, `pfmvg pretrain` can make a base of this size from generic scenes.</summary>
    public PretrainSettings? Pretrain { get; init; }

    /// <summary>First fine-tuning: captions.</summary>
    public StageSettings Stage1 { get; init; } = new()
    {
        Task = SampleTask.Caption, Epochs = 3, BatchSize = 2, InitLr = 1e-4, MinLr = 8e-5, WarmupSteps = 1000,
    };

    /// <summary>Second fine-tuning: boxes.</summary>
    public StageSettings Stage2 { get; init; } = new()
    {
        Task = SampleTask.Refer, Epochs = 50, BatchSize = 4, InitLr = 3e-5, MinLr = 1e-5, WarmupSteps = 50,
    };

    /// <summary>Evaluation.</summary>
    public EvalSettings Eval { get; init; } = new();

    /// <summary>A path of this configuration made absolute: relative ones start from the workspace.</summary>
    public string Resolve(string path) => Path.GetFullPath(path, Path.GetFullPath(Workspace));

    /// <summary>The settings of stage 1 or 2.</summary>
    /// <exception cref="InputException">There is no such stage.</exception>
    public StageSettings Stage(int stage) => stage switch
    {
        1 => Stage1,
        2 => Stage2,
        _ => throw new InputException($"There is no stage {stage}: the stages are 1 (captions) and 2 (boxes)."),
    };
}

/// <summary>Where to compute.</summary>
public enum DeviceChoice
{
    /// <summary>CUDA when there is one, else the CPU.</summary>
    Auto,

    /// <summary>The CPU.</summary>
    Cpu,

    /// <summary>The CUDA device of this process's local rank.</summary>
    Cuda,
}

/// <summary>Type of the frozen base weights.</summary>
public enum Precision
{
    /// <summary>32-bit floating point throughout.</summary>
    [SuppressMessage("Naming", "CA1720", Justification = "It is the field's name, and the key in YAML.")]
    Float32,

    /// <summary>bfloat16 base weights; trainables and loss in float32.</summary>
    Bf16,
}

/// <summary>Paths of the base weights.</summary>
public sealed record WeightSettings
{
    /// <summary>EVA ViT checkpoint.</summary>
    public string Vision { get; init; } = "weights/eva_vit_g.pth";

    /// <summary>Hugging Face folder of the LLaMA model, with its tokenizer.model.</summary>
    public string Language { get; init; } = "weights/Llama-2-7b-chat-hf";

    /// <summary>MiniGPT-v2 checkpoint that stage 1 starts from; null for a fresh projector and adapter.</summary>
    public string? Start { get; init; } = "weights/minigptv2_checkpoint.pth";

    /// <summary>Whether frozen weights that are stored in the model's precision are used on the files' own pages, without a copy.</summary>
    public bool Map { get; init; } = true;
}

/// <summary>Sizes of the model.</summary>
public sealed record ModelSettings
{
    /// <summary>Side of the square picture in pixels.</summary>
    [Range(1, 4096)] public int ImageSize { get; init; } = 448;

    /// <summary>Neighbouring patch tokens joined into one visual token.</summary>
    [Range(1, 1024)] public int Concat { get; init; } = 4;

    /// <summary>EVA ViT.</summary>
    public VisionSettings Vision { get; init; } = new();

    /// <summary>LLaMA.</summary>
    public LanguageSettings Language { get; init; } = new();

    /// <summary>Low-rank adapter.</summary>
    public LoraSettings Lora { get; init; } = new();
}

/// <summary>Sizes of the EVA ViT.</summary>
public sealed record VisionSettings
{
    /// <summary>Side of a patch in pixels.</summary>
    [Range(1, 4096)] public int PatchSize { get; init; } = 14;

    /// <summary>Width of a patch token.</summary>
    [Range(1, 1 << 20)] public int Width { get; init; } = 1408;

    /// <summary>Blocks.</summary>
    [Range(1, 10000)] public int Depth { get; init; } = 39;

    /// <summary>Attention heads.</summary>
    [Range(1, 1 << 16)] public int Heads { get; init; } = 16;

    /// <summary>Hidden width of the MLP.</summary>
    [Range(1, 1 << 20)] public int MlpHidden { get; init; } = 6144;
}

/// <summary>Sizes of the LLaMA model.</summary>
public sealed record LanguageSettings
{
    /// <summary>Tokens; 0 takes the tokenizer's number.</summary>
    [Range(0, 1 << 24)] public int Vocabulary { get; init; } = 32000;

    /// <summary>Width of a token.</summary>
    [Range(1, 1 << 20)] public int HiddenSize { get; init; } = 4096;

    /// <summary>Decoder layers.</summary>
    [Range(1, 10000)] public int Layers { get; init; } = 32;

    /// <summary>Attention heads.</summary>
    [Range(1, 1 << 16)] public int Heads { get; init; } = 32;

    /// <summary>Hidden width of the gated MLP.</summary>
    [Range(1, 1 << 20)] public int IntermediateSize { get; init; } = 11008;

    /// <summary>Epsilon of the RMS norms.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)] public double RmsNormEps { get; init; } = 1e-5;

    /// <summary>
    /// Hold the frozen linear layers as int8 with a scale per row: half the memory of bfloat16, slightly other numbers.
    /// Training on CUDA then always recomputes.
    /// </summary>
    public bool Quantized { get; init; }

    /// <summary>Base of the rotary embedding.</summary>
    [Range(1.0, double.MaxValue, MinimumIsExclusive = true)] public double RopeTheta { get; init; } = 10000;
}

/// <summary>The low-rank adapter of the language model: y = W x + (alpha / rank) B(A(dropout(x))).</summary>
public sealed record LoraSettings
{
    /// <summary>Rank.</summary>
    [Range(1, 1 << 16)] public int Rank { get; init; } = 64;

    /// <summary>Scale times rank.</summary>
    [Range(0.0, double.MaxValue, MinimumIsExclusive = true)] public double Alpha { get; init; } = 16;

    /// <summary>Probability that an input element is dropped in training.</summary>
    [Range(0.0, 1.0, MaximumIsExclusive = true)] public double Dropout { get; init; } = 0.05;

    /// <summary>Linear layers with an adapter.</summary>
    [AllowedValues(ParameterNames.Query, ParameterNames.Key, ParameterNames.Value, ParameterNames.AttentionOutput, ParameterNames.Gate,
        ParameterNames.Up, ParameterNames.Down)]
    public IReadOnlyList<string> Targets { get; init; } = [ParameterNames.Query, ParameterNames.Value];
}

/// <summary>Prepared data.</summary>
public sealed record DataSettings
{
    /// <summary>Folder that `pfmvg data prepare` wrote.</summary>
    public string Folder { get; init; } = "data/prepared";

    /// <summary>Image folder of a data set by its name, where it is no longer where it was when it was prepared.</summary>
    public IReadOnlyDictionary<string, string> Roots { get; init; } = new Dictionary<string, string>();

    /// <summary>Threads that decode pictures ahead of the model; 0 is one per core.</summary>
    [Range(0, 4096)] public int Workers { get; init; }

    /// <summary>Leave a sample with a broken picture out of training, count and list it, instead of stopping.</summary>
    public bool SkipBroken { get; init; }

    /// <summary>
    /// Folder for resized pictures, so that later epochs need not decode again; null for none. Random crops are never
    /// kept.
    /// </summary>
    public string? Cache { get; init; }

    /// <summary>
    /// Folder for the frozen vision tower's features of whole pictures, so that no epoch encodes them again; null for
    /// none. Those of random crops are never kept.
    /// </summary>
    public string? FeatureCache { get; init; }

    /// <summary>Most gigabytes in <see cref="FeatureCache"/>; beyond it the longest unread go.</summary>
    [Range(0.001, 1e6)] public double FeatureCacheGb { get; init; } = 20;
}

/// <summary>A synthetic study; its scores are not clinical scores.</summary>
public sealed record PhantomSettings
{
    /// <summary>Seed of the study and of the random base weights.</summary>
    [Range(0, int.MaxValue)] public int Seed { get; init; } = 7;

    /// <summary>Patients.</summary>
    [Range(10, 1_000_000)] public int Patients { get; init; } = 60;

    /// <summary>Where base weights come from when the configured files are absent.</summary>
    public PhantomBase Base { get; init; } = PhantomBase.Random;
}

/// <summary>Base weights for a phantom study.</summary>
public enum PhantomBase
{
    /// <summary>Random ones of the configured sizes: the chain runs, but nothing was learned before.</summary>
    Random,

    /// <summary>
    /// The tiny base that comes with the program, pre-trained on generic scenes (`pfmvg pretrain`); it has the sizes of
    /// configs/tiny.yaml.
    /// </summary>
    Pretrained,
}

/// <summary>Settings of the evaluation.</summary>
public sealed record EvalSettings
{
    /// <summary>Phrases decoded together.</summary>
    [Range(1, 1 << 16)] public int BatchSize { get; init; } = 8;

    /// <summary>Longest answer in tokens.</summary>
    [Range(1, 1 << 16)] public int MaxNewTokens { get; init; } = 64;

    /// <summary>Beams; 1 is greedy decoding.</summary>
    [Range(1, 64)] public int Beams { get; init; } = 1;

    /// <summary>Two begin-of-sequence tokens, as the original's generation has; training has one.</summary>
    public bool DoubleBos { get; init; } = true;

    /// <summary>Normalise phrases as BLIP's caption processor does: it must be as it was in training.</summary>
    public bool NormalizeText { get; init; } = true;

    /// <summary>What decoding is restricted to.</summary>
    public AnswerConstraint Constrain { get; init; } = AnswerConstraint.None;

    /// <summary>Divides the logits before a token is drawn; 0 draws none and takes the most likely.</summary>
    [Range(0.0, 100.0)] public double Temperature { get; init; }

    /// <summary>Tokens are drawn from the fewest most likely ones that together have this probability.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)] public double TopP { get; init; } = 1;

    /// <summary>How often an answer is drawn again while it holds no sound box.</summary>
    [Range(0, 100)] public int Retries { get; init; }

    /// <summary>Compute what the prompts about one picture begin with, the picture in it, once for all of them.</summary>
    public bool SharePrefix { get; init; } = true;

    /// <summary>Whether tokens after the prompt go through the fused step where it fits; it rounds otherwise than the modules.</summary>
    public FusedStep FusedStep { get; init; } = FusedStep.Auto;
}

/// <summary>Whether tokens after the prompt go through the fused step.</summary>
public enum FusedStep
{
    /// <summary>Where it fits: on a processor with AVX-512, with most sizes and up to 64 rows.</summary>
    Auto,

    /// <summary>Never, so that processors differ less in their rounding.</summary>
    Off,
}

/// <summary>What decoding is restricted to.</summary>
public enum AnswerConstraint
{
    /// <summary>Nothing, as published.</summary>
    None,

    /// <summary>
    /// Well-formed boxes: `{&lt;x1&gt;&lt;y1&gt;&lt;x2&gt;&lt;y2&gt;}` with ordered corners, several joined by
    /// `&lt;delim&gt;`.
    /// </summary>
    Boxes,
}

/// <summary>What a phrase with several boxes becomes.</summary>
public enum MultiBox
{
    /// <summary>One sample per box with the same phrase, as published.</summary>
    PerBox,

    /// <summary>One sample with all boxes.</summary>
    PerPhrase,
}
