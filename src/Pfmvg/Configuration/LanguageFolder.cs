using System.Globalization;
using Pfmvg.Models;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Configuration;

/// <summary>
/// The config.json of the configured language model beside the settings: those that nobody set take its numbers, and those that were set
/// must be its numbers.
/// </summary>
/// <param name="Configuration">The configuration, completed.</param>
/// <param name="File">The file; null where the folder has none.</param>
/// <param name="Notes">What the user should know.</param>
internal sealed record LanguageFolder(PfmvgConfiguration Configuration, HuggingFaceConfig? File, IReadOnlyList<string> Notes)
{
    // Positions of a prompt's words, on top of the picture's tokens and the longest answer.
    private const int LongestWords = 128;

    private static readonly LanguageSettings Usual = new();

    private static readonly Number[] Numbers =
    [
        new("vocab_size", "vocabulary", s => s.Vocabulary, (s, v) => s with { Vocabulary = (int)v }),
        new("hidden_size", "hidden_size", s => s.HiddenSize, (s, v) => s with { HiddenSize = (int)v }),
        new("num_hidden_layers", "layers", s => s.Layers, (s, v) => s with { Layers = (int)v }),
        new("num_attention_heads", "heads", s => s.Heads, (s, v) => s with { Heads = (int)v }),
        new("intermediate_size", "intermediate_size", s => s.IntermediateSize, (s, v) => s with { IntermediateSize = (int)v }),
        new("rms_norm_eps", "rms_norm_eps", s => s.RmsNormEps, (s, v) => s with { RmsNormEps = v }, WhereSilent: 1e-6),
        new("rope_theta", "rope_theta", s => s.RopeTheta, (s, v) => s with { RopeTheta = v }, WhereSilent: 10000),
    ];

    /// <summary>Reads the folder. Doing it again with the completed configuration changes nothing.</summary>
    /// <exception cref="InputException">
    /// config.json contradicts a setting, or describes a model that is not computed here; the message names file and setting.
    /// </exception>
    public static LanguageFolder Read(PfmvgConfiguration configuration)
    {
        var folder = WeightFolder.Resolve(configuration.Resolve(configuration.Weights.Language));
        WeightFolder.RefuseOtherKinds(folder);
        if (HuggingFaceConfig.Find(folder) is not { } file)
            return new LanguageFolder(configuration, null, !Directory.Exists(folder) ? [] :
            [
                $"warning: {folder} has no config.json, so nothing says whether the settings ("
                    + $"{string.Join(", ", Numbers.Select(number => number.Key))}) are those of these weights; fetch it, too.",
            ]);

        var (settings, taken, conflicts) = (configuration.Model.Language, new List<string>(), new List<string>());
        foreach (var number in Numbers)
        {
            var (path, value, usual) = ($"model.language.{number.Setting}", number.Of(settings), number.Of(Usual));
            var (stated, isGiven) = (file[number.Key], configuration.Given.Contains(path));
            if (number.Key == "vocab_size" && value == 0) continue; // asks for the folder's number
            if ((stated ?? number.WhereSilent) is not { } own) continue;
            if (!IsSame(own, value))
            {
                if (isGiven || !IsSame(value, usual)) // by a program, not in a file
                {
                    if (stated is not null) conflicts.Add($"{number.Key} {Text(own)} where {path} is {Text(value)}");
                    continue;
                }

                if (number.WhereSilent is null && (own != Math.Floor(own) || own > 1 << 24))
                    throw new InputException($"{file.Path}: {number.Key} is {Text(own)}, which is no size; fetch the file again.");
                settings = number.With(settings, own);
            }

            if (!isGiven && !IsSame(own, usual))
                taken.Add($"{number.Key} {Text(own)}{(stated is null ? " (transformers' value where the file is silent)" : "")}");
        }

        if (conflicts.Count > 0)
            throw new InputException($"{file.Path}: says {string.Join(", and ", conflicts)}; leave the setting out to take the file's "
                + "number, or name the weights that the setting describes.");
        var completed = configuration with { Model = configuration.Model with { Language = settings } };
        foreach (var broken in ConfigurationRules.Check(completed))
            throw new InputException($"{file.Path}: with its numbers {broken.Paths[0]} {broken.Problem}; give a LLaMA-2 model.");
        file.RequireWithin(LongestSample(completed));
        return new LanguageFolder(completed, file, taken.Count == 0 ? file.Notes
            : [.. file.Notes, $"{file.Path}: sets what the configuration leaves open: {string.Join(", ", taken)}."]);
    }

    /// <summary>The model's number of tokens, the file's or else the tokenizer's, for a setting of 0.</summary>
    public int Vocabulary(int tokenizer) => (int?)File?["vocab_size"] ?? tokenizer;

    private static int LongestSample(PfmvgConfiguration configuration) =>
        ConfiguredModel.Sizes(configuration.Model).VisualTokens + LongestWords + Math.Max(
            configuration.Eval.MaxNewTokens, Math.Max(configuration.Stage1.MaxAnswerTokens, configuration.Stage2.MaxAnswerTokens));

    // Some writers state a number that has been through float32.
    private static bool IsSame(double a, double b) => Math.Abs(a - b) <= 1e-7 * Math.Abs(a);

    private static string Text(double number) => number.ToString("r", CultureInfo.InvariantCulture);

    /// <summary>A number that both have.</summary>
    /// <param name="Key">Its name in config.json.</param>
    /// <param name="Setting">Its name below `model.language`.</param>
    /// <param name="Of">Its value in the settings.</param>
    /// <param name="With">The settings with another value.</param>
    /// <param name="WhereSilent">What transformers takes where config.json does not say; null for a size, which shapes reveal.</param>
    private sealed record Number(string Key, string Setting, Func<LanguageSettings, double> Of,
        Func<LanguageSettings, double, LanguageSettings> With, double? WhereSilent = null);
}
