using System.Globalization;

namespace Pfmvg.Phantoms.Planning;

/// <summary>A picture and its file.</summary>
/// <param name="Id">Its identifier: the DICOM id in MIMIC-CXR.</param>
/// <param name="Path">Path below the data set's folder, with '/'.</param>
/// <param name="Picture">What is drawn.</param>
internal sealed record PlannedImage(string Id, string Path, PhantomPicture Picture);

/// <summary>One visit: a frontal picture and sometimes a lateral one.</summary>
/// <param name="StudyId">Eight digits.</param>
/// <param name="MimicSplit">train, validate or test: MIMIC-CXR's own split by patient, independent of MS-CXR's.</param>
/// <param name="Frontal">The annotated picture.</param>
/// <param name="Lateral">The picture from the side, or null.</param>
internal sealed record PlannedStudy(int StudyId, string MimicSplit, PlannedImage Frontal, PlannedImage? Lateral)
{
    public IEnumerable<PlannedImage> Images => Lateral is null ? [Frontal] : [Frontal, Lateral];
}

/// <summary>A patient of MIMIC-CXR.</summary>
/// <param name="SubjectId">Eight digits.</param>
/// <param name="MsCxrSplit">train, val or test; null for a patient that is not in MS-CXR.</param>
/// <param name="Studies">In chronological order.</param>
internal sealed record PlannedPatient(int SubjectId, string? MsCxrSplit, IReadOnlyList<PlannedStudy> Studies);

/// <summary>Decides, before anything is drawn, which patients, studies, pictures and captions there are.</summary>
internal static class StudyPlan
{
    // Keep the patient numbers of the data sets apart.
    private const long RocoPatients = 1L << 32, ImageClefPatients = 2L << 32;

    /// <summary>The patients of MIMIC-CXR; the first of them are also in MS-CXR.</summary>
    public static List<PlannedPatient> Patients(PhantomOptions options, CancellationToken cancellationToken)
    {
        var splits = Splits(options);
        var ranks = new Dictionary<string, int>();
        var mimicOnly = options.Sets.HasFlag(PhantomSets.MimicCxr) ? (options.Patients + 1) / 2 : 0;
        var (subjects, studies) = (new HashSet<int>(), new HashSet<int>());
        var patients = new List<PlannedPatient>();
        for (var number = 0; number < options.Patients + mimicOnly; number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var random = new CounterRandom(options.Seed, "patient", number);
            var subject = Unused(subjects, 10_000_000, random);
            var split = number < options.Patients ? splits[number] : null;

            // The first patients of every split have the classes in turn, so that the rare classes are tested, too.
            FindingClass? wanted = null;
            if (split is not null && ranks.GetValueOrDefault(split) is < 8 and var rank)
            {
                ranks[split] = rank + 1;
                wanted = (FindingClass)rank;
            }

            var mimicSplit = random.Weighted([0.8, 0.08, 0.12]) switch { 0 => "train", 1 => "validate", _ => "test" };
            var planned = new List<PlannedStudy>();
            IReadOnlyList<Finding> earlier = [];
            var count = random.Weighted([0, 0.68, 0.22, 0.10]);
            for (var study = 0; study < count; study++)
            {
                var id = Unused(studies, 50_000_000, random);
                var picture = PhantomPicture.Sample(
                    options.Seed, number, study, options.ImageWidth, options.ImageHeight, study == 0 ? wanted : null, earlier);
                if (split is null && random.Chance(0.25)) picture = picture with { Findings = [] };
                earlier = picture.Findings;
                var folder = string.Create(CultureInfo.InvariantCulture, $"files/p{subject / 1_000_000}/p{subject}/s{id}");
                var hasLateral = options.Sets.HasFlag(PhantomSets.MimicCxr)
                    && picture.View == PhantomView.PosteroAnterior && random.Chance(0.4);
                var frontal = Image(folder, picture, options.MimicEnding, random);
                var lateral = hasLateral
                    ? Image(folder, picture with { View = PhantomView.Lateral, Findings = [] }, options.MimicEnding, random) : null;
                planned.Add(new(id, mimicSplit, frontal, lateral));
            }

            patients.Add(new(subject, split, planned));
        }

        return patients;
    }

    /// <summary>ROCO's radiology pictures by split, each of another patient.</summary>
    public static List<(string Split, PlannedImage Image)> Roco(PhantomOptions options) =>
        Enumerable.Range(0, options.RocoPictures ?? 2 * options.Patients).Select(number =>
        {
            var split = (number % 10) switch { 4 => "validation", 9 => "test", _ => "train" };
            var id = string.Create(CultureInfo.InvariantCulture, $"ROCO_{number + 2:00000}");
            return (split, new PlannedImage(id, $"data/{split}/radiology/images/{id}.jpg", Figure(options, RocoPatients + number)));
        }).ToList();

    /// <summary>ImageCLEF's pictures by split; every fifth is one of ROCO's, byte for byte.</summary>
    public static List<(string Split, PlannedImage Image)> ImageClef(PhantomOptions options)
    {
        var shared = options.RocoPictures ?? 2 * options.Patients;
        return Enumerable.Range(0, options.ImageClefPictures ?? options.Patients).Select(number =>
        {
            var split = number % 10 == 7 ? "valid" : "train";
            var id = string.Create(CultureInfo.InvariantCulture, $"ImageCLEFmedCaption_2022_{split}_{number + 1:000000}");
            var patient = number % 5 == 3 && number < shared ? RocoPatients + number : ImageClefPatients + number;
            return (split, new PlannedImage(id, $"{split}/{id}.jpg", Figure(options, patient)));
        }).ToList();
    }

    private static PhantomPicture Figure(PhantomOptions options, long patient)
    {
        var picture = PhantomPicture.Sample(options.Seed, patient, 0, options.ImageWidth, options.ImageHeight);
        return picture.Random("normal").Chance(0.12) ? picture with { Findings = [] } : picture;
    }

    /// <summary>7 : 1 : 2 by patient.</summary>
    private static string[] Splits(PhantomOptions options)
    {
        var splits = new string[options.Patients];
        var test = (int)Math.Round(0.2 * splits.Length);
        var validate = splits.Length < 3 ? 0 : Math.Max(1, (int)Math.Round(0.1 * splits.Length));
        var order = new CounterRandom(options.Seed, "split").Permutation(splits.Length);
        for (var i = 0; i < order.Length; i++) splits[order[i]] = i < test ? "test" : i < test + validate ? "val" : "train";
        return splits;
    }

    private static PlannedImage Image(string folder, PhantomPicture picture, string ending, CounterRandom random)
    {
        var words = Enumerable.Range(0, 5).Select(_ => ((uint)random.NextBits()).ToString("x8", CultureInfo.InvariantCulture));
        var id = string.Join('-', words);
        return new(id, $"{folder}/{id}{ending}", picture);
    }

    private static int Unused(HashSet<int> taken, int first, CounterRandom random)
    {
        while (true)
        {
            var id = first + random.Next(9_999_999);
            if (taken.Add(id)) return id;
        }
    }
}
