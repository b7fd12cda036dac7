using System.CommandLine;
using Pfmvg.Configuration;
using Pfmvg.Runs;
using Pfmvg.Text;

namespace Pfmvg.Cli.Options;

/// <summary>The options that say what is asked about a picture: a task of MiniGPT-v2's template, and what it is about.</summary>
internal sealed class TaskOptions
{
    private readonly Option<string?> _task = new("--task")
    {
        Description = "What to ask: refer (the place of a phrase, default), identify (what lies in --box), detection (all boxes of a "
            + "class), vqa (a question) or grounding (a description with boxes). --phrase is the phrase, the class or the question.",
        HelpName = "TASK",
    };
    private readonly Option<string?> _box = new("--box")
    {
        Description = "With --task identify: the place as left,top,right,bottom in pixels of the picture. With --table: the column box.",
        HelpName = "BOX",
    };

    public TaskOptions AddTo(Command command)
    {
        command.Options.Add(_task);
        command.Options.Add(_box);
        return this;
    }

    /// <summary>What is asked.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="isOurs">It is asked of our own model; others know one task only.</param>
    /// <param name="overlay">The option that draws boxes.</param>
    /// <param name="table">The option that names several pictures.</param>
    /// <exception cref="InputException">There is no such task, the model does not know it, or an option has no effect with it.</exception>
    public TaskPrompt Read(ParseResult parsed, bool isOurs, Option overlay, Option table)
    {
        var task = TaskPrompt.Parse(parsed.GetValue(_task) ?? TaskPrompt.All[0].Name);
        if (!isOurs && task.Task != SampleTask.Refer)
            throw new InputException($"--task {task.Name}: only our own model knows it, and --model asks one that finds phrases; leave "
                + "one of them out.");
        if (!task.HasBox) parsed.Refuse("is the place that --task identify asks about; add it, or leave this out", _box);
        if (parsed.IsGiven(table)) parsed.Refuse("is about one picture, and --table has a column box; leave it out", _box);
        if (!task.HasBox && !task.AnswersBoxes) parsed.Refuse($"draws boxes, and --task {task.Name} has none; leave it out", overlay);
        return task;
    }

    /// <summary>Refuses settings under which the model could not answer.</summary>
    /// <exception cref="InputException">Answers are restricted to boxes.</exception>
    public static void Check(TaskPrompt task, EvalSettings settings)
    {
        if (settings.Constrain == AnswerConstraint.Boxes && task.Task is not (SampleTask.Refer or SampleTask.Detection))
            throw new InputException($"--task {task.Name}: the answer is words, and eval.constrain: boxes (--constrain boxes) allows none; "
                + "set it to none.");
        if (settings.Answer == AnswerForm.BoxHead && task.Task != SampleTask.Refer)
            throw new InputException($"--task {task.Name}: eval.answer: box_head answers phrases alone; set it to text.");
        if (settings.Decode == AnswerChoice.ExpectedIou && task.Task != SampleTask.Refer)
            throw new InputException($"--task {task.Name}: eval.decode: expected_iou chooses the box of a phrase; set it to greedy.");
    }

    /// <summary>One picture and what is asked about it.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="task">What is asked.</param>
    /// <param name="image">The picture.</param>
    /// <param name="phrase">Phrase, class or question.</param>
    /// <exception cref="InputException">Something is missing, or has no place in the task.</exception>
    public PredictionCase Case(ParseResult parsed, TaskPrompt task, string image, string? phrase)
    {
        if (task.HasText && string.IsNullOrWhiteSpace(phrase))
            throw new InputException($"--task {task.Name}: say {(task.Task == SampleTask.Vqa ? "what to ask" : "which class to find")} "
                + "with --phrase TEXT.");
        if (!task.HasText && phrase is not null)
            throw new InputException($"--task {task.Name}: asks about {(task.HasBox ? "a place" : "the whole picture")}, not about a "
                + "phrase; leave --phrase out.");
        if (phrase is not null && PhraseLimit.Problem(phrase) is { } tooLong)
            throw new InputException($"--phrase: {tooLong}; write it in fewer words.");
        var box = parsed.GetValue(_box);
        if (task.HasBox && box is null)
            throw new InputException($"--task {task.Name}: name the place with --box LEFT,TOP,RIGHT,BOTTOM in pixels of the picture.");
        return new PredictionCase("1", image, phrase ?? "")
        {
            Task = task.Task, Box = box is null ? null : PredictionCase.ParseBox("--box", box),
        };
    }
}
