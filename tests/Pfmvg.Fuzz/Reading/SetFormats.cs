using System.Text;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Fuzz.Mutating;
using Pfmvg.Imaging;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Fuzz.Reading;

/// <summary>The lists of data sets, in phantoms of their official layouts, as their readers and `data check` read them.</summary>
internal static class SetFormats
{
    private static readonly PictureFacts Good = new(PictureState.Good, 64, 72);

    /// <summary>CSV and TSV, some in gzip, and reports.</summary>
    public static Format Tables(string folder) =>
        new(Lists(folder, ".csv", ".tsv", ".gz", ".txt"), Gzip.Around(Words.Tokens), Gzip.Around(Words.Tokens), Gzip.Around(Words.Lines));

    public static Format Json(string folder) => new(Lists(folder, ".json"), Mutating.Json.Tree);

    /// <summary>A user's own list, in every form that is read.</summary>
    public static Format Own(string folder)
    {
        var fixtures = Path.Combine(Formats.Tests, "Fixtures", "formats");
        List<Seed> seeds = [];
        foreach (var (file, form, coordinates) in (ReadOnlySpan<(string, string, string?)>)[
            ("coco/instances.json", "coco", null), ("pictures/metadata.jsonl", "imagefolder", null),
            ("llamafactory/messages_pixels.json", "llamafactory", null), ("llamafactory/sharegpt_0_1000.json", "llamafactory",
                "0-1000-xyxy"),
            ("llamafactory/alpaca_0_100.json", "llamafactory", "0-100-xyxy"), ("llava/conversations_0_1.json", "llava", null),
            ("llava/conversations_0_1_padded.json", "llava-padded", null), ("ms-swift/objects_real.jsonl", "ms-swift", null),
            ("ms-swift/text_0_1000.jsonl", "ms-swift", "0-1000-xyxy"), ("trl/messages_0_1000.jsonl", "trl", "0-1000-xyxy")])
        {
            var path = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, "own", form)).FullName, Path.GetFileName(file));
            foreach (var picture in Directory.GetFiles(Path.Combine(fixtures, "pictures"), "*.*g")) Place(picture,
                Path.GetDirectoryName(path)!);
            var way = new Way(path, _ => Check(new DataSources { Own = path, OwnFormat = form, OwnCoordinates = coordinates }));
            seeds.Add(new Seed(File.ReadAllBytes(Path.Combine(fixtures, file)), way));
        }

        var lines = Path.Combine(folder, "own", "list.jsonl");
        const string Line = """{"image": "jsonl/wide.png", "phrase": "left", "boxes": [[1, 2, 3, 4]], "patient": "p1", "split": "test"}""";
        seeds.Add(new Seed(Encoding.UTF8.GetBytes(Line + "\n" + Line.Replace("left", "right", StringComparison.Ordinal)),
            new Way(lines, _ => Check(new DataSources { Own = lines, OwnFormat = "jsonl" }))));
        return new(seeds, Mutating.Json.Tree, Mutating.Json.TreesOfLines);
    }

    /// <summary>A small study of every data set.</summary>
    public static DataSources Study(string folder)
    {
        var study = Path.Combine(folder, "study");
        PhantomStudy.Write(study, new PhantomOptions
        {
            Patients = 5, ImageWidth = 64, ImageHeight = 72, RocoPictures = 4, ImageClefPictures = 3, Workers = 1, Seed = 5,
            Sets = Enum.GetValues<PhantomSets>().Aggregate((all, set) => all | set) & ~PhantomSets.Anatomy, // a folder of ImaGenome's, too
        });
        return DataSources.FindIn(study);
    }

    /// <summary>Each list of the data sets, read by the reader of its set.</summary>
    private static List<Seed> Lists(string folder, params string[] extensions)
    {
        var all = Study(folder);
        (string? Root, DataSources Set)[] sets =
        [
            (all.MsCxr, new() { MsCxr = all.MsCxr, ImageFolders = new Dictionary<string, string> { ["ms-cxr"] = all.Mimic! } }),
            (all.MimicReports, new() { Mimic = all.Mimic, MimicReports = all.MimicReports }),
            (all.Mimic, new() { Mimic = all.Mimic, MimicReports = all.MimicReports }), (all.Roco, new() { Roco = all.Roco }),
            (all.ImageClef, new() { ImageClef = all.ImageClef }), (all.PadChestGr, new() { PadChestGr = all.PadChestGr }),
            (all.VinDr, new() { VinDr = all.VinDr }), (all.NihBoxes, new() { NihBoxes = all.NihBoxes }), (all.ImaGenome,
                new() { ImaGenome = all.ImaGenome }),
        ];
        List<Seed> seeds = [];
        foreach (var (root, set) in sets.Where(set => set.Root is not null).DistinctBy(set => set.Root))
        {
            var lists = Directory.EnumerateFiles(root!, "*", SearchOption.AllDirectories).Where(path =>
                extensions.Contains(Path.GetExtension(path)))
                .Order(StringComparer.Ordinal).GroupBy(path => (Path.GetExtension(path),
                    Path.GetFileName(Path.GetDirectoryName(path))![..1]))
                .SelectMany(alike => alike.Take(6)); // one report stands for all
            foreach (var path in lists) seeds.Add(new Seed(File.ReadAllBytes(path), new Way(path, path =>
            {
                // MS-CXR's CSV is read where it is named, not where its JSON lies beside it.
                foreach (var reader in (set.MsCxr is null ? set : set with { MsCxr = path }).Readers())
                    foreach (var sample in reader.Read())
                        _ = EntryRules.Problems(sample, Good, reader.Task, TruncatedPictures.Refuse).ToList();
            })));
        }

        return seeds;
    }

    private static void Check(DataSources sources) => DataCheck.Run(new CheckOptions { Sources = sources });

    private static void Place(string file, string folder) =>
        File.Copy(file, Path.Combine(Directory.CreateDirectory(folder).FullName, Path.GetFileName(file)), overwrite: true);
}
