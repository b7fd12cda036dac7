using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Pfmvg.Weights;

namespace Pfmvg.Models.Building;

/// <summary>
/// A folder as Hugging Face's peft writes it: adapter_config.json beside adapter_model.safetensors or .bin. What the configuration
/// asks for is computed or refused by name; absent keys are those of older versions and mean the default.
/// </summary>
internal sealed class PeftAdapter
{
    private const string ConfigurationName = "adapter_config.json", OtherAdapter = "train a plain LoRA adapter, or merge this one into "
        + "its base with peft's merge_and_unload, save that, and name its folder in weights.language";

    private const int LargestFile = 1 << 24;

    private static readonly string[] WeightNames = ["adapter_model.safetensors", "adapter_model.bin"];

    // Whatever they hold, the adapter's arithmetic is the same, or its tensors tell.
    private static readonly HashSet<string> Harmless =
    [
        "peft_type", "r", "lora_alpha", "alpha_pattern", "rank_pattern", "use_rslora", "init_lora_weights", "bias", "target_modules",
        "exclude_modules", "layers_to_transform", "layers_pattern", "auto_mapping", "inference_mode", "runtime_config", "merge_weights",
        "megatron_core", "base_model_name_or_path", "revision", "task_type", "peft_version", "lora_dropout", "ephemeral_gpu_offload",
        "low_cpu_mem_usage", "fan_in_fan_out",  // peft itself turns the last one off for LLaMA's linear layers
    ];

    private readonly JsonElement _root;
    private readonly (string Pattern, double Value)[] _ranks, _alphas;
    private readonly double _rank, _alpha;
    private readonly bool _rootScale;

    private PeftAdapter(string folder, JsonElement root)
    {
        (Folder, _root) = (folder, root);
        var kind = root.TryGetProperty("peft_type", out var type) ? type.ToString() : "LORA";
        if (kind != "LORA") throw Refused("peft_type", kind, "only LORA is computed here");
        foreach (var entry in root.EnumerateObject())
        {
            if (Harmless.Contains(entry.Name) || IsNothing(entry.Value)) continue;
            throw Refused(entry.Name, Shown(entry.Value), "it is not computed here");
        }

        if (root.TryGetProperty("init_lora_weights", out var start) && start.ValueKind == JsonValueKind.String
            && start.GetString() is not ("gaussian" or "eva" or "orthogonal"))
            throw Refused("init_lora_weights", Shown(start), "such an adapter belongs to a base that it has changed");
        (_rank, _alpha) = (Number("r", 8), Number("lora_alpha", 8));
        (_ranks, _alphas) = (Patterns("rank_pattern"), Patterns("alpha_pattern"));
        _rootScale = root.TryGetProperty("use_rslora", out var rooted) && rooted.ValueKind == JsonValueKind.True;
        WeightsPath = WeightNames.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists)
            ?? throw Refusal.ForFile(
                folder, $"has {ConfigurationName}, but no {string.Join(" or ", WeightNames)}", "fetch the adapter again");
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>The file of its tensors.</summary>
    public string WeightsPath { get; }

    private string ConfigurationPath => Path.Combine(Folder, ConfigurationName);

    /// <summary>Whether a path is such a folder, or the file of tensors in one.</summary>
    public static bool IsAt(string path) => FolderOf(path) is not null;

    /// <summary>Opens the adapter at a path.</summary>
    /// <returns>Null where there is none.</returns>
    /// <exception cref="InputException">
    /// The folder is broken, or its adapter is of a kind that is not computed here; or its subfolders have adapters, which the message
    /// names.
    /// </exception>
    public static PeftAdapter? Find(string path)
    {
        if (FolderOf(path) is not { } folder)
        {
            var below = !Directory.Exists(path) ? [] : Directory.GetDirectories(path)
                .Where(sub => File.Exists(Path.Combine(sub, ConfigurationName))).Order(StringComparer.Ordinal).ToList();
            return below.Count == 0 ? null : throw Refusal.ForFile(path, "has no adapter itself, but its subfolders have",
                $"name one of them: {string.Join(", ", below)}");
        }

        var file = Path.Combine(folder, ConfigurationName);
        return new PeftAdapter(folder, JsonInput.File(file, "fetch the adapter again", LargestFile).Object().Element);
    }

