using System.Text.RegularExpressions;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Models.Building;

/// <summary>
/// Loads the language model's folder. What its tensors say of another model than a plain LLaMA is refused by name, and a tied head
/// takes the embedding.
/// </summary>
internal static partial class LanguageWeights
{
    private const string Head = "lm_head.weight", Embedding = "model.embed_tokens.weight";

    // What tensors of other models and other forms are called. The first that fits is told.
    private static readonly (Regex Name, string Problem, string Advice)[] Foreign =
    [
        (BitsAndBytes(), "is quantised with bitsandbytes (SCB, absmax or quant_state beside the weights)", Unquantised),
        (Gptq(), "is quantised with GPTQ or AWQ (qweight, qzeros, scales)", Unquantised),
        (OtherScales(), "is quantised (float8, torchao or compressed-tensors)", Unquantised),
        (Adapter(), "holds adapters (lora_) beside or instead of the base", "merge them, or name the adapter's folder in weights.start and "
            + "the folder of its base in weights.language"),
        (Llava(), "is LLaVA or another model of pictures and language", "save its language model alone, in transformers with "
            + "model.language_model.save_pretrained, and name that folder"),
        (Bias(), "has biases (attention_bias or mlp_bias), which are not computed here", "give the Hugging Face folder of a LLaMA-2 model"),
        (Bare(), "is a bare LlamaModel: its names lack 'model.' and it has no lm_head", "save the whole LlamaForCausalLM, with its head"),
        (Meta(), "is in Meta's own layout (tok_embeddings, wq, w1)", "convert it with transformers' convert_llama_weights_to_hf.py"),
    ];

    private const string Unquantised = "give the folder of the unquantised model, in float16, bfloat16 or float32";

    /// <summary>Fills the language model.</summary>
    /// <param name="model">The model.</param>
    /// <param name="folder">Hugging Face folder.</param>
    /// <param name="targets">The frozen tensors to fill.</param>
    /// <param name="rules">How they are stored.</param>
    /// <exception cref="InputException">It is not the folder of a plain LLaMA model of the configured sizes.</exception>
    public static LoadedFile Load(
        GroundingModel model, string folder, IReadOnlyDictionary<string, Tensor> targets, LoadRules rules)
    {
        using var file = WrapperNames.Open(folder, [.. targets.Keys], ParameterNames.FromLanguageFile);
        var tied = Check(file, folder, targets);
        var target = tied is { } pair ? ParameterNames.FromLanguageFile(pair.Absent) : null;
        rules = rules with { MayBeMissing = name => name == target };
        var report = WeightLoader.Load(targets, file, ParameterNames.FromLanguageFile, rules);
        report.ThrowIfUnusable(folder);
        if (target is null) return new LoadedFile(folder, report);

        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        ModelBuilder.Put(model, target, targets[target], file.Read(tied!.Value.Source));
        return new LoadedFile(folder, report with { Loaded = [.. report.Loaded, target], Kept = [] })
        {
            Notes = [$"{folder}: {tied.Value.Absent} is {tied.Value.Source} (tied)."],
        };
    }

    /// <summary>The file's name of each tensor of the model, for a reader that takes them one by one; some may be absent.</summary>
    /// <param name="file">The folder, opened.</param>
    /// <param name="folder">Its path.</param>
    /// <param name="targets">The frozen tensors, of any device.</param>
    /// <exception cref="InputException">It is not the folder of a plain LLaMA model.</exception>
    public static IReadOnlyDictionary<string, string> Names(
        ITensorFile file, string folder, IReadOnlyDictionary<string, Tensor> targets)
    {
        var tied = Check(file, folder, targets);
        var names = file.Tensors.Keys.Where(key => ParameterNames.FromLanguageFile(key) is not null)
            .ToDictionary(key => ParameterNames.FromLanguageFile(key)!);
        if (tied is { } pair) names.Add(ParameterNames.FromLanguageFile(pair.Absent)!, pair.Source);
        return names;
    }

