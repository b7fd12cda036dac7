using Pfmvg.Weights;
using static TorchSharp.torch;

namespace Pfmvg.Models;

/// <summary>Writes a model's weights in the files that users have: an EVA checkpoint, a Hugging Face folder, a MiniGPT-v2 checkpoint.</summary>
public static class BaseWeights
{
    private const string Vision = "visual_encoder.", Language = "llama_model.";

    /// <summary>Writes the files, tensor by tensor.</summary>
    /// <param name="model">The model.</param>
    /// <param name="paths">Where to; without a start file, projector and adapters are not written.</param>
    /// <param name="type">Type of the frozen weights in the files.</param>
    /// <param name="maxShardBytes">Largest shard of the language model.</param>
    public static void Write(GroundingModel model, WeightPaths paths, ScalarType type, long maxShardBytes = 10L << 30)
    {
        var tensors = model.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter);
        TorchPickle.Write(paths.Vision, Plan(Vision), info => tensors[Vision + info.Name].detach().to(type));
        ShardedCheckpoint.Write(
            paths.Language, Plan(Language), info => tensors[Language + info.Name].detach().to(type), ShardFormat.SafeTensors, maxShardBytes,
            model.Config.Language.ToHuggingFace());
        if (paths.Start is not { } start) return;
        var trained = tensors.Where(t => ModelBuilder.IsTrainable(t.Key) || t.Key.StartsWith("ln_vision.", StringComparison.Ordinal));
        TorchPickle.Write(start, new Dictionary<string, object> { ["model"] = trained.ToDictionary(t => t.Key, t => t.Value.detach()), ["epoch"] = 0 });

        List<TensorInfo> Plan(string prefix) =>
        [
            .. tensors.Where(t => t.Key.StartsWith(prefix, StringComparison.Ordinal) && !ModelBuilder.IsTrainable(t.Key))
                .Select(t => TensorInfo.Of(t.Key[prefix.Length..], type, t.Value.shape)),
        ];
    }
}
