using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Runs;
using Pfmvg.Weights;
using Pfmvg.Weights.Torch;

namespace Pfmvg.Exporting;

/// <summary>
/// The checkpoint that the original code reads with `ckpt:` in its configuration. It loads with strict=False, so a tensor under another
/// name would be left out without a word there.
/// </summary>
/// <param name="configuration">The configuration of the training.</param>
/// <param name="parts">The trained tensors.</param>
/// <param name="names">Names of the adapters.</param>
/// <param name="epoch">The epoch that the checkpoint was saved in.</param>
internal sealed class MiniGptCheckpoint(PfmvgConfiguration configuration, TrainedParts parts, PeftNames names, long epoch)
    : ExportForm(configuration, parts)
{
    // The original passes rank and alpha on from its configuration, but not the targets.
    private static readonly string[] OriginalTargets = [ParameterNames.Query, ParameterNames.Value];

    public override long Bytes => Size(Parts.Adapters) + Size(Parts.Projector);

    /// <summary>Refuses what the original code does not compute.</summary>
    /// <exception cref="InputException">There are adapters of others than q_proj and v_proj, or squares of patches.</exception>
    public static void Check(ModelSettings model)
    {
        if (model is { Join: TokenJoin.Square, Concat: > 1 })
            throw new InputException("--format minigptv2: model.join is square, but the original code joins patches of a row and would "
                + "feed the projector the wrong ones without a word; use --format peft or hf.");
        if (model.Lora.Targets.Except(OriginalTargets).ToList() is { Count: > 0 } others)
            throw new InputException($"--format minigptv2: model.lora.targets has {string.Join(", ", others)}, but the original code "
                + "adapts q_proj and v_proj alone and would leave the others out without a word; use --format peft or hf.");
    }

    public override void Write(string path, Action<TensorInfo> writing)
    {
        var tensors = Parts.Projector.Concat(Parts.Adapters.Select(t => (Name: Original(t.Name), t.Value)))
            .ToDictionary(t => t.Name, t => t.Value);
        foreach (var (name, value) in tensors) writing(TensorInfo.Describe(name, value));
        var (model, lora) = (Configuration.Model, Configuration.Model.Lora);
        object alpha = lora.Alpha;
        if (double.IsInteger(lora.Alpha)) alpha = (long)lora.Alpha; // 16, as the original writes it, not 16.0
        TorchPickle.Write(path, new Dictionary<string, object>
        {
            ["model"] = tensors,
            ["config"] = new Dictionary<string, object>
            {
                ["model"] = new Dictionary<string, object>
                {
                    ["arch"] = "minigpt_v2",
                    ["image_size"] = model.ImageSize,
                    ["end_sym"] = "</s>",
                    ["lora_r"] = lora.Rank,
                    ["lora_alpha"] = alpha,
                    ["lora_dropout"] = lora.Dropout,
                    ["lora_target_modules"] = lora.Targets.ToList(),
                    ["chat_template"] = true,
                },
            },
            ["epoch"] = epoch,
        });
    }

    public override GroundingSetup Load(string path) => LoadWithStart(path);

    private string Original(string name)
    {
        name = $"{ParameterNames.Language}.base_model.model.{WithinLanguage(name)}";
        return names == PeftNames.Plain ? name : name[..^ParameterNames.Weight.Length] + "default." + ParameterNames.Weight;
    }
}