    /// <summary>Refuses what is not computed here; gives head and embedding where they are one.</summary>
    private static (string Absent, string Source)? Check(ITensorFile file, string folder, IReadOnlyDictionary<string, Tensor> targets)
    {
        RefuseForeign(file, targets);
        var tied = Tied(file, HuggingFaceConfig.Find(Directory.Exists(folder) ? folder : "")?.IsTied == true);
        return tied is not null || file.Tensors.ContainsKey(Head) || !file.Tensors.ContainsKey(Embedding) ? tied
            : throw Refusal.ForFile(folder, $"has no {Head}, and no config.json with tie_word_embeddings true says that the embedding is "
                + "the head", "give the folder of a whole LlamaForCausalLM");
    }

    /// <summary>Head or embedding, where the file has only the other and says that they are one.</summary>
    private static (string Absent, string Source)? Tied(ITensorFile file, bool isTied)
    {
        var (hasHead, hasEmbedding) = (file.Tensors.ContainsKey(Head), file.Tensors.ContainsKey(Embedding));
        if (hasHead && hasEmbedding)
        {
            if (isTied && !AreEqual(file))
                throw Refusal.ForFile(file.Path, $"has a {Head} of its own, but config.json says tie_word_embeddings",
                    "set it to false in config.json where the head was trained, or remove the head");
            return null;
        }

        var (absent, source) = hasHead ? (Embedding, Head) : (Head, Embedding);
        // safetensors' save_model keeps one of two names and notes the other in the file's metadata.
        var isAlias = file.Metadata.TryGetValue(absent, out var alias) && alias as string == source;
        return (hasHead || hasEmbedding) && (isTied || isAlias) ? (absent, source) : null;
    }

    private static bool AreEqual(ITensorFile file)
    {
        if (!file.Tensors[Head].Shape.AsSpan().SequenceEqual(file.Tensors[Embedding].Shape)) return false;
        using var scope = NewDisposeScope();
        return file.Read(Head).to(ScalarType.Float32).eq(file.Read(Embedding).to(ScalarType.Float32)).all().item<bool>();
    }

    private static void RefuseForeign(ITensorFile file, IReadOnlyDictionary<string, Tensor> targets)
    {
        var unplaced = file.Tensors.Keys
            .Where(key => ParameterNames.FromLanguageFile(key) is { } name && !targets.ContainsKey(name)).ToList();
        foreach (var (name, problem, advice) in Foreign)
            if (unplaced.Find(key => name.IsMatch(key)) is { } key)
                throw Refusal.ForFile(file.Path, $"{problem}, as its tensor '{Refusal.Show(key)}' shows", advice);
        // A part of the model that finds no place was computed where the file comes from.
        if (unplaced.Find(key => Own().IsMatch(key)) is not { } other) return;
        var nearest = NearestName.Of(ParameterNames.FromLanguageFile(other)!, targets.Keys);
        throw Refusal.ForFile(file.Path, $"has '{Refusal.Show(other)}', which the model has no place for (nearest: {nearest})",
            "set model.language.layers to num_hidden_layers of its config.json, or give a plain LLaMA-2 model");
    }

    [GeneratedRegex(@"\.(SCB|absmax|quant_map|nested_\w+|weight_format|quant_state\..*)$|\.weight\.(absmax|quant_map|quant_state\b.*)")]
    private static partial Regex BitsAndBytes();

    [GeneratedRegex(@"\.(qweight|qzeros|g_idx|scales)$")] private static partial Regex Gptq();

    [GeneratedRegex(@"weight_?(scale|zero_point|packed|shape|qdata)|\.(input_scale|output_scale|k_scale|v_scale)$|weight[.:]_?\w+$")]
    private static partial Regex OtherScales();

    [GeneratedRegex(@"\.lora_|modules_to_save")] private static partial Regex Adapter();

    [GeneratedRegex(@"mm_projector|multi_modal_projector|vision_tower|vision_model|image_newline|^language_model\.")]
    private static partial Regex Llava();

    [GeneratedRegex(@"_proj\.bias$|norm\.bias$|lm_head\.bias$")] private static partial Regex Bias();

    [GeneratedRegex(@"^(layers\.\d+\.(self_attn|mlp|input_layernorm)|embed_tokens|norm)\.")] private static partial Regex Bare();

    [GeneratedRegex(@"^(tok_embeddings|layers\.\d+\.(attention|feed_forward))\.")] private static partial Regex Meta();

    [GeneratedRegex(@"^(model\.(layers|embed_tokens|norm)|lm_head)\.")] private static partial Regex Own();
}
