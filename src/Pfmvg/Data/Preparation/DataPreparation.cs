using Pfmvg.Configuration;
using Pfmvg.Data.Files;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Preparation;

/// <summary>
/// Turns data sets as they were downloaded into one folder of manifests, which is all that training and evaluation read.
/// The result depends only on the data and the options, not on timing or on earlier, interrupted attempts.
/// </summary>
public sealed class DataPreparation
{
    private const int MostExamples = 20, MostTold = 20;

    private readonly PrepareOptions _options;
    private readonly IProgress<PrepareProgress>? _progress;
    private readonly CancellationToken _cancel;
    private readonly Dictionary<string, SourceCounts> _counts = [];
    private readonly List<string> _notes = [];
    private readonly LeakGuard _guard = new();
    private readonly Dictionary<string, string> _pictures = []; // first picture of each hash
    private readonly HashSet<string> _synthetic = []; // data sets that are phantoms
    private readonly List<string> _sources = [];
    private bool _teachesNoBox;

    private DataPreparation(PrepareOptions options, IProgress<PrepareProgress>? progress, CancellationToken cancel) =>
        (_options, _progress, _cancel) = (options, progress, cancel);

    /// <summary>Prepares the data.</summary>
    /// <param name="options">What to prepare, and how.</param>
    /// <param name="progress">Told about every hundred samples, and about the end of each list.</param>
    /// <param name="cancel">Stops early; what is known of the pictures by then is kept for the next attempt.</param>
    /// <exception cref="InputException">A data set is not there or wrong; see <see cref="PrepareOptions.Bad"/>.</exception>
    public static PrepareReport Run(
        PrepareOptions options, IProgress<PrepareProgress>? progress = null, CancellationToken cancel = default) =>
        new DataPreparation(options, progress, cancel).Run();

    private PrepareReport Run()
    {
        var readers = _options.Sources.Readers();
        var roots = readers.ToDictionary(reader => reader.Source, reader => new ImageRoot(reader.ImageFolder));
        _sources.AddRange(roots.Keys);
        _synthetic.UnionWith(readers.Where(PhantomMark.IsOn).Select(reader => reader.Source));
        using var output = OutputFolder.Take(_options.Output);
        using var catalog = new PictureCatalog(Path.Combine(_options.Output, "pictures.jsonl"), _options.Hash, _options.Dicom);
        using var manifests = new ManifestWriter(output.New);
        _guard.IsOn = !_options.AllowLeak && LeakGuard.Concerns(roots.Keys);
        foreach (var reader in readers)
        {
            var counts = _counts[reader.Source] = new SourceCounts();
            var splitOf = Splits.Of(reader, _options.Split, _options.SplitFile, _options.Seed);
            var found = Usable(reader, roots[reader.Source], catalog, counts, splitOf);
            var samples = reader.Task == SampleTask.Refer ? Phrases(reader, found, counts, splitOf) : Captions(reader, found, counts);
            foreach (var (sample, split) in samples)
            {
                manifests.Add(sample, split);
                _teachesNoBox |= split == Split.Train && sample is { Task: SampleTask.Refer, Boxes.Count: 0 };
                counts.Kept++;
            }

            _progress?.Report(new PrepareProgress(reader.Source, counts.Listed) { IsLast = true });
            if (counts.Kept == 0) throw NothingLeft(reader, roots[reader.Source], counts);
            Explain(reader, counts);
            _notes.AddRange(reader.Notes);
        }

        manifests.Finish();
        var folders = roots.ToDictionary(root => root.Key, root => root.Value.Folder);
        _cancel.ThrowIfCancellationRequested();
        PreparedData.WriteDescription(output.New, _options, folders, _synthetic, manifests.Counts, _counts, _notes);
        output.Change();
        return new PrepareReport(manifests.Counts, _counts, _notes) { TeachesNoBox = _teachesNoBox };
    }

