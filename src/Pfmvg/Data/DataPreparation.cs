using Pfmvg.Configuration;
using Pfmvg.Geometry;

namespace Pfmvg.Data;

/// <summary>
/// Turns data sets as they were downloaded into one folder of manifests, which is all that training and evaluation read.
/// The result depends only on the data and the options, not on timing or on earlier, interrupted attempts.
/// </summary>
public sealed class DataPreparation
{
    private const int MostExamples = 20;

    private readonly PrepareOptions _options;
    private readonly IProgress<PrepareProgress>? _progress;
    private readonly CancellationToken _cancel;
    private readonly Dictionary<string, SourceCounts> _counts = [];
    private readonly List<string> _notes = [];

    private DataPreparation(PrepareOptions options, IProgress<PrepareProgress>? progress, CancellationToken cancel) =>
        (_options, _progress, _cancel) = (options, progress, cancel);

    /// <summary>Prepares the data.</summary>
    /// <param name="options">What to prepare, and how.</param>
    /// <param name="progress">Told about every thousand samples.</param>
    /// <param name="cancel">Stops early; what was learnt about the pictures is kept for the next attempt.</param>
    /// <exception cref="InputException">A data set is not there or wrong; see <see cref="PrepareOptions.Bad"/>.</exception>
    public static PrepareReport Run(PrepareOptions options, IProgress<PrepareProgress>? progress = null, CancellationToken cancel = default) =>
        new DataPreparation(options, progress, cancel).Run();

    private PrepareReport Run()
    {
        var readers = _options.Sources.Readers();
        var roots = readers.ToDictionary(reader => reader.Source, reader => new ImageRoot(reader.ImageFolder));
        PreparedData.Clear(_options.Output);
        using var catalog = new PictureCatalog(Path.Combine(_options.Output, "pictures.jsonl"), _options.Hash);
        using var manifests = new ManifestWriter(_options.Output);
        foreach (var reader in readers)
        {
            var counts = _counts[reader.Source] = new SourceCounts();
            var found = Usable(reader, roots[reader.Source], catalog, counts);
            foreach (var (sample, split) in reader.Task == SampleTask.Refer ? Phrases(found, counts) : Captions(found, counts))
            {
                manifests.Add(sample, split);
                counts.Kept++;
            }

            if (counts.Kept == 0) throw NothingLeft(reader, roots[reader.Source], counts);
        }

        manifests.Commit();
        PreparedData.WriteDescription(_options, roots.ToDictionary(root => root.Key, root => root.Value.Folder), manifests.Counts, _counts, _notes);
        return new PrepareReport(manifests.Counts, _counts, _notes);
    }

    /// <summary>The samples whose picture is there and whose annotation makes sense.</summary>
    private IEnumerable<(ListedSample Listed, PictureFacts Facts)> Usable(IDataSetReader reader, ImageRoot root, PictureCatalog catalog, SourceCounts counts)
    {
        foreach (var (listed, facts) in catalog.Look(reader, root, _cancel))
        {
            if (counts.Listed++ % 1000 == 0) _progress?.Report(new PrepareProgress(reader.Source, counts.Listed));
            if (facts.Missing)
            {
                counts.Missing++;
                Example(counts, $"{listed.Place}: {Privacy.Mask(listed.Image)} is not in the image folder");
            }
            else if (Problem(listed, facts) is { } problem)
            {
                var sentence = facts.Problem ?? $"{listed.Place}: {problem}; put it right";
                if (_options.Bad == BadSamples.Fail)
                    throw new InputException($"{sentence.TrimEnd('.')}, or leave such samples out with '--bad skip'. 'pfmvg data check' lists all of them.");
                counts.Bad++;
                Example(counts, sentence.TrimEnd('.'));
            }
            else if (listed.Text.Length == 0)
            {
                counts.WithoutText++;
                Example(counts, $"{listed.Place}: there is no text");
            }
            else yield return (listed, facts);
        }
    }

