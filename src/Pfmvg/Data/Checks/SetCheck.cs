using System.Collections.Concurrent;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Dicom;
using Pfmvg.Imaging.Formats;
using Pfmvg.Text;

namespace Pfmvg.Data.Checks;

/// <summary>Checks one data set.</summary>
internal sealed class SetCheck(IDataSetReader reader, FindingList findings, TextStatistics texts)
{
    private readonly ImageRoot _root = new(reader.ImageFolder);
    private readonly DataSetManifest _manifest = DataSetManifest.Load(reader.Source);
    private readonly ConcurrentDictionary<string, Lazy<PictureFacts>> _examined = new(); // a picture may have dozens of samples
    private readonly HashSet<string> _pictures = [], _studies = [], _silent = [];
    private readonly SeenSamples _seen = new();
    private readonly Dictionary<(string Image, string Text), PhraseSeen> _phrases = [];
    private readonly Dictionary<string, long> _splits = [], _views = [];
    private readonly HashSet<(string Image, int? Width, int? Height)> _sizes = []; // wrong ones, each told once
    private long _usable, _wrong, _listed, _present, _dicom, _boxes, _withoutBox, _rightSide, _wrongSide;
    private TruncatedPictures _truncated;
    private Func<ListedSample, Split?> _splitOf = sample => sample.Split;
    private bool _everyPixel, _isGiven; // the latter: the user names the split

    public string Source => reader.Source;

    /// <summary>The splits that each patient is in.</summary>
    public Dictionary<string, HashSet<Split>> Patients { get; } = [];

    /// <summary>Entries that tell no patient.</summary>
    public List<(string Id, string Place)> PatientUnknown { get; } = [];

    /// <summary>Hash and path of the pictures, where they were read whole.</summary>
    public List<(string Hash, string Image)> Hashes { get; } = [];

    public void Run(CheckOptions options, IProgress<PrepareProgress>? progress, CancellationToken cancel)
    {
        try
        {
            _everyPixel = options.EveryPixel || EntryRules.EveryPixel(reader);
            if (options.Split is { } rule && !Splits.Passes(reader, rule))
                (_splitOf, _isGiven) = (Splits.Of(reader, rule, options.SplitFile, seed: 0), true);
            _truncated = options.TruncatedPictures;
            var depth = _everyPixel ? PictureDepth.Pixels : PictureDepth.Header;
            var items = reader.Read().Select(sample => (Sample: sample, OwnText: HasOwnText(sample)));
            var examined = LoadAhead.InOrder(items, (item, buffer) =>
            {
                var sample = item.Sample.AnyEdition ? item.Sample with { Image = _root.Present(item.Sample.Image) } : item.Sample;
                var picture = _examined.GetOrAdd(
                    sample.Image, image => new(() => PictureProbe.Examine(_root, image, depth, options.Dicom, buffer)));
                return (sample, picture.Value, item.OwnText ? texts.Describe(sample.Text) : (TextFacts?)null);
            }, cancel);
            foreach (var (sample, picture, text) in examined)
            {
                CheckSample(sample, picture, text);
                if (_listed % 100 == 0) progress?.Report(new PrepareProgress(Source, _listed));
            }

            progress?.Report(new PrepareProgress(Source, _listed) { IsLast = true });
        }
        catch (InputException e) // a list that breaks off is a finding, and the other data sets are still to be checked
        {
            Add(FindingLevel.Error, "unreadable-list", "", reader.Files[0], e.Message);
        }

        foreach (var note in reader.Notes)
            Add(FindingLevel.Note, note.Contains("are not UTF-8", StringComparison.Ordinal) ? "not-utf8" : "reading", "",
                reader.Files[0], note);
        foreach (var (patient, splits) in Patients.Where(patient => patient.Value.Count > 1))
            if (options.Split is { } rule && Splits.Passes(reader, rule))
                Add(FindingLevel.Warning, "patient-crosses-splits", patient, reader.Files[^1],
                    $"{EntryRules.Crossing(splits)} of the official split, which '--split ratio' does not use");
            else Add(FindingLevel.Error, "patient-crosses-splits", patient, reader.Files[^1], EntryRules.Crossing(splits));
        ReportSides();
        foreach (var (key, phrase) in _phrases)
            if (texts.BoxTokens(phrase.Boxes.Count) is > 0 and var tokens && tokens > texts.MaxAnswerTokens)
                Add(FindingLevel.Warning, "target-cut", Path.GetFileNameWithoutExtension(key.Image), reader.Files[0], $"a phrase has "
                    + $"{phrase.Boxes.Count:N0} boxes, {tokens:N0} tokens: with multi_box: per_phrase, max_answer_tokens "
                    + $"{texts.MaxAnswerTokens} would cut them, which training refuses");
        if (_pictures.Count > 0 && _present == 0)
            Add(FindingLevel.Error, "no-picture", "", _root.Folder,
                $"none of the {_pictures.Count:N0} listed pictures is in the image folder{EntryRules.Sought(reader)}; is it the right "
                    + "one?");
        else if (_usable + _wrong == 0)
            Add(FindingLevel.Error, "nothing-usable", "", reader.Files[0],
                $"none of {_listed:N0} samples has a picture, a text and a split");
        var several = _phrases.Values.Sum(phrase => phrase.Boxes.GroupBy(box => box.Class).Count(boxes => boxes.Count() > 1));
        if (several > 0)
            Add(FindingLevel.Note, "several-boxes", "", reader.Files[0], $"{several:N0} phrases have several boxes: contradicting targets "
                + "when used per box, as published; 'data prepare --boxes per-phrase' keeps them together");
    }

