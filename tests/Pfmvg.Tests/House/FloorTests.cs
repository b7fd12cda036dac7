using System.Text.RegularExpressions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.House;

/// <summary>The rules of docs/architecture.md: a floor never uses a higher one, and nothing is used in a circle.</summary>
public partial class FloorTests
{
    private static readonly string Source = Path.Combine(Fixtures.Repository, "src", "Pfmvg");

    // The table of docs/architecture.md.
    private static readonly Dictionary<string, int> Floors = TableRow()
        .Matches(File.ReadAllText(Path.Combine(Fixtures.Repository, "docs", "architecture.md")))
        .ToDictionary(row => row.Groups[1].Value, row => int.Parse(row.Groups[2].Value));

    private static readonly List<SourceFile> Files = [.. Floors.Keys.Select(folder => Path.Combine(Source, folder)).Where(Directory.Exists)
        .SelectMany(folder => Directory.GetFiles(folder, "*.cs", SearchOption.AllDirectories)).Order(StringComparer.Ordinal)
        .Select(path => SourceFile.Read(Path.GetRelativePath(Source, path)))];

    // Who declares a type, by its namespace and name. A name may be declared in several namespaces.
    private static readonly ILookup<(string Namespace, string Type), SourceFile> Declarations = Files
        .SelectMany(file => file.Declared.Select(type => (Key: (file.Namespace, type), File: file)))
        .ToLookup(declared => declared.Key, declared => declared.File);

    private static readonly List<(SourceFile File, SourceFile Used)> Uses = [.. from file in Files
        from space in file.Visible
        from name in file.Names
        from used in Declarations[(space, name)]
        where used != file
        select (file, used)];

    [Fact]
    public void Every_folder_has_a_floor() =>
        Assert.Equal(
            Directory.GetDirectories(Source).Where(HasSource).Select(folder => Path.GetFileName(folder)!).Order(),
            Floors.Keys.Where(folder => HasSource(Path.Combine(Source, folder))).Order());

    [Fact]
    public void A_folder_is_its_files_namespace() => Assert.All(
        Files, file => Assert.Equal("Pfmvg." + Path.GetDirectoryName(file.Path)!.Replace(Path.DirectorySeparatorChar, '.'),
            file.Namespace));

    [Fact]
    public void No_floor_uses_a_higher_one() => Assert.Empty(Files
        .SelectMany(file => file.Mentioned.Where(Floors.ContainsKey).Select(mentioned => (File: file, Used: mentioned)))
        .Where(use => Floors[use.Used] > Floors[use.File.Folder])
        .Select(use => $"{use.File.Path} (floor {Floors[use.File.Folder]}) uses {use.Used} (floor {Floors[use.Used]})"));

    [Fact]
    public void Folders_of_one_floor_never_use_each_other_in_a_circle() => Assert.Empty(Circles(
        from file in Files
        from mentioned in file.Mentioned
        where mentioned != file.Folder && Floors.ContainsKey(mentioned)
        select (file.Folder, mentioned)));

    /// <summary>Files beside rooms count as rooms of their own; a circle among such files alone is their own affair.</summary>
    [Fact]
    public void Rooms_of_one_folder_never_use_each_other_in_a_circle()
    {
        var circles = Circles(
            from use in Uses
            where use.File.Folder == use.Used.Folder && use.File.Room != use.Used.Room
            select ($"{use.File.Folder}/{use.File.Room}", $"{use.Used.Folder}/{use.Used.Room}"));
        Assert.DoesNotContain(circles, circle => IsRoom(circle.Room) || circle.Used.Any(IsRoom));

        static bool IsRoom(string name) => !name.EndsWith(".cs", StringComparison.Ordinal);
    }

    /// <summary>
    /// What is left of the uses when everything is taken away, again and again, that uses nothing that is left or is
    /// used by nothing.
    /// </summary>
    private static IEnumerable<(string Room, string[] Used)> Circles(IEnumerable<(string Room, string Used)> uses)
    {
        var left = uses.Distinct().ToList();
        while (left.RemoveAll(use => left.TrueForAll(other => other.Room != use.Used)
            || left.TrueForAll(other => other.Used != use.Room)) > 0)
        {
        }

        return left.GroupBy(use => use.Room, (room, used) => (room, used.Select(use => use.Used).ToArray()));
    }

    private static bool HasSource(string folder) => Path.GetFileName(folder) is not ("bin" or "obj") && Directory.Exists(folder)
        && Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories).Any();

    [GeneratedRegex(@"^\| `(\w+)` \| (\d) \|", RegexOptions.Multiline)] private static partial Regex TableRow();

    /// <summary>What a file of the library declares and names; comments do not count.</summary>
    /// <param name="Path">Relative to the library's folder.</param>
    /// <param name="Namespace">Its namespace.</param>
    /// <param name="Declared">Its types.</param>
    /// <param name="Visible">Namespaces that it sees: its own, those around it, and those that it imports.</param>
    /// <param name="Names">Every name in it that may be a type's.</param>
    /// <param name="Mentioned">Folders that it imports or writes out.</param>
    private sealed partial record SourceFile(
        string Path, string Namespace, string[] Declared, HashSet<string> Visible, HashSet<string> Names, HashSet<string> Mentioned)
    {
        public string Folder => Path.Split(System.IO.Path.DirectorySeparatorChar)[0];

        public string Room => Path.Split(System.IO.Path.DirectorySeparatorChar)[1];

        public static SourceFile Read(string path)
        {
            var code = Comment().Replace(File.ReadAllText(System.IO.Path.Combine(Source, path)), "");
            var own = NamespaceLine().Match(code).Groups[1].Value;
            var parts = own.Split('.');
            return new SourceFile(
                path,
                own,
                [.. Declaration().Matches(code).Select(match => match.Groups[1].Value)],
                [.. UsingLine().Matches(code).Select(match => match.Groups[1].Value),
                    .. parts.Select((_, i) => string.Join('.', parts[..(i + 1)]))],
                [.. Name().Matches(code).Select(match => match.Value)],
                [.. Mention().Matches(code).Select(match => match.Groups[1].Value)]);
        }

        [GeneratedRegex(@"//.*")] private static partial Regex Comment();

        [GeneratedRegex(@"^namespace ([\w.]+);", RegexOptions.Multiline)] private static partial Regex NamespaceLine();

        [GeneratedRegex(@"^using (?:static )?([\w.]+);", RegexOptions.Multiline)] private static partial Regex UsingLine();

        [GeneratedRegex(@"(?<![.\w""])[A-Z]\w*")] private static partial Regex Name();

        [GeneratedRegex(@"\bPfmvg\.([A-Z]\w+)\b")] private static partial Regex Mention();

        [GeneratedRegex(
            @"^(?:public |internal |file )?(?:(?:static|sealed|abstract|partial|readonly|ref|unsafe) )*"
            + @"(?:class|record struct|record|struct|interface|enum|delegate .+?) (\w+)",
            RegexOptions.Multiline)]
        private static partial Regex Declaration();
    }
}
