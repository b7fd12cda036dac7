using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Pfmvg.Geometry;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>One defect as `planted-defects.json` lists it.</summary>
/// <param name="Kind">What is wrong, for example "missing-picture".</param>
/// <param name="File">The wrong or missing file, relative to the study's folder.</param>
/// <param name="Id">The DICOM id, caption id, study (s...) or patient (p...) concerned.</param>
/// <param name="Detail">What was done.</param>
internal sealed record PlantedDefect(string Kind, string File, string Id, string Detail);

/// <summary>
/// Plants one defect of each known kind into a study, some before and some after its files are written. Each defect has its own
/// picture, so that none hides or causes another.
/// </summary>
internal sealed class DefectPlanter(PhantomOptions options, string root)
{
    private const string MsCxrTable = "ms-cxr/MS_CXR_Local_Alignment_v1.1.0.csv";

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    private readonly List<PlantedDefect> _planted = [];
    private readonly List<(string Path, byte[]? Content)> _files = [];

    /// <summary>Defects of MS-CXR's annotations and their pictures.</summary>
    public List<BoxAnnotation> Annotations(List<BoxAnnotation> annotations)
    {
        var result = annotations.ToList();
        var crossing = annotations.GroupBy(a => Patient(a.Image))
            .FirstOrDefault(p => p.First().Split == "train" && p.Select(a => a.Image.Id).Distinct().Count() > 1) ?? throw TooFew();
        var moved = crossing.Last().Image.Id;
        Replace(a => a.Image.Id == moved, a => a with { Split = "test" });
        Plant("patient-crosses-splits", MsCxrTable, crossing.Key, "one picture is in test, the patient's others are in train");

        // One picture for each defect, and of each picture a phrase with one box.
        var pictures = annotations.Where(a => Patient(a.Image) != crossing.Key).GroupBy(a => a.Image.Id);
        var victims = new Queue<BoxAnnotation>(Shuffled(pictures, "ms-cxr")
            .Select(picture => picture.GroupBy(a => a.Text).FirstOrDefault(phrase => phrase.Count() == 1)?.First())
            .OfType<BoxAnnotation>());

        Box("box-outside", "the box is moved halfway over the right edge",
            (box, width, _) => box.Move(width - (box.Left + box.Right) / 2, 0));
        Box("box-empty", "the width is 0", (box, _, _) => box with { Right = box.Left });
        Box("box-swapped", "the corners are swapped, so width and height are negative",
            (box, _, _) => new(box.Right, box.Bottom, box.Left, box.Top));
        Box("box-normalised", "the coordinates are divided by the picture's size",
            (box, width, height) => box.Scale(1.0 / width, 1.0 / height));
        Box("box-not-a-number", "x and width are no numbers", (box, _, _) => box with { Left = double.NaN });

        var resized = victims.Dequeue().Image;
        Replace(a => a.Image == resized, a => a with { Width = 2 * a.Width, Height = 2 * a.Height });
        Plant("size-mismatch", MsCxrTable, resized.Id, "the annotation claims twice the picture's size");

        var twice = victims.Dequeue();
        result.Insert(result.IndexOf(twice), twice);
        Plant("duplicate-phrase", MsCxrTable, twice.Image.Id, "a row occurs twice");

        var torn = victims.Dequeue();
        var other = torn.Box.Move(torn.Box.Left + torn.Box.Width > torn.Width / 2.0 ? -torn.Box.Left : torn.Width - torn.Box.Right, 0);
        var wrong = (FindingClass)(((int)torn.Class + 1) % 8);
        result.Insert(result.IndexOf(torn) + 1, torn with { Class = wrong, Box = other });
        Plant("contradicting-target", MsCxrTable, torn.Image.Id, "the same words name another class and place");

        var (missing, broken) = (victims.Dequeue().Image, victims.Dequeue().Image);
        Missing(options.MimicFolder, missing);
        Unreadable(options.MimicFolder, broken, "the second half of the file is cut off", content => content[..(content.Length / 2)]);
        return result;

        void Box(string kind, string detail, Func<Box, int, int, Box> change)
        {
            var victim = victims.Dequeue();
            Replace(a => a == victim, a => a with { Box = change(a.Box, a.Width, a.Height) });
            Plant(kind, MsCxrTable, victim.Image.Id, detail);
        }

        void Replace(Func<BoxAnnotation, bool> which, Func<BoxAnnotation, BoxAnnotation> change)
        {
            for (var i = 0; i < result.Count; i++)
                if (which(result[i])) result[i] = change(result[i]);
        }
    }