    /// <summary>The samples that the options ask for. The pictures of the others are not even opened.</summary>
    private IEnumerable<ListedSample> Wanted(IDataSetReader reader, SourceCounts counts, Func<ListedSample, Split?> splitOf)
    {
        var (seen, repeated, splits) = (new SeenSamples(), 0L, new Dictionary<string, Split>());
        var (passes, official, crossing) = (Splits.Passes(reader, _options.Split), new Dictionary<string, Split>(), new HashSet<string>());
        foreach (var listed in reader.Read())
        {
            _cancel.ThrowIfCancellationRequested();
            if (counts.Listed++ % 100 == 0) _progress?.Report(new PrepareProgress(reader.Source, counts.Listed));
            if (seen.Before(listed) is { } before)
            {
                if (!before.Same)
                {
                    Wrong(counts, $"{listed.Place}: its id stands at {before.Place}, too, with something else; "
                        + "identifiers must be unique, so put the list right");
                    continue;
                }

                counts.Duplicate++;
                repeated++;
                continue;
            }

            if (passes && Crosses(official, listed, listed.Split) is { } unused)
            {
                if (!_options.OfficialMustHold) crossing.Add(listed.Patient!);
                else
                {
                    Wrong(counts, $"{listed.Place}: {unused} of the list's official split; put the list right, divide the patients at "
                        + "random with '--split ratio'");
                    continue;
                }
            }

            if (Crosses(splits, listed, splitOf(listed)) is { } crosses)
                Wrong(counts, $"{listed.Place}: {crosses}"
                    + (reader.Task == SampleTask.Refer && _options.Split == SplitRule.List ? $" by {_options.SplitFile}" : "")
                    + "; put the list right");
            else if (!_options.AllViews && listed.Problem is null && listed.View is not (null or "AP" or "PA")) counts.OtherView++;
            else if (_guard.IsOn && listed.Patient is null && LeakGuard.MustTell(reader.Source))
                Wrong(counts, $"{listed.Place}: {LeakGuard.Unknown(_sources)}; put it right");
            else if (_guard.IsOn && LeakGuard.IsGuarded(reader.Source) && _guard.HoldsOut(listed)) counts.Leak++;
            else yield return listed;
        }

        if (repeated > 0) _notes.Add($"{Units.Count(repeated)} entries of {reader.Source} repeat an earlier one exactly and are left out.");
        if (crossing.Count > 0)
            _notes.Add($"{Units.Count(crossing.Count)} patients of {reader.Source} are in several parts of its list's official split, "
                + "which is not used here.");

        static string? Crosses(Dictionary<string, Split> first, ListedSample listed, Split? split) =>
            listed is { Problem: null, Patient: { } patient } && split is { } part && !first.TryAdd(patient, part) && first[patient] != part
                ? EntryRules.Crossing([first[patient], part]) : null;
    }

    /// <summary>The samples whose picture is there and whose annotation makes sense.</summary>
    private IEnumerable<(ListedSample Listed, PictureFacts Facts)> Usable(
        IDataSetReader reader, ImageRoot root, PictureCatalog catalog, SourceCounts counts, Func<ListedSample, Split?> splitOf)
    {
        var depth = EntryRules.EveryPixel(reader) ? PictureDepth.Pixels : _options.Hash ? PictureDepth.Hash : PictureDepth.Header;
        var (resized, truncated) = (new HashSet<string>(), new OrderedDictionary<string, string>());
        foreach (var (listed, facts) in catalog.Examine(reader.Source, Wanted(reader, counts, splitOf), root, depth, _cancel))
        {
            var problems = EntryRules.Problems(listed, facts, reader.Task, _options.TruncatedPictures).ToList();
            if (problems.Exists(problem => problem.Kind == EntryRules.Resized)) resized.Add(listed.Image);
            if (problems.Find(problem => problem is { Kind: EntryRules.Truncated, Harmless: true }) is { Detail: { } early })
                truncated.TryAdd(Privacy.Mask(listed.Image), early);
            if (problems.Where(problem => !problem.Harmless).Cast<EntryProblem?>().FirstOrDefault() is { } problem)
                Wrong(counts, problem.OfPicture ? $"{Privacy.Mask(Path.Join(root.Folder, listed.Image))}: {problem.Detail}"
                    : $"{listed.Place}: {problem.Detail}; put it right");
            else if (facts.State == PictureState.Missing)
            {
                counts.Missing++;
                var missing = $"{listed.Place}: {Privacy.Mask(listed.Image)} is not in the image folder";
                Example(counts, facts.Note is null ? missing : $"{missing}; {facts.Note}");
                if (facts.Note is not null) counts.Alike ??= $"{missing}; {facts.Note}";
            }
            else if (listed.Text.Length == 0)
            {
                counts.WithoutText++;
                Example(counts, $"{listed.Place}: there is no text");
            }
            else yield return (listed, facts);
        }

        foreach (var (picture, early) in truncated.Take(MostTold))
            _notes.Add($"{picture} of {reader.Source}: {early}; it is used as it is.");
        if (truncated.Count > MostTold)
            _notes.Add($"{Units.Count(truncated.Count - MostTold)} more pictures of {reader.Source} end early ('pfmvg data check' lists "
                + "them).");
        if (resized.Count > 0)
            _notes.Add($"{Units.Count(resized.Count)} pictures of {reader.Source} have another size than its list says (resized copies?); "
                + "they carry no boxes and are used as they are.");
    }