    public SetReport ToReport()
    {
        var phrases = _phrases.SelectMany(phrase => phrase.Value.Classes.Select(name => (Class: name, Count: 1))).ToList();
        var classes = phrases.GroupBy(phrase => phrase.Class).ToDictionary(group => group.Key, group => (long)group.Count());
        (string What, long Count)[] counts =
        [
            ("listed", _listed), ("pictures", _pictures.Count), ("pictures present", _present), ("DICOM pictures", _dicom),
            ("patients", Patients.Count), ("studies", _studies.Count),
            ("reports", _manifest.Counts.ContainsKey("reports") ? _studies.Count - _silent.Count : 0),
            ("phrases", phrases.Count), ("phrases without a box", _withoutBox), ("boxes", _boxes),
            .. _splits.OrderBy(split => split.Key, StringComparer.Ordinal).Select(split => (split.Key, split.Value)),
            .. _views.OrderByDescending(view => view.Value).ThenBy(view => view.Key, StringComparer.Ordinal).Take(12)
                .Select(view => ($"view {(view.Key.Length == 0 ? "(blank)" : view.Key)}", view.Value)),
        ];
        return new SetReport
        {
            Source = Source,
            Files = reader.Files,
            ImageFolder = _root.Folder,
            EveryPixel = _everyPixel,
            Counts = [.. counts.Where(count => count.Count > 0 || _manifest.Counts.ContainsKey(count.What))
                .Select(count => new ExpectedCount(count.What, count.Count, Expected(_manifest.Counts, count.What)))],
            Classes = [.. _manifest.Classes.Keys.Union(classes.Keys.Order(StringComparer.Ordinal))
                .Select(name => new ExpectedCount(name, classes.GetValueOrDefault(name), Expected(_manifest.Classes, name)))],
            Text = texts.ToReport(),
        };

        static long? Expected(IDictionary<string, long> known, string what) => known.TryGetValue(what, out var count) ? count : null;
    }

