namespace Pfmvg.Text;

/// <summary>The text of a prompt on both sides of the picture. Each side is tokenized on its own.</summary>
/// <remarks>
/// The two sides stay apart until they are token ids, so no text of a user can be taken for the picture's place.
/// </remarks>
/// <param name="BeforeImage">What precedes the visual tokens.</param>
/// <param name="AfterImage">What follows them, up to the answer.</param>
public sealed record PromptSegments(string BeforeImage, string AfterImage);

/// <summary>MiniGPT-v2's prompt: <c>[INST] &lt;Img&gt;</c> picture <c>&lt;/Img&gt; [task] instruction [/INST]</c>.</summary>
public static class PromptTemplate
{
    /// <summary>Task identifier of captioning.</summary>
    public const string CaptionTask = "[caption]";

    /// <summary>Task identifier of referring expression comprehension: the answer is a box.</summary>
    public const string ReferTask = "[refer]";

    /// <summary>Puts a question into the template.</summary>
    /// <param name="taskIdentifier">In brackets, such as <see cref="ReferTask"/>.</param>
    /// <param name="instruction">The question; its white space is kept.</param>
    /// <param name="leadingBosText">
    /// Begin with the literal <c>&lt;s&gt;</c>, as the original does when it generates. The tokenizer turns it into a begin
    /// token and the model's input gets another one, so the sequence starts with two; in training it starts with one.
    /// </param>
    /// <param name="normalizeWhole">
    /// A habit of the authors' code: the caption normaliser runs over image tags, task and question together. So the tags
    /// become lower case and the text is cut at 50 words. MiniGPT-v2 keeps the case.
    /// </param>
    /// <exception cref="ArgumentException">The task identifier is not in brackets.</exception>
    public static PromptSegments Build(string taskIdentifier, string instruction, bool leadingBosText = false, bool normalizeWhole = false)
    {
        if (taskIdentifier is not ['[', .., ']'])
            throw new ArgumentException(
                $"The task identifier '{taskIdentifier}' is not in brackets; give '{ReferTask}' or '{CaptionTask}'.",
                nameof(taskIdentifier));

        var (before, after) = ("<Img>", $"</Img> {taskIdentifier} {instruction}");
        // The opening tag touches the closing one across the picture, so it adds no word to those that are counted.
        if (normalizeWhole) (before, after) = (CaptionNormalizer.Normalize(before).Text, CaptionNormalizer.Normalize(after).Text);
        return new PromptSegments($"{(leadingBosText ? "<s>" : "")}[INST] {before}", $"{after} [/INST]");
    }
}
