using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Text;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg eval --task`: another task than the place of a phrase, asked about a split and scored.</summary>
internal static class TaskEvaluation
{
    /// <summary>The option that names the task.</summary>
    public static Option<string?> Option() => new("--task")
    {
        Description = "With --split: what to ask about its pictures, made of its phrases: refer (the place of a phrase, default), identify "
            + "(the phrase of a box), detection (all boxes of a class) or grounding (all phrases with their boxes).",
        HelpName = "TASK",
    };

    /// <summary>The task of a name; null for the place of a phrase.</summary>
    /// <exception cref="InputException">There is no such task, or none that a split's phrases hold.</exception>
    public static TaskPrompt? Read(string? name)
    {
        if (name is null || TaskPrompt.Parse(name) is not { Task: not SampleTask.Refer } task) return null;
        return StageSettings.TaskNames.Contains(task.Name) ? task
            : throw new InputException($"--task {task.Name}: no prepared data hold questions with answers; ask about single pictures with "
                + "pfmvg predict.");
    }

    /// <summary>Asks, scores, prints the table and writes it beside the answers.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="session">The configuration.</param>
    /// <param name="task">The task.</param>
    /// <param name="options">What is asked by which model.</param>
    /// <param name="scoring">How tables are printed.</param>
    /// <param name="rules">How answers are scored.</param>
    public static int Run(ParseResult parsed, Session session, TaskPrompt task, EvaluationOptions options, ScoringArguments scoring,
        ScoringOptions rules)
    {
        var settings = session.Configuration.Eval;
        TaskOptions.Check(task, settings);
        if (settings.Negatives > 0)
            throw new InputException($"--task {task.Name}: phrases that name nothing (eval.negatives) belong to the task refer; set it to "
                + "0.");
        rules = scoring.ForModel(parsed, rules, settings);
        var result = EvaluationRun.Execute(session, options with { Task = task.Task });
        if (!session.IsFirst) return ExitCode.Success;
        Interrupt.LoseNothing();
        IReadOnlyList<Sample> known = result.Data.Read(SampleTask.Refer, Split.Train);
        var grid = new TaskGrid(task,
            [("model", Measure(result.Predictions)), .. result.Controls.OrderBy(control => control.Key)
                .Select(control => ($"{control.Key}".ToLowerInvariant(), Measure(control.Value)))],
            [
                FormattableString.Invariant($"{result.Asked.Count} questions about {result.Asked.DistinctBy(Picture).Count()} pictures, ")
                    + $"{settings.MaxNewTokens} tokens at most for an answer (eval.max_new_tokens).",
                .. result.Controls.Keys.Order().Select(control => $"{control.Describe()}."),
                .. result.Asked.Any(question => question.Synthetic) ? (string[])[Scorer.OfPhantoms] : [],
                UsedCheckpoint.Note(result.Model),
            ]);
        AtomicFile.WriteText(result.Folder.In("task-scores.json"), grid.Tidy(rules).ToJson());
        EvaluationRun.Record(result.Folder, grid.Answers[0].Measures.Figures);
        GridPrinter.Print(scoring.Format(parsed), () => grid.Tidy(rules), grid.Grid);
        Terminal.Standard.Message($"Answers: {result.Folder.PredictionsPath}");
        return EvalCommand.CodeOf([result]);

        TaskMeasures Measure(IReadOnlyList<Prediction> answers) =>
            TaskMeasures.Of(task.Task, [.. result.Asked.Zip(answers)], known, rules);

        static (string, string) Picture(Sample sample) => (sample.Source, sample.Image);
    }
}