    /// <summary>Refuses another rank or scale than the settings'.</summary>
    public void Require(LoraConfig lora)
    {
        if (_rank != lora.Rank) throw Contradiction("r", _rank, "model.lora.rank", lora.Rank);
        if (_alpha != lora.Alpha) throw Contradiction("lora_alpha", _alpha, "model.lora.alpha", lora.Alpha);
    }

    /// <summary>Whether the adapter may have a lower rank than the settings say in some modules.</summary>
    public bool HasRanks => _ranks.Length > 0;

    /// <summary>What B A of a module is multiplied by.</summary>
    /// <param name="module">As peft names it, for example model.layers.0.self_attn.q_proj.</param>
    /// <param name="rank">Rows of its A.</param>
    public double Scale(string module, long rank)
    {
        var stated = Match(_ranks, module) ?? _rank;
        if (stated != rank)
            throw Refusal.ForFile(ConfigurationPath, string.Create(CultureInfo.InvariantCulture,
                $"gives {module} the rank {stated} (r, rank_pattern), but its lora_A has {rank} rows"), "fetch the adapter again");
        var alpha = Match(_alphas, module) ?? _alpha;
        // Until peft 0.14 one key, the first that fits in either table, was looked up in both.
        var first = _ranks.Concat(_alphas).FirstOrDefault(entry => Fits(entry.Pattern, module)).Pattern;
        var before = _alphas.FirstOrDefault(entry => entry.Pattern == first) is { Pattern: not null } same ? same.Value : _alpha;
        if (before != alpha)
            throw Refused("alpha_pattern", Shown(_root.GetProperty("alpha_pattern")),
                $"with rank_pattern, versions of peft read it differently for {module}");
        return alpha / (_rootScale ? Math.Sqrt(rank) : rank);
    }

    private static string? FolderOf(string path)
    {
        var folder = Directory.Exists(path) ? path
            : WeightNames.Contains(Path.GetFileName(path)) ? Path.GetDirectoryName(Path.GetFullPath(path)) : null;
        return folder is not null && File.Exists(Path.Combine(folder, ConfigurationName)) ? folder : null;
    }

    // What a newer peft adds is off when it is null, false, empty, or one of the numbers and words that only count when something is on.
    private static bool IsNothing(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.True => false,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        JsonValueKind.Array => value.GetArrayLength() == 0,
        _ => true,
    };

    private (string, double)[] Patterns(string key)
    {
        if (!_root.TryGetProperty(key, out var table) || table.ValueKind != JsonValueKind.Object) return [];
        return [.. table.EnumerateObject().Select(entry => entry.Value.ValueKind == JsonValueKind.Number && entry.Value.GetDouble() > 0
            ? (entry.Name, entry.Value.GetDouble())
            : throw Refused(key, Shown(table), "a number above 0 was expected"))];
    }

    private double? Match((string Pattern, double Value)[] table, string module)
    {
        foreach (var (pattern, value) in table)
            if (Fits(pattern, module)) return value;
        return null;
    }

    private bool Fits(string pattern, string module)
    {
        try
        {
            return Regex.IsMatch(module, $@"\A(?:(?:.*\.)?(?:{pattern}))\z", RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));
        }
        catch (Exception broken) when (broken is ArgumentException or RegexMatchTimeoutException)
        {
            throw Refused("rank_pattern or alpha_pattern", pattern, "it is not a usable regular expression");
        }
    }

    private double Number(string key, double otherwise) =>
        !_root.TryGetProperty(key, out var value) ? otherwise
            : value.ValueKind == JsonValueKind.Number && value.GetDouble() > 0 ? value.GetDouble()
                : throw Refused(key, Shown(value), "a number above 0 was expected");

    private InputException Contradiction(string key, double stated, string setting, double own) =>
        Refusal.ForFile(ConfigurationPath, string.Create(CultureInfo.InvariantCulture, $"says {key} {stated} where {setting} is {own}"),
            $"set {setting} to the adapter's, or use another adapter");

    private InputException Refused(string key, string value, string why) =>
        Refusal.ForFile(ConfigurationPath, $"{key} is {value}, and {why}", OtherAdapter);

    private static string Shown(JsonElement value) => Refusal.Show(value.ValueKind == JsonValueKind.String
        ? value.GetString()! : JsonSerializer.Serialize(value));
}