    /// <param name="sample">As listed.</param>
    /// <param name="picture">What is on the disk.</param>
    /// <param name="text">Facts of its text; null when another picture of the study has the same.</param>
    private void CheckSample(ListedSample sample, PictureFacts picture, TextFacts? text)
    {
        _listed++;
        var id = Path.GetFileNameWithoutExtension(sample.Image);
        var problems = EntryRules.Problems(sample, picture, reader.Task, _truncated).ToList();
        var wrong = problems.Exists(problem => !problem.Harmless);
        if (wrong) _wrong++;
        if (sample.Problem is not null)
        {
            Add(FindingLevel.Error, problems[0].Kind, sample.Id, sample.Place, problems[0].Detail);
            return;
        }

        switch (_seen.Before(sample))
        {
            case { Same: true }:
                Add(FindingLevel.Warning, "duplicate-entry", sample.Id, sample.Place, "the entry occurs before");
                break;
            case { } before:
                Add(FindingLevel.Error, "duplicate-id", sample.Id, sample.Place,
                    $"its id stands at {before.Place}, too, with something else");
                break;
        }

        var first = _pictures.Add(sample.Image);
        if (first) CheckPicture(sample, picture, id);
        foreach (var problem in problems)
            if (problem.OfPicture ? first : problem.Kind is not ("size-mismatch" or EntryRules.Resized)
                || _sizes.Add((sample.Image, sample.Width, sample.Height)))
                Add(problem.Harmless ? FindingLevel.Warning : FindingLevel.Error, problem.Kind, id,
                    problem.Kind is "unreadable-picture" or EntryRules.Truncated ? sample.Image : sample.Place, problem.Detail);
        var without = (reader.Task == SampleTask.Caption || reader.KeepsItsSplit || _isGiven) && _splitOf(sample) is null;
        if (without) Add(FindingLevel.Warning, "no-split", sample.Id, sample.Place, "no list gives it a split, so it is left out");
        if (!wrong && !without && picture.State == PictureState.Good && sample.Text.Length > 0) _usable++;
        if (sample.Split is { } split) Count(_splits, split.ToString().ToLowerInvariant());
        if (sample.View is { } view) Count(_views, view);
        if (sample.Patient is null) PatientUnknown.Add((sample.Id, sample.Place));
        if (sample.Patient is { } patient)
        {
            if (!Patients.TryGetValue(patient, out var splits)) Patients[patient] = splits = [];
            if (_splitOf(sample) is { } used) splits.Add(used);
        }

        if (text is null) return;
        CheckText(sample, text.Value, id);
        _withoutBox += reader.Task == SampleTask.Refer && sample.Boxes.Count == 0 ? 1 : 0;
        var isGood = picture.State == PictureState.Good;
        (int, int)? size = sample.ToPixels is not null ? isGood ? (picture.Width, picture.Height) : null
            : sample is { Width: { } listedWidth, Height: { } listedHeight } ? (listedWidth, listedHeight) : null;
        foreach (var box in isGood ? sample.BoxesIn(picture.Width, picture.Height) : sample.Boxes)
            CheckBox(sample, size, text.Value, box, id);
    }

    /// <summary>False when another picture of the study has the same report; its study is counted on the way.</summary>
    private bool HasOwnText(ListedSample sample) =>
        sample.Study is null || _studies.Add(sample.Study) || reader.Task == SampleTask.Refer;

    private void CheckPicture(ListedSample sample, PictureFacts picture, string id)
    {
        switch (picture.State)
        {
            case PictureState.Missing:
                Add(FindingLevel.Warning, "missing-picture", id, sample.Image,
                    "there is no such file in the image folder" + (picture.Note is null ? "" : $"; {picture.Note}"));
                return;
            case PictureState.Refused:
                return;
        }

        _present++;
        if (picture.Sha256 is not null) Hashes.Add((picture.Sha256, sample.Image));
        _dicom += picture.Dicom ? 1 : 0;
        if (picture.Note is not null)
            Add(picture.Note.Contains(Exif.Word, StringComparison.Ordinal) ? FindingLevel.Warning : FindingLevel.Note,
                picture.Note.Contains(Exif.Word, StringComparison.Ordinal) ? "exif-orientation"
                : !picture.Dicom ? "scaled-picture"
                : picture.Note.Contains(DicomNotes.NoWindow, StringComparison.Ordinal) ? "dicom-stretched" : "dicom-reading",
                id, sample.Image, picture.Note);
    }

