using System.Collections.Concurrent;
using System.Globalization;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;
using Pfmvg.Phantoms.Drawing;
using Pfmvg.Phantoms.Files;
using Pfmvg.Phantoms.Planning;
using SkiaSharp;

namespace Pfmvg.Phantoms;

/// <summary>
/// Writes synthetic chest radiographs with findings, phrases, captions and reports in the official layouts of MS-CXR,
/// MIMIC-CXR-JPG, ROCO and ImageCLEFmedical 2022. They show that the method works; scores on them are not clinical scores.
/// </summary>
public static class PhantomStudy
{
    private const int JpegQuality = 90;

    /// <summary>
    /// Writes a study into a new or empty folder. It appears whole or not at all. The same options give the same bytes with any
    /// number of workers.
    /// </summary>
    /// <exception cref="InputException">The folder is not empty, or an option is out of range.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; nothing is left behind.</exception>
    public static PhantomSummary Write(
        string folder, PhantomOptions options, IProgress<PhantomProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        Check(options);
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        if (File.Exists(folder) || Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new InputException($"{folder}: this is not an empty folder; name a new one for the phantom study, or remove it first.");
        HoldFile.RemoveAbandoned(folder);
        var temporary = HoldFile.Beside(folder);
        Leftovers.Add(temporary);
        try
        {
            Directory.CreateDirectory(temporary);
            PhantomSummary summary;
            using (HoldFile.TryTake(Path.Combine(temporary, HoldFile.Name)))
                summary = WriteSets(temporary, options, progress, cancellationToken);
            File.Delete(Path.Combine(temporary, HoldFile.Name));
            if (Directory.Exists(folder)) Directory.Delete(folder);
            Directory.Move(temporary, folder);
            return summary;
        }
        catch
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
            throw;
        }
        finally
        {
            Leftovers.Forget(temporary);
        }
    }

    private static PhantomSummary WriteSets(
        string root, PhantomOptions options, IProgress<PhantomProgress>? progress, CancellationToken cancellationToken)
    {
        var (sets, jobs) = (options.Sets, new List<Job>());
        var mimic = Path.Combine(root, options.MimicFolder);
        var (roco, clef) = (Path.Combine(root, "roco"), Path.Combine(root, "imageclef-2022"));

        var patients = (sets & (PhantomSets.MsCxr | PhantomSets.MimicCxr)) != 0 ? StudyPlan.Patients(options, cancellationToken) : [];
        foreach (var image in patients.SelectMany(p => p.Studies).SelectMany(s => s.Images))
            Plan(mimic, image, sets.HasFlag(PhantomSets.Anatomy));
        var figures = sets.HasFlag(PhantomSets.Roco) ? Captioned(StudyPlan.Roco(options), roco) : [];
        var shared = sets.HasFlag(PhantomSets.ImageClef) ? Captioned(StudyPlan.ImageClef(options), clef) : [];
        var charts = sets.HasFlag(PhantomSets.Roco) ? Charts(options, figures.Count) : [];
        foreach (var (chart, draw) in charts) jobs.Add(new(Path.Combine(roco, chart.Image.Path), chart.Image.Id, draw));

        cancellationToken.ThrowIfCancellationRequested();
        var boxed = BoxSetPlan.Pictures(options);
        foreach (var picture in boxed) Plan(Path.Combine(root, picture.Home), picture.Image);

        var anatomy = new ConcurrentDictionary<string, IReadOnlyList<(string, Box)>>();
        var boxes = Draw(jobs, anatomy, options, progress, cancellationToken);

        var annotations = sets.HasFlag(PhantomSets.MsCxr) ? Annotate(patients, boxes) : [];
        var planter = options.Defects ? new DefectPlanter(options, root) : null;
        if (planter is not null)
        {
            if (annotations.Count > 0) annotations = planter.Annotations(annotations);
            if (sets.HasFlag(PhantomSets.MimicCxr)) patients = planter.Mimic(patients);
            if (figures.Count > 0) figures = planter.Captions("roco", figures, image => $"data/{image.Split}/radiology/captions.txt");
            if (shared.Count > 0) shared = planter.Captions("imageclef-2022", shared, image => $"caption_prediction_{image.Split}.csv");
        }

        if (sets.HasFlag(PhantomSets.MsCxr)) MsCxrFiles.Write(Path.Combine(root, "ms-cxr"), annotations);
        if (sets.HasFlag(PhantomSets.MimicCxr)) MimicFiles.Write(mimic, patients);
        CaptionFiles.WriteRoco(roco, [.. figures, .. charts.Select(c => c.Chart)]);
        CaptionFiles.WriteImageClef(clef, shared);
        BoxSetFiles.Write(root, boxed, boxes);
        if (sets.HasFlag(PhantomSets.Anatomy)) ImaGenomeFiles.Write(Path.Combine(root, "chest-imagenome"), Anatomy(patients, anatomy));
        planter?.BoxSets(boxed);
        foreach (var place in Directory.GetDirectories(root).Prepend(root)) // a set that is moved away is still known as a phantom
            AtomicFile.WriteText(Path.Combine(place, PhantomMark.FileName), Notice(options));
        return new()
        {
            Patients = patients.Count(p => p.MsCxrSplit is not null),
            Pictures = jobs.Count,
            AnnotatedPictures = annotations.Select(a => a.Image.Id).Distinct().Count(),
            Phrases = annotations.DistinctBy(a => (a.Image.Id, a.Class, a.Text)).CountBy(a => Finding.NameOf(a.Class)).ToDictionary(),
            Boxes = annotations.Count,
            Defects = planter?.Finish() ?? 0,
        };

        void Plan(string home, PlannedImage image, bool anatomy = false) =>
            jobs.Add(new(Path.Combine(home, image.Path), image.Id, renderer => renderer.Render(image.Picture, anatomy: anatomy)));

        List<CaptionedImage> Captioned(List<(string Split, PlannedImage Image)> planned, string home)
        {
            foreach (var (_, image) in planned) Plan(home, image);
            return planned.ConvertAll(p => new CaptionedImage(p.Split, p.Image, ReportWriter.Caption(p.Image.Picture)));
        }
    }

