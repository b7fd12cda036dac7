namespace Pfmvg.Text;

/// <summary>The text on both sides of the picture. Each side is tokenized on its own, without special tokens.</summary>
/// <param name="BeforeImage">What precedes the visual tokens.</param>
/// <param name="AfterImage">What follows them, up to the answer.</param>
public sealed record PromptSegments(string BeforeImage, string AfterImage)
{
    /// <summary>The prompt in one piece, the picture's place marked.</summary>
    public string Whole => BeforeImage + SequenceBuilder.ImageMarker + AfterImage;
}

/// <summary>MiniGPT-v2's prompt: <c>[INST] &lt;Img&gt;</c> picture <c>&lt;/Img&gt; [task] instruction [/INST]</c>.</summary>
public static class PromptTemplate
{
    /// <summary>Task identifier of captioning.</summary>
    public const string CaptionTask = "[caption]";

    /// <summary>Task identifier of referring expression comprehension: the answer is a box.</summary>
    public const string ReferTask = "[refer]";

    private const string ImagePlace = "<ImageHere>";

    /// <summary>Puts a question into the template.</summary>
    /// <param name="taskIdentifier">In brackets, such as <see cref="ReferTask"/>.</param>
    /// <param name="instruction">The question, white space kept as it is.</param>
    /// <param name="leadingBosText">
    /// Begin with the literal <c>&lt;s&gt;</c>, as the original does when it generates. The tokenizer maps it to the
    /// beginning's id and the model's input gets another, so the sequence starts with two; training has one.
    /// </param>
    /// <param name="normalizeWhole">
    /// Legacy of the authors' code: the caption normaliser runs over task, question and image tags together, so the tags
    /// are in lower case and the whole is cut at 50 words. MiniGPT-v2 keeps the case.
    /// </param>
    /// <exception cref="ArgumentException">The task identifier is not in brackets.</exception>
    public static PromptSegments Build(string taskIdentifier, string instruction, bool leadingBosText = false, bool normalizeWhole = false)
    {
        if (taskIdentifier is not ['[', .., ']'])
            throw new ArgumentException($"The task identifier '{taskIdentifier}' is not in brackets; give '{ReferTask}' or '{CaptionTask}'.", nameof(taskIdentifier));

        var whole = $"<Img>{ImagePlace}</Img> {taskIdentifier} {instruction}";
        if (normalizeWhole) whole = CaptionNormalizer.Normalize(whole).Text;
        var at = whole.IndexOf(ImagePlace, StringComparison.OrdinalIgnoreCase);
        return new PromptSegments(
            $"{(leadingBosText ? "<s>" : "")}[INST] {whole[..at]}",
            $"{whole[(at + ImagePlace.Length)..]} [/INST]");
    }
}
