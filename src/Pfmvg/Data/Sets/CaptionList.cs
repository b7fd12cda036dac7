using Pfmvg.Data.Files;

namespace Pfmvg.Data.Sets;

/// <summary>The authors' layout of caption data: a JSON list of {"image": path, "caption": text}, one file per split.</summary>
internal static class CaptionList
{
    private static readonly string[] ImageKeys = ["image", "image_path", "file_name"];

    /// <summary>The JSON files of a folder with the split that their names tell.</summary>
    public static List<(string File, Split? Split)> Find(string folder) => !Directory.Exists(folder) ? [] :
    [
        .. Directory.EnumerateFiles(folder, "*.json").Where(IsList).Order(StringComparer.Ordinal)
            .Select(file => (file, SplitOfName(file))).OrderBy(file => file.Item2),
    ];

    /// <summary>The split in a file's name, as in `roco_valid.json`; training when it has none.</summary>
    public static Split? SplitOfName(string file) =>
        Path.GetFileNameWithoutExtension(file).Split('_', '-', '.').Select(SplitNames.Find).FirstOrDefault(split => split is not null)
            ?? Split.Train;

    /// <summary>The entries of one file.</summary>
    public static IEnumerable<ListedSample> Read(string file, Split? split, TextRepairs repairs)
    {
        var seen = new Dictionary<string, int>();
        foreach (var item in JsonItems.Read(file, repairs))
        {
            var image = ImagePath(item.Text(ImageKeys));
            var caption = item.Text("caption");
            var number = seen[image] = seen.GetValueOrDefault(image) + 1;
            yield return new ListedSample
            {
                Id = Path.ChangeExtension(image, null) + (number > 1 ? $"#{number}" : ""),
                Image = image,
                Text = caption?.Trim() ?? "",
                Place = item.Place,
                Split = SplitNames.Find(item.Text("split")) ?? split,
                Problem = caption is null ? "the entry has no \"caption\"" : null,
            };
        }
    }

    /// <summary>A picture's path as a list has it, with '/' and without a "./" in front; empty when the list has none.</summary>
    public static string ImagePath(string? listed)
    {
        var path = listed?.Replace('\\', '/') ?? "";
        return path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path;
    }

    private static bool IsList(string file)
    {
        try
        {
            foreach (var first in JsonItems.Read(file, new TextRepairs())) return first.Key is null && first.Text(ImageKeys) is not null;
            return false;
        }
        catch (InputException)
        {
            return false;
        }
    }
}
