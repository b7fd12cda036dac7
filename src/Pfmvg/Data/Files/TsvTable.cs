namespace Pfmvg.Data.Files;

/// <summary>
/// Reads tab-separated tables of captions. Quotes are data: only a field that is quoted as a whole, with its inner quotes
/// doubled, is taken out of its quotes, and only such a field may go over several lines.
/// </summary>
internal static class TsvTable
{
    /// <summary>The values of some columns in each row; empty where a row is too short. The last column may hold tabs.</summary>
    /// <exception cref="InputException">The file cannot be read, or a column is missing.</exception>
    public static IEnumerable<(IReadOnlyList<string> Values, string Place)> Read(
        string path, TextRepairs? repairs, params IReadOnlyList<string> columns)
    {
        var file = Privacy.Mask(path);
        List<string>? header = null;
        int[] wanted = [];
        foreach (var (number, text) in Rows(path, repairs))
        {
            if (header is null)
            {
                header = [.. text.Split('\t').Select(Unquoted)];
                wanted = [.. columns.Select(column => header.IndexOf(column))];
                if (Array.IndexOf(wanted, -1) is >= 0 and var missing)
                    throw new InputException($"{file}:1: the column {columns[missing]} is missing; the first line must name "
                        + $"{string.Join(", ", columns)}, separated by tabs.");
                continue;
            }

            var fields = text.Split('\t', header.Count);
            yield return ([.. wanted.Select(i => i < fields.Length ? Unquoted(fields[i]) : "")], $"{file}:{number}");
        }
    }

    /// <summary>The lines that are not blank, and lines that one quoted field joins as one.</summary>
    private static IEnumerable<Line> Rows(string path, TextRepairs? repairs)
    {
        var open = new List<Line>(); // a row whose last field begins with a quote, and lines without tab that may belong to it
        foreach (var line in DataFile.Lines(path, repairs))
        {
            if (open.Count > 0)
            {
                if (!line.Text.Contains('\t', StringComparison.Ordinal))
                {
                    open.Add(line);
                    var joined = string.Join('\n', open.Select(part => part.Text));
                    if (joined.Length > DataFile.MaxRecord) throw DataFile.TooLong(path, open[0].Number);
                    if (!IsQuoted(LastField(joined))) continue;
                    yield return new Line(open[0].Number, joined);
                    open.Clear();
                    continue;
                }

                foreach (var part in open) // the quote was data
                    if (!string.IsNullOrWhiteSpace(part.Text)) yield return part;
                open.Clear();
            }

            if (LastField(line.Text) is ['"', ..] last && !IsQuoted(last)) open.Add(line);
            else if (!string.IsNullOrWhiteSpace(line.Text)) yield return line;
        }

        foreach (var part in open)
            if (!string.IsNullOrWhiteSpace(part.Text)) yield return part;
    }

    private static string LastField(string row) => row[(row.LastIndexOf('\t') + 1)..].Trim();

    private static bool IsQuoted(string field) => field is ['"', _, ..] and [.., '"']
        && !field[1..^1].Replace("\"\"", "", StringComparison.Ordinal).Contains('"', StringComparison.Ordinal);

    private static string Unquoted(string field) => field.Trim() is var text && IsQuoted(text)
        ? text[1..^1].Replace("\"\"", "\"", StringComparison.Ordinal).Trim() : text;
}
