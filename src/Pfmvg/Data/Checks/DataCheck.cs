using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Imaging;
using Pfmvg.Text;

namespace Pfmvg.Data.Checks;

/// <summary>What <see cref="DataCheck"/> looks at.</summary>
public sealed record CheckOptions
{
    /// <summary>The data sets.</summary>
    public required DataSources Sources { get; init; }

    /// <summary>
    /// Decode every picture of every data set; by default only of those with at most
    /// <see cref="DataCheck.EveryPixelUpTo"/> pictures.
    /// </summary>
    public bool EveryPixel { get; init; }

    /// <summary>How DICOM values become gray.</summary>
    public DicomGray Dicom { get; init; }

    /// <summary>Whether a picture whose compressed data end early is an error.</summary>
    public TruncatedPictures TruncatedPictures { get; init; }

    /// <summary>
    /// The split that will be used, so that the check judges patients in several splits as the preparation will. Null: each list's own
    /// split must hold.
    /// </summary>
    public SplitRule? Split { get; init; }

    /// <summary>The user's list, for <see cref="SplitRule.List"/>.</summary>
    public string? SplitFile { get; init; }

    /// <summary>LLaMA's tokenizer.model, to give text lengths in tokens.</summary>
    public string? Tokenizer { get; init; }

    /// <summary>Longest answer in training, in tokens, its end with it; needs <see cref="Tokenizer"/>.</summary>
    public int MaxAnswerTokens { get; init; } = UsualAnswerTokens;

    /// <summary>The published length.</summary>
    internal const int UsualAnswerTokens = 160;
}

/// <summary>Finds out what is wrong with data sets before time is spent on them. Changes nothing.</summary>
public static class DataCheck
{
    /// <summary>Cases of a finding that are kept.</summary>
    public const int MostCases = 1000;

    /// <summary>Data sets with at most so many listed samples have every picture decoded unasked.</summary>
    public const int EveryPixelUpTo = EntryRules.EveryPixelUpTo;

    /// <summary>Checks the data sets one by one and against each other.</summary>
    /// <exception cref="InputException">A folder or a list is not there or not of its layout.</exception>
    public static CheckReport Run(CheckOptions options, IProgress<PrepareProgress>? progress = null, CancellationToken cancel = default)
    {
        var tokenizer = options.Tokenizer is null ? null : LlamaTokenizer.Load(options.Tokenizer);
        var findings = new FindingList();
        var sets = new List<SetCheck>();
        foreach (var reader in options.Sources.Readers())
        {
            var set = new SetCheck(reader, findings, new TextStatistics(tokenizer, reader.Task, options.MaxAnswerTokens));
            set.Run(options, progress, cancel);
            sets.Add(set);
        }

        ComparePatients(sets, findings);
        ComparePictures(sets, findings);
        return new CheckReport([.. sets.Select(set => set.ToReport())], findings.ToList());
    }

    /// <summary>Patients of MS-CXR in MIMIC-CXR: they are there by design, and prepare leaves the held-out ones out.</summary>
    private static void ComparePatients(List<SetCheck> sets, FindingList findings)
    {
        var sources = sets.ConvertAll(set => set.Source);
        if (LeakGuard.Concerns(sources))
            foreach (var set in sets.Where(set => LeakGuard.MustTell(set.Source)))
                foreach (var (id, place) in set.PatientUnknown)
                    findings.Add(FindingLevel.Error, set.Source, "patient-unknown", id, place, LeakGuard.Unknown(sources));
        if (sets.Find(set => set.Source == LeakGuard.Phrases) is not { } phrases
            || sets.Find(set => set.Source == LeakGuard.Captions) is not { } captions) return;
        var shared = phrases.Patients.Where(patient => captions.Patients.ContainsKey(patient.Key)).ToList();
        var heldOut = shared.Count(patient => patient.Value.Overlaps([Split.Validate, Split.Test])
            && captions.Patients[patient.Key].Contains(Split.Train));
        var trained = shared.Count(patient => patient.Value.Contains(Split.Train)
            && captions.Patients[patient.Key].Overlaps([Split.Validate, Split.Test]));
        if (shared.Count == 0) return;
        findings.Add(FindingLevel.Note, "ms-cxr", "patient-in-two-sets", "", "mimic-cxr",
            $"{shared.Count:N0} of {phrases.Patients.Count:N0} patients are also in mimic-cxr, {heldOut:N0} of them in validation or "
                + $"test here and in training there, {trained:N0} the other way round; 'data prepare' leaves the held-out ones out of the "
                + "captions");
    }

    private static void ComparePictures(List<SetCheck> sets, FindingList findings)
    {
        var first = new Dictionary<string, (string Source, string Image)>();
        foreach (var set in sets.Where(set => set.Source is "roco" or "imageclef-2022"))
        {
            foreach (var (hash, image) in set.Hashes)
            {
                if (!first.TryAdd(hash, (set.Source, image)))
                    findings.Add(FindingLevel.Note, set.Source, "shared-picture", Path.GetFileNameWithoutExtension(image), image,
                        $"the same file as {first[hash].Image} of {first[hash].Source}; 'data prepare' keeps the first");
            }
        }
    }
}
