namespace Pfmvg.Data.Preparation;

/// <summary>
/// Keeps what grounding is tested on out of what is learnt before: MS-CXR's pictures, perhaps one's own, and those of Chest
/// ImaGenome are MIMIC-CXR's, under other splits. A patient is known by every name that an entry gives: number, study, picture.
/// </summary>
internal sealed class LeakGuard
{
    /// <summary>The data set that is tested on.</summary>
    public const string Phrases = "ms-cxr";

    /// <summary>The data set whose captions are learnt.</summary>
    public const string Captions = "mimic-cxr";

    /// <summary>Whether a data set is tested on.</summary>
    public static bool IsTested(string source) => source is Phrases or "own";

    /// <summary>Whether a data set must be kept free of the patients that are tested on.</summary>
    public static bool IsGuarded(string source) => source is Captions or "chest-imagenome";

    /// <summary>Whether the entries of a data set must tell their patients, when the rule holds between the data sets given.</summary>
    public static bool MustTell(string source) => source is Phrases or Captions;

    /// <summary>Whether some of the data sets are tested on and others must be kept free of their patients.</summary>
    public static bool Concerns(IReadOnlyCollection<string> sources) => sources.Any(IsTested) && sources.Any(IsGuarded);

    /// <summary>The data sets that are tested on, by name.</summary>
    public static string Tested(IEnumerable<string> sources) =>
        string.Join(" and ", sources.Where(IsTested).Select(source => source == Phrases ? "MS-CXR" : source));

    /// <summary>What is wrong with an entry that tells no patient but must.</summary>
    /// <param name="sources">The data sets given.</param>
    public static string Unknown(IReadOnlyCollection<string> sources) => "the path tells no patient (files/p10/p10000032/s50414267/...), "
        + $"so nobody can say whether the test of {Tested(sources)} is in "
        + string.Join(" and ", sources.Where(IsGuarded).Select(source => source == Captions ? "MIMIC-CXR's captions" : source));

    private readonly HashSet<string> _heldOut = [], _names = [], _training = [], _trained = [];
    private long _trainedSamples;

    /// <summary>Whether both data sets are given and the rule holds.</summary>
    public bool IsOn { get; set; }

    /// <summary>Patients of validation and test that are tested on.</summary>
    public int HeldOut => _heldOut.Count;

    /// <summary>The other way round: validation and test samples of MIMIC-CXR whose patients MS-CXR trains on.</summary>
    public (long Samples, int Patients) Trained => (_trainedSamples, _trained.Count);

    /// <summary>Notes an entry that is tested on, whether it is usable or not.</summary>
    public void Add(ListedSample phrase, Split? split)
    {
        if (split == Split.Train && phrase.Patient is not null) _training.Add(phrase.Patient);
        if (split is not (Split.Validate or Split.Test)) return;
        if (phrase.Patient is not null) _heldOut.Add(phrase.Patient);
        if (phrase.Study is not null) _names.Add(phrase.Study);
        if (Picture(phrase) is { Length: > 0 } picture) _names.Add(picture);
    }

    /// <summary>Whether an entry of a guarded set must stay out.</summary>
    public bool HoldsOut(ListedSample caption) => _heldOut.Contains(caption.Patient ?? "") || _names.Contains(caption.Study ?? "")
        || _names.Contains(Picture(caption));

    /// <summary>Counts an entry of MIMIC-CXR that is kept.</summary>
    public void CountTraining(ListedSample caption)
    {
        if (caption is not { Split: Split.Validate or Split.Test, Patient: { } patient } || !_training.Contains(patient)) return;
        _trainedSamples++;
        _trained.Add(patient);
    }

    private static string Picture(ListedSample sample) => Path.GetFileNameWithoutExtension(sample.Image).ToLowerInvariant();
}
