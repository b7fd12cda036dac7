using System.Text;

namespace Pfmvg.Tests.Support;

/// <summary>
/// Reads comma-separated values as strictly as RFC 4180 and a line feed allow: one header of different names, as many cells in each line
/// as in the header, quotes only where they are needed, a line feed after every line and nothing after the last.
/// </summary>
internal static class StrictCsv
{
    public static List<Dictionary<string, string>> Read(string text)
    {
        Assert.False(text.StartsWith('\uFEFF'), "there is a byte order mark");
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        var lines = Lines(text);
        var header = lines[0];
        Assert.Equal(header.Distinct(), header);
        Assert.All(lines, line => Assert.Equal(header.Count, line.Count));
        Assert.DoesNotContain(lines, line => line.TrueForAll(cell => cell.Length == 0));
        return [.. lines.Skip(1).Select(line => header.Zip(line).ToDictionary(cell => cell.First, cell => cell.Second))];
    }

    public static string[] Header(string text) => [.. Lines(text)[0]];

    private static List<List<string>> Lines(string text)
    {
        List<List<string>> lines = [];
        var at = 0;
        while (at < text.Length)
        {
            List<string> cells = [Cell()];
            while (text[at] == ',')
            {
                at++;
                cells.Add(Cell());
            }

            Assert.True(text[at++] == '\n', $"a line ends with something else than a line feed, behind '{cells[^1]}'");
            lines.Add(cells);
        }

        return lines;

        string Cell()
        {
            if (text[at] != '"')
            {
                var start = at;
                while (text[at] is not (',' or '\n'))
                    Assert.True(text[at++] is not ('"' or '\r'), "a quote or a carriage return stands in a cell without quotes");
                return text[start..at];
            }

            var cell = new StringBuilder();
            for (at++; ; at++)
            {
                if (text[at] != '"') cell.Append(text[at]);
                else if (text[at + 1] == '"') cell.Append(text[++at]);
                else break;
            }

            at++;
            Assert.Contains(cell.ToString(), character => character is ',' or '"' or '\n' or '\r' or ' ');
            return cell.ToString();
        }
    }
}
