using System.Globalization;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>
/// The boxes of NIH ChestX-ray14: `BBox_List_2017.csv`, a row of picture, class, x, y, width and height in pixels of the
/// 1024 x 1024 picture. It is read by position, because its header, `Bbox [x,y,w,h],,,`, names no columns.
/// </summary>
internal sealed class NihBoxReader : IDataSetReader
{
    private const string List = "BBox_List_2017.csv";
    private const int Side = 1024;

    private readonly TextRepairs _repairs = new();
    private readonly string _list;

    /// <summary>Finds the list.</summary>
    /// <param name="path">The folder that holds it, or the file.</param>
    /// <param name="imageFolder">The folder that the pictures lie in or below; null: the list's.</param>
    /// <exception cref="InputException">There is no such file.</exception>
    public NihBoxReader(string path, string? imageFolder = null)
    {
        _list = File.Exists(path) ? path : Find(path) ?? throw new InputException(
            $"{path}: there is no {List}; name the folder of NIH ChestX-ray14 that holds it, or the file.");
        ImageFolder = imageFolder ?? Path.GetDirectoryName(Path.GetFullPath(_list))!;
    }

    /// <inheritdoc/>
    public string Source => "nih-cxr14";

    /// <inheritdoc/>
    public SampleTask Task => SampleTask.Refer;

    /// <inheritdoc/>
    public string ImageFolder { get; }

    /// <inheritdoc/>
    public IReadOnlyList<string> Files => [_list];

    /// <inheritdoc/>
    public IReadOnlyList<string> Notes => [.. _repairs.Notes, "nih-cxr14 has no phrases: its class names are the prompts."];

    /// <summary>The list of a folder; null when there is none.</summary>
    internal static string? Find(string folder) => File.Exists(Path.Combine(folder, List)) ? Path.Combine(folder, List) : null;

    /// <inheritdoc/>
    public IEnumerable<ListedSample> Read()
    {
        var pictures = new PictureIndex(ImageFolder);
        var seen = new Dictionary<string, int>();
        var file = Privacy.Mask(_list);
        foreach (var line in DataFile.Lines(_list, _repairs).Skip(1))
        {
            var cells = line.Text.Split(',');
            if (cells.All(string.IsNullOrWhiteSpace)) continue;
            var name = cells[0].Trim().Trim('"');
            var numbers = Enumerable.Range(2, 4).Select(i => i < cells.Length && double.TryParse(cells[i].Trim().Trim('"'),
                CultureInfo.InvariantCulture, out var value) ? value : double.NaN).ToArray();
            var finding = cells.Length > 1 ? cells[1].Trim().Trim('"') : "";
            string? problem = null;
            var path = name.Length == 0 ? "" : pictures.Find(name, out problem);
            var number = seen[name] = seen.GetValueOrDefault(name) + 1;
            var patient = name.IndexOf('_', StringComparison.Ordinal);
            yield return new ListedSample
            {
                Id = $"{Path.GetFileNameWithoutExtension(name)}#{number}",
                Image = path,
                Text = finding,
                Place = $"{file}:{line.Number}",
                Width = Side,
                Height = Side,
                Boxes = [Box.FromXywh(numbers[0], numbers[1], numbers[2], numbers[3])],
                Class = finding,
                Patient = patient > 0 ? name[..patient] : null,
                Problem = cells.Length < 6 || cells.Skip(6).Any(cell => !string.IsNullOrWhiteSpace(cell))
                    ? "the row has not six values: picture, class, x, y, width, height"
                    : name.Length == 0 ? "the row names no picture" : problem,
            };
        }
    }
}
