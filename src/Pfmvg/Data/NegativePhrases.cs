namespace Pfmvg.Data;

/// <summary>Where a phrase comes from that names nothing in its picture.</summary>
internal enum NegativeKind
{
    /// <summary>A phrase of another patient, of a class that this patient has in no picture.</summary>
    OtherPhrase,

    /// <summary>A sentence of the picture itself that the data set gives no box: something is normal, or not there.</summary>
    NormalSentence,

    /// <summary>The name of a class that the patient has in no picture.</summary>
    AbsentClass,
}

/// <summary>Makes phrases that name nothing in their picture, from the phrases of a split.</summary>
/// <remarks>
/// A class of a split counts as absent when no picture of the patient has it, nor another opacity where it is one: a consolidation is an
/// opacity, too. Class names differ between data sets, so each lends phrases to its own pictures only.
/// </remarks>
internal sealed class NegativePhrases
{
    // CheXpert's lung opacity with what lies below it, in the words of several data sets.
    private static readonly string[] Opacities =
        ["opacit", "consolidation", "pneumonia", "atelectas", "edema", "infiltrat", "lesion", "nodule", "mass", "density", "pattern"];

    private readonly long _seed;
    private readonly List<Picture> _pictures = [];

    /// <summary>Finds what can be asked about which picture.</summary>
    /// <param name="samples">A split, phrases without a box included.</param>
    /// <param name="seed">Decides which picture comes when, and what is drawn for it.</param>
    public NegativePhrases(IReadOnlyList<Sample> samples, long seed)
    {
        _seed = seed;
        var phrases = samples.Where(sample => sample is { Boxes.Count: > 0, Class: not null })
            .GroupBy(sample => sample.Source).ToDictionary(own => own.Key, own => own.GroupBy(sample => sample.Class!)
                .Select(ofClass => new Lent(ofClass.Key, [.. ofClass.Select(sample => sample.Text).DistinctBy(PhraseGroups.Prompt)]))
                .ToList());
        foreach (var patient in samples.GroupBy(sample => (sample.Source, sample.Patient ?? sample.Image)))
        {
            // Its regions are in every picture, listed or not; and what has no class may be of any.
            var lent = patient.Key.Source == "chest-imagenome" || patient.Any(sample => sample is { Boxes.Count: > 0, Class: null }) ? null
                : phrases.GetValueOrDefault(patient.Key.Source);
            var has = patient.Select(sample => sample.Class).OfType<string>().Distinct().ToList();
            var absent = lent?.FindAll(own => !has.Exists(name => IsSame(name, own.Class))) ?? [];
            foreach (var picture in patient.GroupBy(sample => sample.Image))
            {
                var normal = picture.Where(IsNegative).DistinctBy(sample => PhraseGroups.Prompt(sample.Text)).ToList();
                if (absent.Count + normal.Count > 0)
                    _pictures.Add(new Picture(picture.First() with { Boxes = [], Normal = false }, absent, normal));
            }
        }

        var order = new CounterRandom(seed, "negative pictures").Permutation(_pictures.Count);
        _pictures = [.. order.Select(i => _pictures[i])];
    }

    /// <summary>Pictures about which something can be asked.</summary>
    public int Pictures => _pictures.Count;

    /// <summary>Whether the data set itself says that a phrase names nothing in its picture.</summary>
    public static bool IsNegative(Sample sample) => sample.Boxes.Count == 0 && (sample.Normal || sample.Source == "own");

    /// <summary>How many negatives make a share of all, beside so many others.</summary>
    public static int Count(double share, int others) => (int)Math.Round(share / (1 - share) * others, MidpointRounding.AwayFromZero);

    /// <summary>A negative of an epoch: pictures come in turn, what is said of them is drawn anew.</summary>
    public (Sample Sample, NegativeKind Kind) Draw(int number, int epoch)
    {
        var picture = _pictures[number % _pictures.Count];
        var random = new CounterRandom(_seed, "negative", epoch, number);
        List<NegativeKind> kinds = picture.Absent.Count > 0 ? [NegativeKind.OtherPhrase, NegativeKind.AbsentClass] : [];
        if (picture.Normal.Count > 0) kinds.Add(NegativeKind.NormalSentence);
        var kind = kinds[random.Next(kinds.Count)];
        var (name, text) = kind switch
        {
            NegativeKind.OtherPhrase => Phrase(picture.Absent, random),
            NegativeKind.AbsentClass => picture.Absent[random.Next(picture.Absent.Count)] is var lent ? (lent.Class, lent.Class) : default,
            _ => picture.Normal[random.Next(picture.Normal.Count)] is var own ? (own.Class, own.Text) : default,
        };
        return (picture.First with
        {
            Id = $"{picture.First.Id}/none{1 + number / _pictures.Count}", Class = name, Text = text,
        }, kind);
    }

    /// <summary>So many different ones, each about a picture of the split.</summary>
    public IReadOnlyList<(Sample Sample, NegativeKind Kind)> Draw(int count) => _pictures.Count == 0 ? [] :
        [.. Enumerable.Range(0, count).Select(number => Draw(number, 0))
            .DistinctBy(drawn => (drawn.Sample.Source, drawn.Sample.Image, PhraseGroups.Prompt(drawn.Sample.Text)))];

    // Every phrase is as likely as the others, so that classes are as frequent among negatives as among phrases with a box.
    private static (string Class, string Text) Phrase(List<Lent> absent, CounterRandom random)
    {
        var place = random.Next(absent.Sum(lent => lent.Phrases.Count));
        foreach (var lent in absent)
        {
            if (place < lent.Phrases.Count) return (lent.Class, lent.Phrases[place]);
            place -= lent.Phrases.Count;
        }

        throw new InvalidOperationException("No class is absent.");
    }

    private static bool IsSame(string a, string b) => a.Equals(b, StringComparison.OrdinalIgnoreCase) || IsOpacity(a) && IsOpacity(b);

    private static bool IsOpacity(string name) => Array.Exists(Opacities, word => name.Contains(word, StringComparison.OrdinalIgnoreCase));

    /// <summary>The phrases of a class.</summary>
    private sealed record Lent(string Class, IReadOnlyList<string> Phrases);

    /// <summary>A picture with what is not in it.</summary>
    private sealed record Picture(Sample First, List<Lent> Absent, List<Sample> Normal);
}