    /// <summary>Defects of MIMIC-CXR's split table and reports, in patients that are not in MS-CXR.</summary>
    public List<PlannedPatient> Mimic(List<PlannedPatient> patients)
    {
        var own = patients.Where(p => p.MsCxrSplit is null).ToList();
        var crossing = own.Find(p => p.Studies.Count > 1) ?? throw TooFew();
        var other = crossing.Studies[0].MimicSplit == "train" ? "test" : "train";
        Plant("patient-crosses-splits", $"{options.MimicFolder}/mimic-cxr-2.0.0-split.csv.gz", $"p{crossing.SubjectId}",
            $"the last study is in {other}, the patient's others are not");

        var studies = own.Where(p => p != crossing).SelectMany(p => p.Studies).Take(2).ToList();
        var (absent, empty) = (ReportOf(studies[0]), ReportOf(studies[1]));
        _files.Add((absent, null));
        Plant("missing-report", absent, $"s{studies[0].StudyId}", "there is no report");
        _files.Add((empty, Encoding.ASCII.GetBytes("                                 FINAL REPORT\n FINDINGS: \n \n IMPRESSION: \n \n")));
        Plant("empty-report", empty, $"s{studies[1].StudyId}", "the sections have no text");
        var moved = crossing with { Studies = [.. crossing.Studies.SkipLast(1), crossing.Studies[^1] with { MimicSplit = other }] };
        return patients.ConvertAll(p => p == crossing ? moved : p);

        string ReportOf(PlannedStudy study) => $"{options.MimicFolder}/{Path.GetDirectoryName(study.Frontal.Path)}.txt";
    }

    /// <summary>Defects of ROCO or ImageCLEF: captions that normalisation empties or cuts, missing and unreadable pictures.</summary>
    public List<CaptionedImage> Captions(string home, List<CaptionedImage> images, Func<CaptionedImage, string> listIn)
    {
        var victims = Shuffled(images, home).ToList();
        var (emptied, cut, missing, broken) = (victims[0], victims[1], victims[2], victims[3]);
        Missing(home, missing.Image);
        if (home == "roco") Unreadable(home, broken.Image, "the file is empty", _ => []);
        else Unreadable(home, broken.Image, "the file is text", _ => "This is no picture.\n"u8.ToArray());
        Plant("caption-emptied", $"{home}/{listIn(emptied)}", emptied.Image.Id, "the caption has nothing but punctuation");
        Plant("caption-cut", $"{home}/{listIn(cut)}", cut.Image.Id, "the caption has more than 50 words");
        var tail = string.Join(' ', Enumerable.Repeat("Follow-up after some weeks is advised.", 9));
        return images.ConvertAll(image =>
            image == emptied ? image with { Caption = "(...)" }
            : image == cut ? image with { Caption = $"{cut.Caption} {tail}" }
            : image);
    }

    /// <summary>Defects of the sets of boxes beside MS-CXR, whose files are written.</summary>
    public void BoxSets(IReadOnlyList<BoxedPicture> pictures)
    {
        foreach (var set in pictures.GroupBy(picture => (picture.Set, picture.Home)))
            new BoxSetDefects(Path.Combine(root, set.Key.Home), Shuffled(set, set.Key.Home),
                (kind, file, id, detail) => Plant(kind, $"{set.Key.Home}/{file}", id, detail)).Plant(set.Key.Set);
    }

    /// <summary>Damages the written files, lists all defects and returns their number.</summary>
    public int Finish()
    {
        foreach (var (path, content) in _files)
        {
            var file = Path.Combine(root, path);
            if (content is null) File.Delete(file);
            else File.WriteAllBytes(file, content);
        }

        AtomicFile.WriteText(Path.Combine(root, "planted-defects.json"), JsonSerializer.Serialize(_planted, Json) + "\n");
        return _planted.Count;
    }

    private InputException TooFew() => new(
        $"With seed {options.Seed} and {options.Patients} patients, no patient has the two studies that a defect needs; "
        + "take more patients or another seed.");

    private static string Patient(PlannedImage image) => image.Path.Split('/')[2];

    private IEnumerable<T> Shuffled<T>(IEnumerable<T> items, string purpose)
    {
        var list = items.ToList();
        return new CounterRandom(options.Seed, "defects " + purpose).Permutation(list.Count).Select(i => list[i]);
    }

    private void Missing(string home, PlannedImage image)
    {
        _files.Add(($"{home}/{image.Path}", null));
        Plant("missing-picture", $"{home}/{image.Path}", image.Id, "there is no such file");
    }

    private void Unreadable(string home, PlannedImage image, string detail, Func<byte[], byte[]> damage)
    {
        var path = $"{home}/{image.Path}";
        _files.Add((path, damage(File.ReadAllBytes(Path.Combine(root, path)))));
        Plant("unreadable-picture", path, image.Id, detail);
    }

    private void Plant(string kind, string file, string id, string detail) => _planted.Add(new(kind, file, id, detail));
}
