using System.Globalization;
using Pfmvg.Configuration;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Data;

/// <summary>
/// What an epoch of a stage is made of: the samples of the split, repeated by data set, then phrases that name nothing in their picture,
/// then questions of other tasks.
/// Which these are is a function of (seed, epoch, sample); their number and their pictures are the same in every epoch.
/// </summary>
internal sealed class TaughtMixture
{
    private readonly NegativePhrases? _negatives;
    private readonly int _first; // of the negatives
    private readonly List<(int First, TaskQuestions Questions)> _tasks = [];

    /// <summary>Mixes a split.</summary>
    /// <param name="folder">Where the data are, for messages.</param>
    /// <param name="split">The split.</param>
    /// <param name="settings">The stage.</param>
    /// <param name="seed">The run's seed.</param>
    /// <exception cref="InputException">A phrase has no box and none is taught, no negative can be made, or a set is unknown.</exception>
    public TaughtMixture(string folder, IReadOnlyList<Sample> split, StageSettings settings, long seed)
    {
        var boxless = split.Count(IsBoxless);
        if (boxless > 0 && settings.Negatives == 0)
            throw new InputException($"{folder}: {boxless} of {split.Count} phrases have no box (\"boxes\": []), the first is one of "
                + $"{split.First(IsBoxless).Source}, and training has no answer for them; prepare the data with "
                + "'--only-with-boxes', or teach that phrases name nothing with stage2.negatives.");
        IReadOnlyList<Sample> plain = boxless == 0 ? split : [.. split.Where(sample => !IsBoxless(sample))];
        if (settings.MultiBox == MultiBox.PerBox) plain = PhraseGroups.PerBox(plain);
        var repeated = Repeated(folder, plain, settings.Repeat);
        (Samples, _first) = (repeated, repeated.Count);
        List<string> parts = settings.Repeat.Count == 0 ? [] : [string.Join(", ", repeated.CountBy(sample => sample.Source)
            .Select(own => $"{Units.Count(own.Value)} of {own.Key}"))];
        if (settings.Negatives > 0 && split.Count > 0)
        {
            _negatives = new NegativePhrases(split, seed);
            if (_negatives.Pictures == 0)
                throw new InputException($"{folder}: no phrase can be made that names nothing in its picture (stage2.negatives): the "
                    + "phrases have no class, or every picture has every class, and there are no normal sentences; set it to 0.");
            var count = Count(settings.Negatives, settings, repeated.Count);
            Samples = [.. repeated, .. Enumerable.Range(0, count).Select(number => _negatives.Draw(number, 0).Sample)];
            var unused = split.Count(sample => sample.Boxes.Count == 0 && !NegativePhrases.IsNegative(sample));
            parts.Add($"{Units.Count(count)} phrases that name nothing in their picture, on "
                + $"{Units.Count(Math.Min(count, _negatives.Pictures))} pictures" + (unused == 0 ? ""
                : $"; {Units.Count(unused)} phrases without a box that may name something are left out"));
        }

        Possible = Samples;
        foreach (var (task, share) in settings.TaskShares)
        {
            var name = TaskPrompt.Of(task).Name;
            var asked = AskedOf(split, settings.Repeat);
            var questions = new TaskQuestions(asked, task, seed);
            if (questions.Pictures == 0)
                throw new InputException($"{folder}: no question of the task {name} can be made (stage2.tasks): it takes phrases with "
                    + $"{(task == SampleTask.Detection ? "a box and a class" : "a box")}, and there are none; leave it out.");
            var count = Count(share, settings, repeated.Count);
            _tasks.Add((Samples.Count, questions));
            Possible = [.. Possible, .. TaskQuestions.All(asked, task)];
            Samples = [.. Samples, .. Enumerable.Range(0, count).Select(number => questions.Draw(number, 0))];
            parts.Add($"{Units.Count(count)} of the task {name}, on {Units.Count(Math.Min(count, questions.Pictures))} pictures");
        }

        if (parts.Count > 0) Said = $"mixture  {Units.Count(Samples.Count)} samples an epoch: {string.Join("; ", parts)}";
    }