    private void CheckText(ListedSample sample, TextFacts text, string id)
    {
        if (sample.TextFile is not null && sample.Text.Length == 0)
        {
            _silent.Add(sample.Study!);
            if (File.Exists(sample.TextFile))
                Add(FindingLevel.Warning, "empty-report", sample.Study!, sample.TextFile, "no section of the report has text");
            else Add(FindingLevel.Warning, "missing-report", sample.Study!, sample.TextFile, "there is no report");
            return;
        }

        texts.Add(text);
        if (text.Emptied && reader.Task == SampleTask.Caption)
            Add(FindingLevel.Warning, "caption-emptied", id, sample.Place, "normalisation leaves nothing of the text");
        if (text.Cut) Add(FindingLevel.Warning, "caption-cut", id, sample.Place, $"normalisation keeps 50 of {text.Words} words");
        if (text.TargetIsCut)
            Add(FindingLevel.Warning, "target-cut", id, sample.Place,
                $"the caption has {text.Target} tokens with its end; max_answer_tokens {texts.MaxAnswerTokens} cuts it, its end with it");
        if (text.PromptIsCut)
            Add(FindingLevel.Warning, "prompt-cut", id, sample.Place, "the prompt with this text is longer than the longest context");
    }

    private void CheckBox(ListedSample sample, (int Width, int Height)? size, TextFacts text, Box box, string id)
    {
        _boxes++;
        if (_manifest.Classes.Count > 0 && !_manifest.Classes.ContainsKey(sample.Class ?? ""))
            Add(FindingLevel.Warning, "unknown-class", id, sample.Place, "the finding class is none of the known ones");
        var key = (sample.Image, PhraseGroups.Prompt(sample.Text));
        var phrase = _phrases.GetValueOrDefault(key) ?? (_phrases[key] = new PhraseSeen([], []));
        if (phrase.Classes.Add(sample.Class ?? "") && phrase.Classes.Count == 2)
            Add(FindingLevel.Warning, "contradicting-target", id, sample.Place,
                "the same words about the same picture belong to two classes");
        if (!phrase.Boxes.Add((sample.Class ?? "", box)))
            Add(FindingLevel.Warning, "duplicate-phrase", id, sample.Place, "the same box for the same words occurs before");

        if (size is var (width, height) && BoxRules.FlawOfAnnotation(box, width, height) == Flaw.None
            && text.Sides.Side is (Side.Left or Side.Right) and var side)
        {
            // The patient's right is at the left of the picture.
            if ((box.Left + box.Right < width) == (side == Side.Right)) _rightSide++;
            else _wrongSide++;
        }
    }

    /// <summary>The patient's left is the picture's right; a set where it is the other way round was mirrored.</summary>
    private void ReportSides()
    {
        if (_rightSide + _wrongSide == 0) return;
        var mirrored = _wrongSide > _rightSide;
        Add(mirrored ? FindingLevel.Warning : FindingLevel.Note, "laterality", "", reader.Files[0],
            $"{_rightSide:N0} of {_rightSide + _wrongSide:N0} boxes of phrases with 'left' or 'right' lie on that side of the "
                + $"patient{(mirrored ? ": the pictures or the boxes seem to be mirrored" : "")}");
    }

    private static void Count(Dictionary<string, long> counts, string what) => counts[what] = counts.GetValueOrDefault(what) + 1;

    private void Add(FindingLevel level, string kind, string id, string place, string detail) =>
        findings.Add(level, Source, kind, id, place, detail);

    private sealed record PhraseSeen(HashSet<string> Classes, HashSet<(string Class, Box Box)> Boxes);
}