    /// <summary>Refuses a sample, or leaves it out, as the options say.</summary>
    private void Wrong(SourceCounts counts, string sentence)
    {
        if (_options.Bad == BadSamples.Fail)
            throw new InputException($"{sentence}, or leave such samples out with '--bad skip' ('pfmvg data check' lists all).");
        counts.Bad++;
        Example(counts, sentence);
    }

    private IEnumerable<(Sample, Split)> Phrases(
        IDataSetReader reader, IEnumerable<(ListedSample Listed, PictureFacts Facts)> found, SourceCounts counts,
        Func<ListedSample, Split?> splitOf)
    {
        var clashes = new HashSet<string>();
        foreach (var listed in reader.Read())
        {
            var split = splitOf(listed);
            if (LeakGuard.IsTested(reader.Source)) _guard.Add(listed, split);
            if (listed.Split is not null && split is not null && split != listed.Split) clashes.Add(listed.Patient ?? listed.Image);
        }

        if (clashes.Count > 0)
            _notes.Add($"{Units.Count(clashes.Count)} patients of {reader.Source} are in another split here than in the official one of "
                + "its list; compare scores only with those on the same split.");
        var samples = found.Select(entry => (Sample: ToSample(reader, entry.Listed, entry.Facts), Split: splitOf(entry.Listed))).ToList();
        var twice = samples.Count
            - samples.DistinctBy(s => (s.Sample.Image, s.Sample.Class, s.Sample.Text, string.Join(' ', s.Sample.Boxes))).Count();
        if (twice > 0) _notes.Add($"{Units.Count(twice)} boxes of {reader.Source} repeat an earlier row exactly.");
        var spelled = samples.DistinctBy(s => (s.Sample.Image, s.Sample.Class, s.Sample.Text)).Count()
            - samples.DistinctBy(s => (s.Sample.Image, s.Sample.Class, PhraseGroups.Prompt(s.Sample.Text))).Count();
        if (spelled > 0 && _options.MultiBox == MultiBox.PerPhrase)
            _notes.Add($"{Units.Count(spelled)} phrases of {reader.Source} differ from another of their picture in capitals or punctuation "
                + "only, so that they are one prompt; they are one phrase here.");
        _notes.AddRange(PhraseNotes.Of(reader, samples, _options.OnlyWithBoxes));
        counts.Unassigned = samples.Count(sample => sample.Split is null);
        if (counts.Unassigned > 0) _notes.Add($"{counts.Unassigned} boxes of {reader.Source} have no split and are left out.");
        foreach (var split in Enum.GetValues<Split>())
        {
            var boxes = samples.Where(sample => sample.Split == split && (sample.Sample.Boxes.Count > 0 || !_options.OnlyWithBoxes))
                .Select(sample => sample.Sample);
            foreach (var sample in _options.MultiBox == MultiBox.PerPhrase ? PhraseGroups.PerPhrase(boxes) : PhraseGroups.PerBox(boxes))
                yield return (sample, split);
        }
    }