    // A share of all, of which the repeated phrases are what no share names.
    private static int Count(double share, StageSettings settings, int others) => settings.TaskShares.Count == 0
        ? NegativePhrases.Count(share, others)
        : (int)Math.Round(share / (1 - settings.Negatives - settings.TaskShares.Sum(task => task.Share)) * others,
            MidpointRounding.AwayFromZero);

    // A data set that is left out teaches no other task either.
    private static IReadOnlyList<Sample> AskedOf(IReadOnlyList<Sample> split, IReadOnlyDictionary<string, string> repeat) =>
        repeat.Count == 0 ? split : [.. split.Where(sample => Factors(repeat).GetValueOrDefault(sample.Source, 1) > 0)];

    // Captions never have boxes.
    private static bool IsBoxless(Sample sample) => sample is { Task: SampleTask.Refer, Boxes.Count: 0 };

    /// <summary>The samples as they are in the first epoch.</summary>
    public IReadOnlyList<Sample> Samples { get; }

    /// <summary>What the user should read about them; null where they are those of the split.</summary>
    public string? Said { get; }

    /// <summary>Every sample that an epoch may have: those of the first epoch, and all questions of other tasks.</summary>
    public IReadOnlyList<Sample> Possible { get; private set; } = [];

    /// <summary>A sample as it is in an epoch.</summary>
    public Sample At(int index, int epoch) => TaskOf(index) is var (first, questions) && questions is not null
        ? questions.Draw(index - first, epoch)
        : _negatives is null || index < _first ? Samples[index] : _negatives.Draw(index - _first, epoch).Sample;

    /// <summary>The boxes that a sample may have in any epoch.</summary>
    public IReadOnlyList<Box> BoxesOf(int index) => TaskOf(index) is var (first, questions) && questions is not null
        ? questions.Boxes(index - first) : Samples[index].Boxes;

    /// <summary>Whether a sample's boxes are others in another epoch.</summary>
    public bool IsDrawn(int index) => TaskOf(index).Questions is not null;

    private (int First, TaskQuestions? Questions) TaskOf(int index) => _tasks.FindLast(task => task.First <= index);

    /// <summary>What a stage is validated with: phrases with a box, whatever else is mixed into its training.</summary>
    public static IReadOnlyList<Sample> ToValidate(IReadOnlyList<Sample> split, StageSettings settings) =>
        settings.Negatives == 0 ? split : [.. split.Where(sample => sample.Boxes.Count > 0)];

    /// <summary>The first pass holds the samples in their own order, so that a factor of 1 changes nothing.</summary>
    private static IReadOnlyList<Sample> Repeated(string folder, IReadOnlyList<Sample> samples, IReadOnlyDictionary<string, string> repeat)
    {
        if (repeat.Count == 0) return samples;
        var factors = Factors(repeat);
        var sources = samples.Select(sample => sample.Source).Distinct().ToList();
        if (factors.Keys.FirstOrDefault(name => !sources.Contains(name)) is { } unknown)
            throw new InputException($"{folder}: repeat names the data set '{unknown}', of which there are no training samples; there are "
                + $"{string.Join(", ", sources)}.");
        List<Sample> repeated = [.. Enumerable.Range(0, factors.Values.Append(1).Max())
            .SelectMany(pass => samples.Where(sample => pass < factors.GetValueOrDefault(sample.Source, 1)))];
        return repeated.Count > 0 || samples.Count == 0 ? repeated
            : throw new InputException($"{folder}: repeat takes every data set 0 times, so there is nothing to learn from; leave one in.");
    }

    private static Dictionary<string, int> Factors(IReadOnlyDictionary<string, string> repeat) =>
        repeat.ToDictionary(pair => pair.Key.Replace('_', '-'), pair => int.Parse(pair.Value, CultureInfo.InvariantCulture));
}
