using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Text;

namespace Pfmvg.Runs;

/// <summary>What an evaluation asks about a split.</summary>
internal static class AskedSamples
{
    /// <summary>The phrases with a true box, or the questions of another task that are made of the phrases.</summary>
    /// <param name="session">Tells what is left out.</param>
    /// <param name="data">The prepared data.</param>
    /// <param name="listed">All phrases of the split.</param>
    /// <param name="options">Split and task.</param>
    /// <param name="asNegatives">Phrases without a box are asked apart.</param>
    /// <exception cref="InputException">There is nothing to ask.</exception>
    public static IReadOnlyList<Sample> Of(
        Session session, PreparedData data, IReadOnlyList<Sample> listed, EvaluationOptions options, bool asNegatives)
    {
        var task = TaskPrompt.Of(options.Task);
        IReadOnlyList<Sample> asked = TaskQuestions.All(listed, options.Task);
        if (task.Task == SampleTask.Refer && asked.Count < listed.Count)
            session.Tell($"{listed.Count - asked.Count} of {listed.Count} phrases have no true box and are not asked"
                + (asNegatives ? ", but as negatives." : ": nothing scores them."));
        if (asked.Count == 0 && task.Task != SampleTask.Refer && listed.Count > 0)
            throw new InputException($"{data.Folder}: no question of the task {task.Name} can be made of the split: it takes phrases with "
                + $"a box{(task.Task == SampleTask.Detection ? " and a class" : "")}, and there are none.");
        if (asked.Count == 0)
            throw new InputException($"{data.Folder}: has no {Manifest.FileName(SampleTask.Refer, options.Split)}{data.Chosen}, so "
                + "there is nothing to evaluate; prepare MS-CXR.");
        PhraseForecast.Check([.. asked.Where(one => TaskPrompt.Of(one.Task).HasText).Select(one => (one.Id, one.Text))],
            session.Configuration.Eval.NormalizeText, session.Tell);
        return asked;
    }
}
