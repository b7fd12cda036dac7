namespace Pfmvg.Text;

/// <summary>What a task of MiniGPT-v2's template asks: its identifier, and an instruction as MiniGPT-v2 words it.</summary>
/// <param name="Task">The task.</param>
/// <param name="Name">On the command line, and between the brackets of the identifier.</param>
/// <param name="Wordings">With the text's or the box's place in them; the first is the one that is asked.</param>
internal sealed record TaskPrompt(SampleTask Task, string Name, IReadOnlyList<string> Wordings)
{
    private const string Text = InstructionPool.Placeholder, Place = InstructionPool.Place;

    /// <summary>The tasks of single pictures; training knows captions, too.</summary>
    public static IReadOnlyList<TaskPrompt> All { get; } =
    [
        new(SampleTask.Refer, "refer", InstructionPool.Refer),
        new(SampleTask.Identify, "identify", InstructionPool.Identify),
        new(SampleTask.Detection, "detection", [Text]),
        new(SampleTask.Vqa, "vqa", [$"Based on the image, respond to this question with a short answer: {Text}"]),
        new(SampleTask.Grounding, "grounding", InstructionPool.Grounding),
    ];

    private string Instruction => Wordings[0];

    /// <summary>Whether a text is asked about: a phrase, a class or a question.</summary>
    public bool HasText => Instruction.Contains(Text, StringComparison.Ordinal);

    /// <summary>Whether a place is asked about.</summary>
    public bool HasBox => Instruction.Contains(Place, StringComparison.Ordinal);

    /// <summary>Whether answers have boxes.</summary>
    public bool AnswersBoxes => Task is SampleTask.Refer or SampleTask.Detection or SampleTask.Grounding;

    /// <summary>The prompt of a task; a caption's text is looked for as a phrase.</summary>
    public static TaskPrompt Of(SampleTask task) => All.FirstOrDefault(prompt => prompt.Task == task) ?? All[0];

    /// <summary>The task of a name on the command line.</summary>
    /// <exception cref="InputException">There is no such task.</exception>
    public static TaskPrompt Parse(string name) => All.FirstOrDefault(prompt => prompt.Name == name)
        ?? throw new InputException(
            $"--task {name}: there is no such task; use one of {string.Join(", ", All.Select(prompt => prompt.Name))}.");

    /// <summary>The question as it stands in the template.</summary>
    /// <param name="text">Phrase, class or question, normalised where the settings say so.</param>
    /// <param name="box">The place that is asked about.</param>
    /// <param name="wording">One of <see cref="Wordings"/>; null is the first.</param>
    public PromptSegments Build(string text, GridBox? box, string? wording = null) => PromptTemplate.Build($"[{Name}]",
        InstructionPool.Fill((wording ?? Instruction).Replace(Place, $"{box}", StringComparison.Ordinal), text));
}
