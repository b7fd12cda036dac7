using System.Text.RegularExpressions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.House;

/// <summary>The rule of docs/architecture.md: a floor never imports a higher one.</summary>
public partial class FloorTests
{
    private static readonly string Source = Path.Combine(Fixtures.Repository, "src", "Pfmvg");

    // The table of docs/architecture.md.
    private static readonly Dictionary<string, int> Floors = TableRow()
        .Matches(File.ReadAllText(Path.Combine(Fixtures.Repository, "docs", "architecture.md")))
        .ToDictionary(row => row.Groups[1].Value, row => int.Parse(row.Groups[2].Value));

    [Fact]
    public void Every_folder_has_a_floor() =>
        Assert.Equal(
            Directory.GetDirectories(Source).Where(HasSource).Select(folder => Path.GetFileName(folder)!).Order(),
            Floors.Keys.Where(folder => HasSource(Path.Combine(Source, folder))).Order());

    [Fact]
    public void A_folder_is_its_files_namespace() => Assert.Empty(Files()
        .Where(file => !Regex.IsMatch(File.ReadAllText(file.Path), $@"^namespace Pfmvg\.{file.Folder}(\.\w+)*;", RegexOptions.Multiline))
        .Select(file => file.Path));

    [Fact]
    public void No_floor_imports_a_higher_one() => Assert.Empty(Imports()
        .Where(import => Floors[import.Imported] > Floors[import.Folder])
        .Select(import => $"{import.File} (floor {Floors[import.Folder]}) uses {import.Imported} (floor {Floors[import.Imported]})"));

    [Fact]
    public void Folders_of_one_floor_never_use_each_other_in_a_circle()
    {
        var left = Imports().GroupBy(import => import.Folder).ToDictionary(folder => folder.Key, folder => folder.Select(import => import.Imported).ToHashSet());
        while (left.FirstOrDefault(folder => !folder.Value.Any(left.ContainsKey)) is { Key: { } done }) left.Remove(done); // uses none that is left
        Assert.Empty(left.Select(folder => $"{folder.Key} uses {string.Join(", ", folder.Value.Where(left.ContainsKey))}"));
    }

    private static IEnumerable<(string File, string Folder, string Imported)> Imports() =>
        from file in Files()
        from Match import in Import().Matches(File.ReadAllText(file.Path))
        let imported = import.Groups[1].Value
        where imported != file.Folder && Floors.ContainsKey(imported)
        select (Path.GetRelativePath(Source, file.Path), file.Folder, imported);

    private static IEnumerable<(string Folder, string Path)> Files() => Floors.Keys
        .Select(folder => (Folder: folder, Path: Path.Combine(Source, folder))).Where(folder => Directory.Exists(folder.Path))
        .SelectMany(folder => Directory.GetFiles(folder.Path, "*.cs", SearchOption.AllDirectories).Select(path => (folder.Folder, path)));

    private static bool HasSource(string folder) =>
        Path.GetFileName(folder) is not ("bin" or "obj") && Directory.Exists(folder) && Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Any();

    [GeneratedRegex(@"^\| `(\w+)` \| (\d) \|", RegexOptions.Multiline)] private static partial Regex TableRow();

    // using lines, and names written out; the library's root namespace is every floor's.
    [GeneratedRegex(@"\bPfmvg\.([A-Z]\w+)\b")] private static partial Regex Import();
}
