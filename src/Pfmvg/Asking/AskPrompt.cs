using Pfmvg.Text;

namespace Pfmvg.Asking;

/// <summary>The question that a model of another family is asked about a phrase.</summary>
internal static class AskPrompt
{
    // Families of models know the form of words that they were trained with; the last one says all that it wants.
    private static readonly Dictionary<string, string> Named = new()
    {
        ["ours"] = $"{PromptTemplate.ReferTask} {InstructionPool.Refer[0]}",
        ["qwen"] = "Locate {phrase} in this image and output its bbox coordinates in JSON format.",
        ["internvl"] = "Please provide the bounding box coordinate of the region this sentence describes: <ref>{phrase}</ref>",
        ["free"] = "This is a chest radiograph. Find the region that this phrase describes: \"{phrase}\". Answer with one bounding box "
            + "[x1, y1, x2, y2] and nothing else: its left, top, right and bottom edge, as decimal fractions of the picture's width and "
            + "height between 0 and 1.",
    };

    /// <summary>The form of words of a setting, with {phrase} where the phrase goes.</summary>
    public static string Wording(string prompt) => Named.GetValueOrDefault(prompt, prompt);

    /// <summary>The question about a phrase.</summary>
    /// <param name="prompt">`ask.prompt`.</param>
    /// <param name="phrase">The phrase as the data have it.</param>
    /// <param name="normalize">Normalise it where our own prompt is used, as our own evaluation does.</param>
    public static string Text(string prompt, string phrase, bool normalize) => InstructionPool.Fill(
        Wording(prompt), prompt == "ours" && normalize ? CaptionNormalizer.Normalize(phrase).Text : phrase);
}
