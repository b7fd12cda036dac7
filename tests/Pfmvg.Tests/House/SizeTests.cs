using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.House;

/// <summary>Code fits a screen in both directions.</summary>
public class SizeTests
{
    private const int LongestFile = 300, LongestLine = 140;

    private static readonly IEnumerable<string> Sources = new[] { "src", "tests", "samples", "tools" }
        .Select(folder => Path.Combine(Fixtures.Repository, folder)).Where(Directory.Exists)
        .SelectMany(folder => Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories))
        .Where(path => !path.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"));

    [Fact]
    public void No_file_is_longer_than_300_lines() => Assert.Empty(Sources
        .Select(path => (Path: path, Lines: File.ReadLines(path).Count())).Where(file => file.Lines > LongestFile)
        .Select(file => $"{file.Path}: {file.Lines} lines"));

    [Fact]
    public void No_line_is_longer_than_140_characters() => Assert.Empty(Sources
        .SelectMany(path => File.ReadLines(path).Select((line, i) => (Place: $"{path}:{i + 1}", line.Length)))
        .Where(line => line.Length > LongestLine).Select(line => $"{line.Place}: {line.Length} characters"));
}
