using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Models;
using Pfmvg.Tensors;
using Pfmvg.Text;
using Pfmvg.Training.Footprint;
using static TorchSharp.torch;

namespace Pfmvg.Runs;

/// <summary>Whether a training's memory is there: the plan's figures beside what the machine, the container and the GPU allow.</summary>
internal static class MemoryForecast
{
    /// <summary>The figures of a stage.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="stage">1 or 2.</param>
    /// <param name="isCpu">Whether the memory in question is the machine's own.</param>
    /// <param name="processes">Processes that train together.</param>
    /// <param name="samples">The training split; null where it is not prepared.</param>
    public static StageMemory Figures(
        PfmvgConfiguration configuration, int stage, bool isCpu, int processes, IReadOnlyList<Sample>? samples) =>
        new(configuration, stage, Sizes(configuration), isCpu, processes, samples);

    /// <summary>A sentence when the plan needs more than there is; null otherwise.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="stage">1 or 2.</param>
    /// <param name="processes">Processes that share this machine.</param>
    public static string? Check(PfmvgConfiguration configuration, int stage, int processes)
    {
        var (limit, name) = MachineMemory.Limit();
        var figures = Figures(configuration, stage, IsCpu(configuration), processes, Prepared(configuration, stage));
        if (!figures.IsCpu)
            return cuda.is_available() && GpuMemory.Of(0) is { } gpu ? OnGpu(stage, Needed(gpu.Free), gpu.Free, gpu.Total) : null;
        return Sentence(stage, Needed(limit / processes) * processes, limit, name);

        long Needed(long room) => figures.Of(figures.Configured(room)).Peak;
    }

    /// <summary>The training split of the prepared data; null where there are none.</summary>
    /// <exception cref="InputException">The prepared data are broken.</exception>
    public static IReadOnlyList<Sample>? Prepared(PfmvgConfiguration configuration, int stage) =>
        OutputFolder.IsPrepared(configuration.Resolve(configuration.Data.Folder))
        && GroundingSetup.OpenData(configuration).Read(configuration.Stage(stage).Task, Split.Train) is { Count: > 0 } samples
            ? samples : null;

    /// <summary>Whether a configuration computes on this machine's processor.</summary>
    public static bool IsCpu(PfmvgConfiguration configuration) => configuration.Device switch
    {
        DeviceChoice.Cpu => true,
        DeviceChoice.Cuda => false,
        _ => !cuda.is_available(),
    };

    /// <summary>A sentence when more is needed than there is; null otherwise.</summary>
    internal static string? Sentence(int stage, long needed, long limit, string name) =>
        limit <= 0 || needed <= limit ? null : Sentence(stage, needed, $"{name} has {Units.DecimalBytes(limit)}");

    private static string Sentence(int stage, long needed, string limit) =>
        $"warning: stage {stage} needs about {Units.DecimalBytes(needed)} by 'pfmvg plan', but {limit}: "
            + $"it will end when the memory is full; set a smaller stage{stage}.batch_size with more accumulate, recompute: true, "
            + "precision: bf16, or model.language.quantized: true.";

    /// <summary>A sentence when a GPU has too little memory in all, or too little free beside what others hold there.</summary>
    /// <param name="stage">1 or 2.</param>
    /// <param name="needed">Bytes at the peak of the training.</param>
    /// <param name="free">Bytes free before anything is loaded.</param>
    /// <param name="total">Bytes in all.</param>
    internal static string? OnGpu(int stage, long needed, long free, long total) =>
        needed > total ? Sentence(stage, needed, total, "the GPU")
            : needed <= free ? null
            : Sentence(stage, needed, $"only {Units.DecimalBytes(free)} of the GPU's {Units.DecimalBytes(total)} are free (other programs "
                + $"hold {Units.DecimalBytes(total - free)})");

    private static GroundingConfig Sizes(PfmvgConfiguration configuration)
    {
        if (!PhantomWorkspace.LacksBase(configuration)) configuration = LanguageFolder.Read(configuration).Configuration;
        return ConfiguredModel.Sizes(configuration, Vocabulary(configuration));
    }

    private static int Vocabulary(PfmvgConfiguration configuration)
    {
        if (configuration.Model.Language.Vocabulary is > 0 and var given) return given;
        var tokenizer = Path.Combine(GroundingSetup.Paths(configuration).Language, "tokenizer.model");
        return File.Exists(tokenizer) ? LlamaTokenizer.Load(tokenizer).VocabularySize : TypicalLengths.Vocabulary;
    }
}
