using System.ComponentModel.DataAnnotations;
using System.Diagnostics.CodeAnalysis;

namespace Pfmvg.Configuration;

/// <summary>
/// Everything a run depends on besides its files. A key in YAML is the property's name in snake_case; a key that is not
/// given keeps the value written here, which is the paper's or, where the paper is silent, MiniGPT-v2's.
/// </summary>
public sealed record PfmvgConfiguration
{
    private static readonly HashSet<string> Nothing = [];

    /// <summary>The paths of the settings that a file or an override gave.</summary>
    internal IReadOnlySet<string> Given { get; init; } = Nothing;

    /// <summary>Name of the run: its folder under <see cref="Runs"/>.</summary>
    [RegularExpression("[A-Za-z0-9][A-Za-z0-9._-]*")] public string Name { get; init; } = "pfmvg-7b";

    /// <summary>Every random number is a function of this seed, the epoch, the sample and its purpose.</summary>
    [Range(0, int.MaxValue)] public int Seed { get; init; } = 42;

    /// <summary>Where to compute; `auto` is CUDA when there is one.</summary>
    public DeviceChoice Device { get; init; } = DeviceChoice.Auto;

    /// <summary>Type of the frozen base weights; trainables and the loss stay float32.</summary>
    public Precision Precision { get; init; } = Precision.Bf16;

    /// <summary>Lets CUDA compute float32 products in TF32: faster, with 10 bits of mantissa. Nothing on a CPU.</summary>
    public bool Tf32 { get; init; }

    /// <summary>Lets NCCL sum gradients between GPUs where it is found, instead of MPI. It was never run. Nothing on a CPU.</summary>
    public bool Nccl { get; init; }

    /// <summary>CPU threads of one process; 0 is OMP_NUM_THREADS, or all cores, shared with other processes.</summary>
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

    /// <summary>How a model behind a server is asked; null is by the defaults.</summary>
    public AskSettings? Ask { get; init; }

    /// <summary>How pictures are prepared for the models that ours is compared with; null is as they were published.</summary>
    public RivalSettings? Rival { get; init; }

    /// <summary>The plain network that ours is compared with; null where the configuration is not one of it.</summary>
    public CnnSettings? Cnn { get; init; }

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
