using System.Globalization;
using System.Text.Json;
using Pfmvg.Weights;

namespace Pfmvg.Models;

/// <summary>
/// What the config.json of a Hugging Face folder says about its language model. Opening one refuses, by name, whatever would be
/// computed otherwise than here; absent keys have the values that transformers gives them.
/// </summary>
internal sealed class HuggingFaceConfig
{
    private const int LargestFile = 1 << 20;
    private const string OtherModel = "give the Hugging Face folder of a LLaMA-2 model";

    private readonly JsonElement _root;
    private readonly Dictionary<string, double> _numbers = [];
    private readonly List<string> _notes = [];

    private HuggingFaceConfig(string path, JsonElement root)
    {
        (Path, _root) = (path, root);
        RequireFamily();
        foreach (var key in (string[])["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
            "rms_norm_eps", "max_position_embeddings"])
            if (Number(root, key, key) is { } number) _numbers[key] = number;
        RequireAttention();
        ReadRotation();
        if (Text("hidden_act") is { } activation && activation is not ("silu" or "swish"))
            throw NotComputed("hidden_act", activation, "the gated MLP uses silu");
        foreach (var bias in (string[])["attention_bias", "mlp_bias", "bias", "qkv_bias"])
            if (IsTrue(bias)) throw NotComputed(bias, "true", "projections have no bias");
        if (Value("quantization_config") is { ValueKind: JsonValueKind.Object } quantization)
            throw Refusal.ForFile(Path, "has a quantization_config"
                + (quantization.TryGetProperty("quant_method", out var method) ? $" ({Refusal.Show(method.ToString())})" : "")
                + ", but quantised weights are not read here", "give the folder of the unquantised model, in float16, bfloat16 or float32");
        foreach (var key in (string[])["dtype", "torch_dtype"])
            if (Text(key) is { } type && type.Replace("torch.", "", StringComparison.Ordinal)
                is not ("float16" or "bfloat16" or "float32" or "float64" or "half" or "float" or "auto"))
                throw NotComputed(key, type, "weights are floating-point numbers of 16 or more bits");
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What the user should know, though it changes nothing.</summary>
    public IReadOnlyList<string> Notes => _notes;

    /// <summary>Whether the head's weights are the embedding's.</summary>
    public bool IsTied => IsTrue("tie_word_embeddings");

    /// <summary>Reads the file of a folder; null where there is none.</summary>
    /// <exception cref="InputException">It cannot be read, or describes a model that is not computed here.</exception>
    public static HuggingFaceConfig? Find(string folder)
    {
        var path = System.IO.Path.Combine(folder, "config.json");
        return !File.Exists(path) ? null
            : new HuggingFaceConfig(path, JsonInput.File(path, "fetch the file again", LargestFile).Object().Element);
    }

    /// <summary>A number of the file by transformers' name for it, of `rope_theta` wherever it stands; null where it is absent.</summary>
    public double? this[string key] => _numbers.TryGetValue(key, out var number) ? number : null;

    /// <summary>Refuses scaling and windows that begin within so many positions; below, they change nothing.</summary>
    public void RequireWithin(int positions)
    {
        if (this["dynamic"] is { } start)
        {
            if (start < positions)
                throw NotComputed($"{ScalingKey} dynamic", $"begun at {start:0} positions", $"a sample may have {positions}");
            _notes.Add($"{Path}: {ScalingKey} dynamic changes nothing below {start:0} positions and is not computed beyond.");
        }

        if (this["sliding_window"] is not { } window) return;
        if (window < positions) throw NotComputed("sliding_window", $"{window:0}", $"attention sees all of up to {positions} positions");
        _notes.Add($"{Path}: sliding_window {window:0} is longer than a sample and changes nothing.");
    }

    /// <summary>Refuses begin and end tokens that are not the tokenizer's.</summary>
    public void RequireTokens(int begin, int end)
    {
        foreach (var (key, own) in (ReadOnlySpan<(string, int)>)[("bos_token_id", begin), ("eos_token_id", end)])
        {
            if (Value(key) is not { } value) continue;
            var ids = value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : new[] { value };
            if (ids.Length > 0 && ids.All(id => id.ValueKind == JsonValueKind.Number && id.TryGetInt32(out var number) && number == own))
                continue;
            throw Refusal.ForFile(Path, $"{key} is {Raw(value)}, but the tokenizer's is {own}, and no other is used here",
                "use the tokenizer of this model, or put the file right");
        }
    }

    private string ScalingKey => Value("rope_parameters") is null ? "rope_scaling" : "rope_parameters";

    private void RequireFamily()
    {
        var architecture = Value("architectures") is { ValueKind: JsonValueKind.Array } list && list.GetArrayLength() > 0
            ? list[0].ToString() : null;
        var (key, family) = Text("model_type") is { } type ? ("model_type", type) : ("architectures", architecture ?? "llama");
        if (family.Contains("llava", StringComparison.OrdinalIgnoreCase)
            || architecture?.Contains("Llava", StringComparison.OrdinalIgnoreCase) == true)
            throw Refusal.ForFile(Path, $"describes LLaVA ({key} {Refusal.Show(family)}), a model of pictures and language",
                "save its language model alone, in transformers with model.language_model.save_pretrained, and name that folder");
        if (family == "mistral" || IsArchitecture(family, "Mistral"))
            _notes.Add($"{Path}: the model is of the family mistral ({key}); it is computed as LLaMA, whose arithmetic is the same.");
        else if (family != "llama" && !IsArchitecture(family, "Llama"))
            throw NotComputed(key, family, "only LLaMA's family is computed here");
        if (architecture is not null && !IsArchitecture(architecture, "Llama") && !IsArchitecture(architecture, "Mistral"))
            throw NotComputed("architectures", architecture, "only LLaMA's family is computed here");

        // Early files write LLaMA.
        static bool IsArchitecture(string name, string family) =>
            name.StartsWith(family + "For", StringComparison.OrdinalIgnoreCase)
            || name.StartsWith(family + "Model", StringComparison.OrdinalIgnoreCase);
    }

    private void RequireAttention()
    {
        if (this["num_attention_heads"] is not { } heads) return;
        var keys = Number(_root, "num_key_value_heads", "num_key_value_heads") ?? (Text("model_type") == "mistral" ? 8 : heads);
        if (keys != heads)
            throw NotComputed("num_key_value_heads", $"{keys:0}", $"every head has its own keys, and num_attention_heads is {heads:0}");
        if (Number(_root, "head_dim", "head_dim") is { } size && this["hidden_size"] is { } width && size * heads != width)
            throw NotComputed("head_dim", $"{size:0}", $"a head has hidden_size / num_attention_heads = {width / heads:0.##} channels");
        if (Value("layer_types") is { ValueKind: JsonValueKind.Array } kinds
            && kinds.EnumerateArray().Any(kind => kind.ToString() != "full_attention"))
            throw NotComputed("layer_types", Raw(kinds), "attention sees all positions");
        if (Number(_root, "sliding_window", "sliding_window") is { } window
            && Value("use_sliding_window") is not { ValueKind: JsonValueKind.False })
            _numbers["sliding_window"] = window;
    }

    // transformers 5 has one object rope_parameters; 4 has rope_theta beside rope_scaling. A file may have both.
    private void ReadRotation()
    {
        RequireWholeRotation(_root, "partial_rotary_factor");
        Theta(_root, "rope_theta");
        foreach (var key in (string[])["rope_parameters", "rope_scaling"])
        {
            if (Value(key) is not { } rope) continue;
            if (rope.ValueKind != JsonValueKind.Object || rope.EnumerateObject().Any(part => part.Value.ValueKind == JsonValueKind.Object))
                throw NotComputed(key, Raw(rope), "all layers rotate alike");
            Theta(rope, $"{key}.rope_theta");
            RequireWholeRotation(rope, $"{key}.partial_rotary_factor");
            var kind = Text(rope, "rope_type") ?? Text(rope, "type") ?? "default";
            var factor = Number(rope, "factor", $"{key}.factor");
            if (kind == "default" || kind is "linear" or "dynamic" && factor == 1) continue;
            if (kind != "dynamic")
                throw NotComputed(key, factor is null ? kind : string.Create(CultureInfo.InvariantCulture, $"{kind} with factor {factor}"),
                    "the rotary embedding is not scaled");
            double[] starts = [this["max_position_embeddings"] ?? 2048,
                Number(rope, "original_max_position_embeddings", key) ?? double.MaxValue];
            _numbers["dynamic"] = starts.Min();
        }

        void Theta(JsonElement place, string name)
        {
            if (Number(place, "rope_theta", name) is not { } theta) return;
            if (this["rope_theta"] is { } other && other != theta)
                throw Refusal.ForFile(Path, string.Create(CultureInfo.InvariantCulture, $"has rope_theta {other} and {name} {theta}"),
                    "keep the one that the model was trained with");
            _numbers["rope_theta"] = theta;
        }

        void RequireWholeRotation(JsonElement place, string name)
        {
            if (Number(place, "partial_rotary_factor", name) is { } share && share != 1)
                throw NotComputed(name, share.ToString(CultureInfo.InvariantCulture), "all channels of a head are rotated");
        }
    }

    private static string Raw(JsonElement value) => Refusal.Show(JsonSerializer.Serialize(value));

    private InputException NotComputed(string key, string value, string here) =>
        Refusal.ForFile(Path, $"{key} is {Refusal.Show(value)}, which is not computed here ({here})", OtherModel);

    private JsonElement? Value(string key) =>
        _root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private bool IsTrue(string key) => Value(key) is { ValueKind: JsonValueKind.True };

    private string? Text(string key) => Text(_root, key);

    private static string? Text(JsonElement place, string key) =>
        place.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    private double? Number(JsonElement place, string key, string name)
    {
        if (!place.TryGetProperty(key, out var value) || value.ValueKind == JsonValueKind.Null) return null;
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && double.IsFinite(number) && number > 0
            ? number
            : throw Refusal.ForFile(Path, $"{name} is {Raw(value)}, not a positive number", "fetch the file again");
    }
}
