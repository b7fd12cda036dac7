using System.Globalization;
using Pfmvg.Weights;

namespace Pfmvg.Models.Building;

/// <summary>
/// What a checkpoint says about its own training: the configuration that MiniGPT-4's code and others store beside the weights, wherever
/// it stands among the file's other content.
/// </summary>
internal static class CheckpointWord
{
    /// <summary>Under this a file says which patches became a token; one that is silent joins them in a row.</summary>
    public const string Join = "token_join";

    private const int Deepest = 12;

    /// <summary>What a file of the model's projector has to say beside its tensors; nothing for the published join.</summary>
    public static IEnumerable<KeyValuePair<string, string>> Of(GroundingConfig config) =>
        config.Join == TokenJoin.Row ? [] : [KeyValuePair.Create(Join, Word(config.Join))];

    /// <summary>Refuses a file whose projector was trained for tokens that other patches were joined to: its shapes are the same.</summary>
    /// <exception cref="InputException">It says another join than the model has.</exception>
    public static void RequireJoin(ITensorFile file, GroundingConfig config, bool silentIsRow)
    {
        var stated = file.Metadata.GetValueOrDefault(Join) as string ?? (silentIsRow ? Word(TokenJoin.Row) : null);
        if (stated is null || stated == Word(config.Join) || config.Concat == 1) return;
        throw Refusal.ForFile(file.Path, $"its projector was trained with model.join {Refusal.Show(stated)} where model.join is "
            + Word(config.Join), "set model.join to the checkpoint's, or use another checkpoint");
    }

    private static string Word(TokenJoin join) => join.ToString().ToLowerInvariant();

    /// <summary>Compares it with the model.</summary>
    /// <returns>What the user should know, though it contradicts nothing.</returns>
    /// <exception cref="InputException">Rank, scale or targets of the adapters are others; the message names both.</exception>
    public static IReadOnlyList<string> Compare(ITensorFile file, GroundingConfig config)
    {
        List<string> notes = [];
        RequireJoin(file, config, silentIsRow: false);
        if (config.Join != TokenJoin.Row && !file.Metadata.ContainsKey(Join)
            && file.Tensors.Keys.Any(key => ParameterNames.IsProjector(ParameterNames.FromTrainedFile(key))))
            notes.Add($"warning: {file.Path}: does not say which patches its projector joins, so they are those of a row, but model.join "
                + $"is {Word(config.Join)}; a projector for it has to come from training.");
        foreach (var section in Sections(file.Metadata, 0))
        {
            Require("lora_r", config.Lora.Rank, "model.lora.rank");
            Require("lora_rank", config.Lora.Rank, "model.lora.rank");
            Require("lora_alpha", config.Lora.Alpha, "model.lora.alpha");
            RequireTargets("lora_target_modules");
            if (section.ContainsKey("lora_alpha")) // peft's own configuration
            {
                Require("r", config.Lora.Rank, "model.lora.rank");
                RequireTargets("target_modules");
                foreach (var key in (string[])["use_rslora", "use_dora"])
                    if (Find(key) is true)
                        throw Refusal.ForFile(file.Path, $"its own configuration says {key} true, which a checkpoint cannot have here",
                            "give the adapter as the folder that peft wrote");
            }

            if (Number(Find("image_size")) is { } size && size != config.Vision.ImageSize)
                notes.Add($"warning: {file.Path}: its own configuration says image_size {size}, but model.image_size is "
                    + $"{config.Vision.ImageSize}.");

            void RequireTargets(string key)
            {
                if (Find(key) is not IEnumerable<object?> targets) return;
                var stated = targets.Select(Bare).OfType<string>().Order(StringComparer.Ordinal).ToArray();
                if (stated.Except(config.Lora.Targets).Any())
                    throw Contradiction(key, $"[{string.Join(", ", stated)}]", "model.lora.targets",
                        $"[{string.Join(", ", config.Lora.Targets)}]");
                // The B of further ones is 0, so the model is the same until they learn.
                if (config.Lora.Targets.Except(stated).ToArray() is { Length: > 0 } further)
                    notes.Add($"note: {file.Path}: has adapters on {string.Join(", ", stated)}; those on {string.Join(", ", further)} "
                        + "begin as nothing.");
            }

            object? Find(string key) => Bare(section.GetValueOrDefault(key));

            void Require(string key, double own, string setting)
            {
                if (Number(Find(key)) is { } stated && stated != own) throw Contradiction(key, Text(stated), setting, Text(own));
            }
        }

        return notes;

        InputException Contradiction(string key, string stated, string setting, string own) => Refusal.ForFile(file.Path,
            $"its own configuration says {key} {Refusal.Show(stated)} where {setting} is {own}",
            $"set {setting} to the checkpoint's, or use another checkpoint");
    }

    /// <summary>The dictionaries that speak of adapters.</summary>
    private static IEnumerable<IReadOnlyDictionary<string, object?>> Sections(object? value, int depth)
    {
        if (depth > Deepest || value is not IReadOnlyDictionary<string, object?> dictionary) yield break;
        if (dictionary.Keys.Any(key => key is "lora_r" or "lora_rank" or "lora_alpha" or "lora_target_modules")) yield return dictionary;
        foreach (var section in dictionary.Values.SelectMany(inner => Sections(inner, depth + 1))) yield return section;
    }

    // OmegaConf keeps a value in a node of its own, and a list in a node, too.
    private static object? Bare(object? value) =>
        value is IReadOnlyDictionary<string, object?> node && node.GetValueOrDefault("state") is IReadOnlyDictionary<string, object?> state
        && (state.TryGetValue("_val", out var inner) || state.TryGetValue("_content", out inner)) ? Bare(inner) : value;

    private static double? Number(object? value) => value switch
    {
        long number => number,
        double number => number,
        string text when double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) => number, // safetensors
        _ => null,
    };

    private static string Text(double number) => number.ToString("r", CultureInfo.InvariantCulture);
}
