namespace Pfmvg.Cli.Output;

/// <summary>Command lines that can be pasted into a shell.</summary>
internal static class ShellWords
{
    private const string Plain = "/._-=:,+@%";

    /// <summary>Joins words; what the shell would change stands in quotes.</summary>
    public static string Join(IEnumerable<string> words) => string.Join(' ', words.Select(Quote));

    private static string Quote(string word) => word.Length > 0 && word.All(c => char.IsAsciiLetterOrDigit(c) || Plain.Contains(c)) ? word
        : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
