using System.Text.RegularExpressions;

namespace Pfmvg.Models;

/// <summary>
/// The names of a grounding model's parameters, which are those of the original checkpoint, and the way from a file's names to them.
/// </summary>
/// <remarks>
/// Over its versions peft has given several names to the tensors of an adapted model. <see cref="FromPeft"/> brings them to one form: the
/// base model's own names, with <c>.lora_A.weight</c> and <c>.lora_B.weight</c> after the adapted layer's.
/// <list type="bullet">
/// <item><c>base_model.model.</c>, peft's two wrappers, is left out wherever it stands;</item>
/// <item><c>lora_A.default.weight</c> (later peft, which names its adapters) becomes <c>lora_A.weight</c> (peft 0.2);</item>
/// <item><c>q_proj.base_layer.weight</c> (later peft still) becomes <c>q_proj.weight</c>.</item>
/// </list>
/// So <c>llama_model.base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight</c> becomes
/// <c>llama_model.model.layers.0.self_attn.q_proj.lora_A.weight</c>. A file with two adapters gives one name twice,
/// which the loader refuses.
/// </remarks>
internal static partial class ParameterNames
{
    // The four parts of a GroundingModel.
    internal const string VisionTower = "visual_encoder";
    internal const string VisionNorm = "ln_vision";
    internal const string Projector = "llama_proj";
    internal const string Language = "llama_model";

    // A part that only some have.
    internal const string BoxHead = "box_head";

    // The projections of a decoder layer.
    internal const string Query = "q_proj";
    internal const string Key = "k_proj";
    internal const string Value = "v_proj";
    internal const string AttentionOutput = "o_proj";
    internal const string Gate = "gate_proj";
    internal const string Up = "up_proj";
    internal const string Down = "down_proj";

    // Within a projection: the two factors of its adapter, and the scales of an int8 weight.
    internal const string LoraDown = "lora_A";
    internal const string LoraUp = "lora_B";
    internal const string Weight = "weight";
    internal const string WeightScale = Weight + ScaleSuffix;

    internal const string PositionEmbedding = VisionTower + ".pos_embed";

    private const string ScaleSuffix = "_scale";

    /// <summary>True for the tensors that every training changes: the projector, the adapters and the box head.</summary>
    public static bool IsTrainable(string name) =>
        IsProjector(name) || IsPartOf(BoxHead, name) || name.Contains($".{LoraDown}.", StringComparison.Ordinal) || IsLoraUp(name);

    /// <summary>True for the second factor of an adapter, which starts at zero.</summary>
    internal static bool IsLoraUp(string name) => name.Contains($".{LoraUp}.", StringComparison.Ordinal);

    /// <summary>True for the projector.</summary>
    internal static bool IsProjector(string name) => IsPartOf(Projector, name);

    /// <summary>True for the norm behind the vision tower.</summary>
    internal static bool IsVisionNorm(string name) => IsPartOf(VisionNorm, name);

    /// <summary>True for the vision tower and the norm behind it.</summary>
    internal static bool IsVision(string name) => IsPartOf(VisionTower, name) || IsVisionNorm(name);

    /// <summary>True for a parameter of one of the model's parts.</summary>
    internal static bool IsPartOf(string part, string name) =>
        name.StartsWith(part, StringComparison.Ordinal) && name.Length > part.Length && name[part.Length] == '.';

    /// <summary>True for the weight of a norm, of which a fresh one is 1.</summary>
    internal static bool IsNormWeight(string name) =>
        (name.Contains("norm", StringComparison.Ordinal) || IsVisionNorm(name)) && name.EndsWith($".{Weight}", StringComparison.Ordinal);

    /// <summary>True for the scales of an int8 weight, which no file has.</summary>
    internal static bool IsScale(string name) => name.EndsWith($".{WeightScale}", StringComparison.Ordinal);

    /// <summary>The name of an int8 weight's scales.</summary>
    internal static string ScaleOf(string weight) => weight + ScaleSuffix;

    /// <summary>The model's name for a name in an EVA checkpoint.</summary>
    internal static string FromVisionFile(string name) => $"{VisionTower}.{name}";

    /// <summary>
    /// The model's name for a name in a Hugging Face folder; null for the rotary tables that some exports hold: they are computed here.
    /// </summary>
    internal static string? FromLanguageFile(string name) =>
        IsRotaryTable(name) ? null : $"{Language}.{name}";

    /// <summary>True for a buffer that older versions of transformers store with a model, and that says nothing.</summary>
    internal static bool IsRotaryTable(string name) => name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal);

    /// <summary>The other factor of an adapter.</summary>
    internal static string LoraDownOf(string up) => up.Replace($".{LoraUp}.", $".{LoraDown}.", StringComparison.Ordinal);

    /// <summary>
    /// The model's name for a name in a file of trained tensors: as <see cref="FromPeft"/>, and what peft saved of a language model alone
    /// gets the prefix of this model's part.
    /// </summary>
    internal static string FromTrainedFile(string name)
    {
        name = FromPeft(name);
        return BareLanguage().IsMatch(name) ? $"{Language}.{name}" : name;
    }

    /// <summary>
    /// The model's name for a name in a checkpoint of the original code; a name without peft's additions stays as it is.
    /// </summary>
    public static string FromPeft(string name)
    {
        name = PeftWrappers().Replace(name, "");
        name = PeftAdapterName().Replace(name, ".lora_$1.$2");
        return PeftBaseLayer().Replace(name, ".");
    }

    [GeneratedRegex(@"^(model\.(layers|embed_tokens|norm)|lm_head)\.")] private static partial Regex BareLanguage();

    [GeneratedRegex(@"(?<=^|\.)base_model\.model\.")] private static partial Regex PeftWrappers();

    [GeneratedRegex(@"\.lora_([AB])\.[^.]+\.(weight|bias)$")] private static partial Regex PeftAdapterName();

    [GeneratedRegex(@"\.base_layer\.(?=(weight|bias)$)")] private static partial Regex PeftBaseLayer();
}
