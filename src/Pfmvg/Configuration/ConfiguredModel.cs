using Pfmvg.Models;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Configuration;

/// <summary>From a configuration to the model's records, types and device.</summary>
public static class ConfiguredModel
{
    /// <summary>The model's sizes.</summary>
    /// <param name="settings">The configuration's model section.</param>
    /// <param name="vocabulary">The tokenizer's number of tokens, used where the configuration says 0.</param>
    public static GroundingConfig Sizes(ModelSettings settings, int vocabulary = 0) => new(
        new EvaConfig(
            settings.ImageSize, settings.Vision.PatchSize, settings.Vision.Width, settings.Vision.Depth, settings.Vision.Heads,
            settings.Vision.MlpHidden),
        settings.Concat,
        new LlamaConfig(
            settings.Language.Vocabulary > 0 ? settings.Language.Vocabulary : vocabulary,
            settings.Language.HiddenSize, settings.Language.Layers, settings.Language.Heads, settings.Language.IntermediateSize,
            settings.Language.RmsNormEps, settings.Language.RopeTheta, settings.Language.Quantized),
        new LoraConfig(settings.Lora.Rank, settings.Lora.Alpha, settings.Lora.Dropout, settings.Lora.Targets),
        settings.Concat == 1 ? TokenJoin.Row : settings.Join);

    /// <summary>The same, with the box head that the configuration trains.</summary>
    internal static GroundingConfig Sizes(PfmvgConfiguration configuration, int vocabulary) =>
        Sizes(configuration.Model, vocabulary) with { BoxHead = configuration.Stage2.BoxHead };

    /// <summary>Type of the frozen weights.</summary>
    public static ScalarType Type(Precision precision) => precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;

    /// <summary>The device to compute on.</summary>
    /// <param name="choice">The configuration's choice.</param>
    /// <param name="localRank">Picks the CUDA device of this process on its machine.</param>
    /// <exception cref="InputException">CUDA is asked for, but not there.</exception>
    public static Device Device(DeviceChoice choice, int localRank)
    {
        Libtorch.Load();
        var devices = choice == DeviceChoice.Cpu ? 0 : cuda.is_available() ? cuda.device_count() : 0;
        if (devices > 0) return new Device(DeviceType.CUDA, localRank % devices);
        return choice == DeviceChoice.Cuda
            ? throw new InputException(
                "device: cuda is asked for, but no CUDA device is there. Build with -p:TorchBackend=cuda on a machine with an "
                + "NVIDIA driver, or set device: cpu.")
            : CPU;
    }
}
