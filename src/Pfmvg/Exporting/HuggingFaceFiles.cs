using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pfmvg.Models;
using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>The files of a LLaMA folder beside its tensors: taken from the base, without what names places on the user's disk.</summary>
internal static partial class HuggingFaceFiles
{
    // What transformers 4 and 5 write for a LLaMA's tokenizer.
    private static readonly string[] Tokenizer =
    [
        "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "chat_template.jinja",
    ];

    private static readonly string[] PlacesOnDisk =
        ["_name_or_path", "name_or_path", "tokenizer_file", "special_tokens_map_file", "vocab_file"];

    /// <summary>config.json of the merged model: the base's, with the sizes and the type that are written.</summary>
    /// <exception cref="InputException">The base's config.json is not JSON.</exception>
    public static JsonObject Configuration(string folder, LlamaConfig sizes, ScalarType type)
    {
        var json = Read(Path.Combine(folder, "config.json")) ?? [];
        foreach (var key in PlacesOnDisk.Append("quantization_config")) json.Remove(key);
        foreach (var (key, value) in JsonNode.Parse(sizes.ToHuggingFace())!.AsObject())
            if (key is not ("bos_token_id" or "eos_token_id") || !json.ContainsKey(key)) json[key] = value?.DeepClone();
        if (json["rope_parameters"] is JsonObject rope) rope["rope_theta"] = sizes.RopeTheta; // transformers 5
        json["torch_dtype"] = type == ScalarType.BFloat16 ? "bfloat16" : "float32";
        if (json.ContainsKey("dtype")) json["dtype"] = json["torch_dtype"]!.DeepClone(); // transformers 5
        return json;
    }

    /// <summary>Copies the tokenizer's files, and writes generation_config.json.</summary>
    /// <exception cref="InputException">A file is not JSON.</exception>
    public static void CopyTokenizer(string folder, string target)
    {
        foreach (var name in Tokenizer)
        {
            var path = Path.Combine(folder, name);
            if (!File.Exists(path)) continue;
            if (name == "tokenizer_config.json") WriteWithoutPlaces(path, Path.Combine(target, name));
            else File.WriteAllBytes(Path.Combine(target, name), InputFile.ReadBytes(path));
        }

        const string generation = "generation_config.json";
        if (File.Exists(Path.Combine(folder, generation)))
        {
            WriteWithoutPlaces(Path.Combine(folder, generation), Path.Combine(target, generation));
            return;
        }

        var json = new JsonObject();
        foreach (var key in (string[])["bos_token_id", "eos_token_id"])
            json[key] = Read(Path.Combine(target, "config.json"))?[key]?.DeepClone();
        AtomicFile.WriteText(Path.Combine(target, generation), ExportForm.ToText(json));
    }

    /// <summary>
    /// The name under which Hugging Face has a model, where a folder's name tells: that of LLaMA-2, or one within a hub cache; else null.
    /// </summary>
    public static string? PublicName(string folder)
    {
        if (HubCache().Match(folder) is { Success: true } hub) return $"{hub.Groups[1].Value}/{hub.Groups[2].Value}";
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(folder));
        return LlamaName().IsMatch(name) ? $"meta-llama/{name}" : null;
    }

    [GeneratedRegex(@"[/\\]models--([\w.]+(?:-[\w.]+)*)--([\w.-]+?)[/\\]snapshots[/\\]")] private static partial Regex HubCache();

    [GeneratedRegex("^Llama-2-[0-9]+b(-chat)?-hf$")] private static partial Regex LlamaName();

    private static void WriteWithoutPlaces(string path, string target)
    {
        var json = Read(path)!;
        foreach (var key in PlacesOnDisk) json.Remove(key);
        AtomicFile.WriteText(target, ExportForm.ToText(json));
    }

    private static JsonObject? Read(string path) => !File.Exists(path) ? null
        : JsonObject.Create(JsonInput.File(path, "fetch the base model's folder again").Object().Element);
}