    /// <summary>Draws all pictures and returns the boxes of each picture by its identifier.</summary>
    private static ConcurrentDictionary<string, IReadOnlyList<IReadOnlyList<Box>>> Draw(
        List<Job> jobs, ConcurrentDictionary<string, IReadOnlyList<(string, Box)>> anatomy, PhantomOptions options,
        IProgress<PhantomProgress>? progress, CancellationToken cancellationToken)
    {
        foreach (var home in jobs.Select(job => Path.GetDirectoryName(job.Path)!).Distinct()) Directory.CreateDirectory(home);
        var boxes = new ConcurrentDictionary<string, IReadOnlyList<IReadOnlyList<Box>>>();
        var done = 0;
        var parallel = new ParallelOptions
        {
            CancellationToken = cancellationToken,
            MaxDegreeOfParallelism = options.Workers > 0 ? options.Workers : Environment.ProcessorCount,
        };
        Parallel.For(0, jobs.Count, parallel, () => new Renderer(), (index, _, renderer) =>
        {
            var image = jobs[index].Draw(renderer);
            Save(jobs[index], image);
            boxes[jobs[index].Id] = image.Boxes;
            if (image.Anatomy.Count > 0) anatomy[jobs[index].Id] = image.Anatomy;
            progress?.Report(new(Interlocked.Increment(ref done), jobs.Count));
            return renderer;
        }, _ => { });
        return boxes;
    }

    /// <summary>A row for each box of every visible finding, with the finding's phrase.</summary>
    private static List<BoxAnnotation> Annotate(
        List<PlannedPatient> patients, ConcurrentDictionary<string, IReadOnlyList<IReadOnlyList<Box>>> boxes)
    {
        var annotations = new List<BoxAnnotation>();
        foreach (var patient in patients.Where(p => p.MsCxrSplit is not null))
        {
            foreach (var image in patient.Studies.Select(study => study.Frontal))
            {
                var phrases = PhraseWriter.Phrases(image.Picture);
                foreach (var (index, finding) in image.Picture.Findings.Index())
                    foreach (var box in boxes[image.Id][index])
                        annotations.Add(new(finding.Class, phrases[index], image, box, patient.MsCxrSplit!));
            }
        }

        return annotations;
    }

    /// <summary>The frontal pictures with their regions, under MIMIC-CXR's splits; half of the patients of its test are gold.</summary>
    private static List<RegionPicture> Anatomy(
        List<PlannedPatient> patients, ConcurrentDictionary<string, IReadOnlyList<(string, Box)>> anatomy) =>
        [.. patients.SelectMany(patient => patient.Studies.Where(study => anatomy.ContainsKey(study.Frontal.Id)).Select(study =>
            new RegionPicture(study.Frontal, study.MimicSplit == "validate" ? "validation" : study.MimicSplit,
                study.MimicSplit == "test" && patient.SubjectId % 2 == 0, anatomy[study.Frontal.Id])))];