    private static string? Problem(ListedSample listed, PictureFacts facts) =>
        facts.Problem
        ?? listed.Problem
        ?? (listed.Boxes.Count > 0 && (listed.Width is null || listed.Height is null) ? "the picture's size is missing or no positive number" : null)
        ?? (listed.Boxes.Count > 0 && (listed.Width != facts.Width || listed.Height != facts.Height)
            ? $"the picture has {facts.Width} x {facts.Height} pixels, its annotation says {listed.Width} x {listed.Height}, so its boxes are in another coordinate space"
            : null)
        ?? listed.Boxes.Select(box => BoxRules.Problem(box, facts.Width, facts.Height)).FirstOrDefault(problem => problem is not null);

    private IEnumerable<(Sample, Split)> Phrases(IEnumerable<(ListedSample Listed, PictureFacts Facts)> found, SourceCounts counts)
    {
        var all = found.ToList(); // 1,448 boxes in MS-CXR; patients must be known before they are divided
        var splitOf = SplitOf([.. all.Select(entry => entry.Listed)]);
        var samples = all.Select(entry => (Sample: ToSample("ms-cxr", SampleTask.Refer, entry.Listed, entry.Facts), Split: splitOf(entry.Listed))).ToList();
        foreach (var split in Enum.GetValues<Split>())
        {
            var boxes = samples.Where(sample => sample.Split == split).Select(sample => sample.Sample);
            foreach (var sample in _options.MultiBox == MultiBox.PerPhrase ? PhraseGroups.PerPhrase(boxes) : boxes) yield return (sample, split);
        }

        counts.Unassigned = samples.Count(sample => sample.Split is null);
        if (counts.Unassigned > 0) _notes.Add($"{counts.Unassigned} boxes of MS-CXR have no split and are left out.");
    }

    private Func<ListedSample, Split?> SplitOf(IReadOnlyList<ListedSample> samples)
    {
        switch (_options.Split)
        {
            case SplitRule.Official:
                if (samples.All(sample => sample.Split is null))
                    throw new InputException("The MS-CXR file has no split: take the CSV of version 1.1.0, or divide the patients at random with '--split ratio'.");
                return sample => sample.Split;
            case SplitRule.List:
                return Splits.FromFile(_options.SplitFile ?? throw new InputException("The split is to come from a list, but no list is named."));
            default:
                var byPatient = Splits.ByPatient(samples.Select(Patient), _options.Seed);
                return sample => byPatient[Patient(sample)];
        }

        static string Patient(ListedSample sample) => sample.Patient ?? sample.Image; // without a patient, pictures are kept together
    }

    private static IEnumerable<(Sample, Split)> Captions(IEnumerable<(ListedSample Listed, PictureFacts Facts)> found, SourceCounts counts)
    {
        foreach (var (listed, facts) in found)
            yield return (ToSample("roco", SampleTask.Caption, listed, facts), listed.Split ?? Split.Train);
    }

    private static Sample ToSample(string source, SampleTask task, ListedSample listed, PictureFacts facts) => new()
    {
        Id = $"{source}/{listed.Id}",
        Task = task,
        Image = listed.Image,
        Width = facts.Width,
        Height = facts.Height,
        Text = listed.Text,
        Boxes = [.. listed.Boxes.Select(box => box.Intersect(new Box(0, 0, facts.Width, facts.Height)))], // half a pixel at most
        Class = listed.Class,
        Patient = listed.Patient,
        Study = listed.Study,
        Source = source,
        Sha256 = facts.Sha256,
    };

    private static void Example(SourceCounts counts, string text)
    {
        if (counts.Examples.Count < MostExamples) counts.Examples.Add(text);
    }

    private static InputException NothingLeft(IDataSetReader reader, ImageRoot root, SourceCounts counts) => counts.Missing > 0
        ? new InputException($"{root.Folder}: none of the {counts.Missing:N0} pictures that {reader.Source} lists is here; name the image folder with '--images {reader.Source}=FOLDER'.")
        : new InputException($"{reader.Files[0]}: no usable sample of {reader.Source} is left of {counts.Listed:N0}; see 'pfmvg data check'.");
}