    private IEnumerable<(Sample, Split)> Captions(
        IDataSetReader reader, IEnumerable<(ListedSample Listed, PictureFacts Facts)> found, SourceCounts counts)
    {
        foreach (var (listed, facts) in found)
        {
            var picture = $"{reader.Source}/{listed.Image}";
            if (reader.Source == LeakGuard.Captions) _guard.CountTraining(listed);
            if (listed.Split is null) counts.Unassigned++;
            else if (!_options.KeepDuplicates && reader.Source != "mimic-cxr" && facts.Sha256 is not null
                && !_pictures.TryAdd(facts.Sha256, picture) && _pictures[facts.Sha256] != picture) counts.Duplicate++;
            else yield return (ToSample(reader, listed, facts), listed.Split.Value);
        }
    }

    /// <summary>Notes what a user should know about a data set's counts.</summary>
    private void Explain(IDataSetReader reader, SourceCounts counts)
    {
        if (!LeakGuard.IsGuarded(reader.Source)) return;
        if (_options.AllowLeak)
            _notes.Add($"Patients of MS-CXR's validation and test may be in {reader.Source}, as asked for: scores can be too good.");
        else if (!_counts.ContainsKey(LeakGuard.Phrases))
            _notes.Add($"MS-CXR was not given, so patients of its validation and test could not be left out of {reader.Source}.");
        if (_guard.IsOn)
        {
            _notes.Add($"{counts.Leak:N0} samples of {reader.Source} are left out because their patients are among the "
                + $"{_guard.HeldOut:N0} of {LeakGuard.Tested(_counts.Keys)}'s validation and test.");
        }

        if (reader.Source == LeakGuard.Captions && _guard.Trained is { Samples: > 0 } trained)
            _notes.Add($"{trained.Samples:N0} samples of mimic-cxr's validation and test stay there although MS-CXR trains on their "
                + $"{trained.Patients:N0} patients: caption scores on them can be too good.");
    }

    private Sample ToSample(IDataSetReader reader, ListedSample listed, PictureFacts facts) => new()
    {
        Id = $"{reader.Source}/{listed.Id}",
        Task = reader.Task,
        Image = listed.Image,
        Width = facts.Width,
        Height = facts.Height,
        Text = listed.Text,
        Boxes = [.. listed.BoxesIn(facts.Width, facts.Height)
            .Select(box => box.Intersect(new Box(0, 0, facts.Width, facts.Height)))], // half a pixel at most
        Class = listed.Class,
        Patient = listed.Patient,
        Study = listed.Study,
        Source = reader.Source,
        Sha256 = facts.Sha256,
        Synthetic = _synthetic.Contains(reader.Source),
        Dicom = facts.Dicom,
        Normal = listed.Normal && listed.Boxes.Count == 0,
    };

    private static void Example(SourceCounts counts, string text)
    {
        if (counts.Examples.Count < MostExamples) counts.Examples.Add(text);
    }

    private static InputException NothingLeft(IDataSetReader reader, ImageRoot root, SourceCounts counts) =>
        counts.Alike is { } alike ? new InputException($"{alike} ('pfmvg data check' lists all).")
        : counts.Missing > 0
        ? new InputException($"{root.Folder}: none of the {counts.Missing:N0} pictures that {reader.Source} lists is here"
            + $"{EntryRules.Sought(reader)}; name the image folder with '--images {reader.Source}=FOLDER'.")
        : reader is MimicCxrReader { Reports: var folder } && counts.WithoutText == counts.Listed - counts.OtherView - counts.Leak
            ? new InputException($"{folder}: no report files/p10/p10000032/s50414267.txt is here; they are a download of their own "
                + "(mimic-cxr-reports.zip of MIMIC-CXR, to be unpacked): name its folder with '--mimic-reports'.")
        : new InputException(
            $"{reader.Files[0]}: of {counts.Listed:N0} samples of {reader.Source} none is usable; see 'pfmvg data check'.");
}
