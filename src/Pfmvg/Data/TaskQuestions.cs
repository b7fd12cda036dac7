namespace Pfmvg.Data;

/// <summary>Questions of MiniGPT-v2's other tasks, made of the phrases of a split and their boxes.</summary>
/// <remarks>
/// identify: a box, whose phrase is the answer. detection: a class, with all its boxes in the picture. grounding: all that is said of a
/// picture, each phrase with its boxes.
/// </remarks>
internal sealed class TaskQuestions
{
    // Its regions are in every picture, so a text of them is no report.
    private const string Anatomy = "chest-imagenome";

    private readonly long _seed;
    private readonly SampleTask _task;
    private readonly List<IReadOnlyList<Sample>> _pictures;

    /// <summary>Finds what can be asked about which picture.</summary>
    /// <param name="phrases">A split, phrases without a box included.</param>
    /// <param name="task">The task.</param>
    /// <param name="seed">Decides which picture comes when, and which of its questions is drawn.</param>
    public TaskQuestions(IReadOnlyList<Sample> phrases, SampleTask task, long seed)
    {
        (_seed, _task) = (seed, task);
        _pictures = [.. All(phrases, task).GroupBy(sample => (sample.Source, sample.Image))
            .Select(IReadOnlyList<Sample> (own) => [.. own])];
        var order = new CounterRandom(seed, $"{task} pictures").Permutation(_pictures.Count);
        _pictures = [.. order.Select(i => _pictures[i])];
    }

    /// <summary>Pictures about which something can be asked.</summary>
    public int Pictures => _pictures.Count;

    /// <summary>Every question of a task, picture by picture in the order of the phrases; of refer the phrases with a box.</summary>
    public static IReadOnlyList<Sample> All(IReadOnlyList<Sample> phrases, SampleTask task)
    {
        if (task == SampleTask.Refer) return [.. phrases.Where(sample => sample.Boxes.Count > 0)];
        var pictures = phrases.GroupBy(sample => (sample.Source, sample.Image));
        return [.. pictures.SelectMany(own => task switch
        {
            SampleTask.Identify => Places(own),
            SampleTask.Detection => Classes(own),
            _ => own.Key.Source == Anatomy ? [] : [Report(own)],
        }).Select(sample => sample with { Task = task, Id = $"{sample.Id}/{task.ToString().ToLowerInvariant()}" })];
    }

    /// <summary>A question of an epoch: pictures come in turn, which of their questions is drawn anew.</summary>
    public Sample Draw(int number, int epoch)
    {
        var own = _pictures[number % _pictures.Count];
        var drawn = own[own.Count == 1 ? 0 : new CounterRandom(_seed, $"{_task}", epoch, number).Next(own.Count)];
        return number < _pictures.Count ? drawn : drawn with { Id = $"{drawn.Id}{1 + number / _pictures.Count}" };
    }

    /// <summary>All boxes that a question may be about in any epoch: its crop must hold them.</summary>
    public IReadOnlyList<Geometry.Box> Boxes(int number) =>
        [.. _pictures[number % _pictures.Count].SelectMany(sample => sample.Boxes).Distinct()];

    private static IEnumerable<Sample> Places(IEnumerable<Sample> picture) =>
        PhraseGroups.PerBox(picture).Where(sample => sample.Boxes.Count > 0);

    private static IEnumerable<Sample> Classes(IEnumerable<Sample> picture) =>
        picture.Where(sample => sample is { Boxes.Count: > 0, Class: not null }).GroupBy(sample => sample.Class!)
            .Select(same => same.First() with { Text = same.Key, Boxes = [.. same.SelectMany(sample => sample.Boxes).Distinct()] });

    private static Sample Report(IEnumerable<Sample> picture)
    {
        var phrases = PhraseGroups.PerPhrase(picture);
        return phrases[0] with
        {
            Class = null,
            Normal = false,
            Text = string.Join(". ", phrases.Select(phrase => phrase.Text.TrimEnd('.', ' '))) + ".",
            Boxes = [.. phrases.SelectMany(phrase => phrase.Boxes)],
            Phrases = [.. phrases.Select(phrase => (phrase.Text, phrase.Boxes.Count))],
        };
    }
}