    /// <summary>ROCO's pictures that are not radiographs: one for every twenty that are, at least one per split.</summary>
    private static List<(CaptionedImage Chart, Func<Renderer, PhantomImage> Draw)> Charts(PhantomOptions options, int figures)
    {
        string[] splits = ["train", "validation", "test"];
        return Enumerable.Range(0, Math.Max(3, figures / 20)).Select(number =>
        {
            var split = splits[number % 3];
            var id = string.Create(CultureInfo.InvariantCulture, $"ROCO_{figures + 2 + number:00000}");
            var image = new PlannedImage(id, $"data/{split}/non-radiology/images/{id}.jpg", null!);
            var size = options.ImageWidth;
            Func<Renderer, PhantomImage> draw = _ => BarChart.Draw(new(options.Seed, "chart", number), size, size);
            return (new CaptionedImage(split, image, "Bar chart of the number of patients in each group."), draw);
        }).ToList();
    }

    private static void Save(Job job, PhantomImage image)
    {
        var path = job.Path;
        if (Path.GetExtension(path) is (".dcm" or ".dicom") and var ending) // of VinDr-CXR many are MONOCHROME1
        {
            DicomWriter.Write(path, image, job.Id, inverted: ending == ".dicom");
            return;
        }

        using var bitmap = new SKBitmap(new SKImageInfo(image.Width, image.Height, SKColorType.Gray8, SKAlphaType.Opaque));
        for (var y = 0; y < image.Height; y++)
            image.Gray.AsSpan(y * image.Width, image.Width).CopyTo(bitmap.GetPixelSpan()[(y * bitmap.RowBytes)..]);
        var format = path.EndsWith(".png", StringComparison.Ordinal) ? SKEncodedImageFormat.Png : SKEncodedImageFormat.Jpeg;
        using var encoded = bitmap.Encode(format, JpegQuality);
        using var file = File.Create(path);
        encoded.SaveTo(file);
    }

    private static void Check(PhantomOptions options)
    {
        InRange("number of patients", options.Patients, 1, 1_000_000);
        InRange("image width", options.ImageWidth, 64, 8192);
        InRange("image height", options.ImageHeight, 64, 8192);
        InRange("number of ROCO pictures", options.RocoPictures ?? 0, 0, 90_000);
        InRange("number of ImageCLEF pictures", options.ImageClefPictures ?? 0, 0, 900_000);
        InRange("number of workers", options.Workers, 0, 1024);
        if (options.Sets == PhantomSets.None)
            throw new InputException("No data set is chosen for the phantom study; choose at least one.");

        if (options.Sets.HasFlag(PhantomSets.Anatomy) && !options.Sets.HasFlag(PhantomSets.MsCxr))
            throw new InputException("The phantom study's anatomy is that of MS-CXR's pictures; choose ms-cxr, too.");
        if (options.Sets.HasFlag(PhantomSets.Anatomy | PhantomSets.ImaGenome))
            throw new InputException("The phantom study's chest-imagenome and anatomy are two contents of one folder; choose one of them.");

        if (options.Defects)
        {
            // Each defect needs its own picture.
            InRange("number of patients with defects", options.Patients, 40, 1_000_000);
            InRange("number of ROCO pictures with defects", options.RocoPictures ?? 80, 10, 90_000);
            InRange("number of ImageCLEF pictures with defects", options.ImageClefPictures ?? 40, 10, 900_000);
        }

        static void InRange(string name, int value, int low, int high)
        {
            if (value < low || value > high)
                throw new InputException($"The phantom study's {name} is {value}; give a number from {low} to {high}.");
        }
    }

    private static string Notice(PhantomOptions options) => string.Create(CultureInfo.InvariantCulture, $"""
        {PhantomMark.Start}{options.Seed}, {options.Patients} patients{options.FormatMark}: drawn by a program. The pictures, patients,
        phrases and reports are invented; they follow the layouts of MS-CXR, MIMIC-CXR-JPG, ROCO and
        ImageCLEFmedical 2022 and contain nothing of them. Scores on them are not clinical scores.

        """);

    private sealed record Job(string Path, string Id, Func<Renderer, PhantomImage> Draw);
}
