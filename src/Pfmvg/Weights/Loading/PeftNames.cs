using System.Text.RegularExpressions;

namespace Pfmvg.Weights.Loading;

/// <summary>
/// The names that peft, over its versions, gives to the tensors of an adapted model, brought to one form: the base
/// model's own names, with <c>.lora_A.weight</c> and <c>.lora_B.weight</c> after the adapted layer's.
/// </summary>
/// <remarks>
/// <list type="bullet">
/// <item><c>base_model.model.</c>, peft's two wrappers, is left out wherever it stands;</item>
/// <item><c>lora_A.default.weight</c> (later peft, which names its adapters) becomes <c>lora_A.weight</c> (peft 0.2);</item>
/// <item><c>q_proj.base_layer.weight</c> (later peft still) becomes <c>q_proj.weight</c>.</item>
/// </list>
/// So <c>llama_model.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight</c> becomes
/// <c>llama_model.model.layers.0.self_attn.q_proj.lora_A.weight</c>. A file with two adapters gives one name twice,
/// which the loader refuses.
/// </remarks>
public static partial class PeftNames
{
    /// <summary>The model's name for a name in a file; a name without peft's additions stays as it is.</summary>
    public static string ToModel(string name)
    {
        name = Wrappers().Replace(name, "");
        name = AdapterName().Replace(name, ".lora_$1.$2");
        return BaseLayer().Replace(name, ".");
    }

    [GeneratedRegex(@"(?<=^|\.)base_model\.model\.")] private static partial Regex Wrappers();

    [GeneratedRegex(@"\.lora_([AB])\.[^.]+\.(weight|bias)$")] private static partial Regex AdapterName();

    [GeneratedRegex(@"\.base_layer\.(?=(weight|bias)$)")] private static partial Regex BaseLayer();
}
