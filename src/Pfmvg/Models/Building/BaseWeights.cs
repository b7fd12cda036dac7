using Pfmvg.Tensors;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Models.Building;

/// <summary>
/// Writes a model's weights in the files that users have: an EVA checkpoint, a Hugging Face folder, a MiniGPT-v2 checkpoint.
/// </summary>
public static class BaseWeights
{
    /// <summary>Writes a model's files, tensor by tensor.</summary>
    /// <param name="model">The model.</param>
    /// <param name="paths">Where to; without a start file, projector and adapters are not written.</param>
    /// <param name="type">Type of the frozen weights in the files.</param>
    public static void Write(GroundingModel model, WeightPaths paths, ScalarType type) =>
        Write(model, paths, type, ShardFormat.SafeTensors, 10L << 30, info => model.get_parameter(info.Name)!.detach().to(info.Type));

    /// <summary>Writes random weights of some sizes, tensor by tensor: the model itself is never in memory.</summary>
    /// <param name="config">The sizes.</param>
    /// <param name="paths">Where to; without a start file, projector and adapters are not written.</param>
    /// <param name="type">Type of the frozen weights in the files.</param>
    /// <param name="format">Of the language model's shards.</param>
    /// <param name="maxShardBytes">Largest shard of the language model.</param>
    /// <param name="seed">Every value is a function of the seed, the tensor's name and the place in it.</param>
    /// <exception cref="InputException">The disk has not enough room; nothing is written.</exception>
    public static void WriteRandom(GroundingConfig config, WeightPaths paths, ScalarType type, ShardFormat format, long maxShardBytes,
        long seed)
    {
        Libtorch.Load();
        using var shapes = new GroundingModel(config.InFloatingPoint, type, META);
        RequireRoom(shapes, paths, type);
        Write(shapes, paths, type, format, maxShardBytes, info => RandomWeights.Values(info.Name, info.Type, info.Shape, seed));
    }

    // Frozen tensors are written in the wanted type, trained ones as they are.
    private static void Write(
        GroundingModel model, WeightPaths paths, ScalarType type, ShardFormat format, long maxShardBytes, Func<TensorInfo, Tensor> valueOf)
    {
        const string vision = ParameterNames.VisionTower + ".", language = ParameterNames.Language + ".";
        TorchPickle.Write(paths.Vision, Plan(vision), info => Value(vision, info));
        ShardedCheckpoint.Write(paths.Language, Plan(language), info => Value(language, info), format, maxShardBytes,
            model.Config.Language.ToHuggingFace());
        if (paths.Start is not { } start) return;
        using var scope = NewDisposeScope();
        var trained = model.named_parameters()
            .Where(p => ParameterNames.IsTrainable(p.name) || ParameterNames.IsVisionNorm(p.name))
            .ToDictionary(p => p.name, p => valueOf(TensorInfo.Describe(p.name, p.parameter)));
        var content = new Dictionary<string, object> { ["model"] = trained, ["epoch"] = 0 };
        foreach (var (key, value) in CheckpointWord.Of(model.Config)) content[key] = value;
        TorchPickle.Write(start, content);

        List<TensorInfo> Plan(string prefix) =>
        [
            .. model.named_parameters()
                .Where(p => p.name.StartsWith(prefix, StringComparison.Ordinal) && !ParameterNames.IsTrainable(p.name))
                .Select(p => TensorInfo.Describe(p.name[prefix.Length..], type, p.parameter.shape)),
        ];

        Tensor Value(string prefix, TensorInfo info) => valueOf(info with { Name = prefix + info.Name });
    }

    private static void RequireRoom(GroundingModel shapes, WeightPaths paths, ScalarType type)
    {
        var needed = shapes.named_parameters()
            .Sum(p => p.parameter.numel() * (p.parameter.requires_grad ? sizeof(float) : TensorTypes.Size(type)));
        var folder = Path.GetDirectoryName(Path.GetFullPath(paths.Vision))!;
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            throw FileFault.At(folder, refused);
        }

        var free = new DriveInfo(folder).AvailableFreeSpace;
        if (needed > free)
            throw new InputException($"{folder}: the weights need {Units.DecimalBytes(needed)}, but the disk has only "
                + $"{Units.DecimalBytes(free)} free; free some room or choose another folder.");
    }
}
