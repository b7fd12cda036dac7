using System.Text;
using System.Text.RegularExpressions;

namespace Pfmvg.Tests.Evaluation.Reports;

/// <summary>
/// Which part of a document lies on which page of a print: the structure that Chromium writes into a tagged PDF (ISO 32000-1, 14.7), whose
/// objects are plain text.
/// </summary>
internal sealed partial class PrintedPage
{
    private readonly Dictionary<int, string> _objects;
    private readonly Dictionary<int, int> _numbers; // of the pages, by their objects
    private readonly Dictionary<int, string> _titles;
    private readonly List<int> _order = [];         // the page of each piece of content, as the document reads
    private readonly List<(string Kind, string Title, int First, int Last)> _found = [];

    private PrintedPage(byte[] pdf)
    {
        var text = Encoding.Latin1.GetString(pdf);
        _objects = Object().Matches(text).ToDictionary(found => int.Parse(found.Groups[1].Value), found => found.Groups[2].Value);
        var tree = _objects.Values.Single(value => value.Contains("/Type /StructTreeRoot", StringComparison.Ordinal));
        _numbers = _objects.Where(found => PageType().IsMatch(found.Value)).OrderBy(found => found.Key) // as they are written
            .Select((found, i) => (found.Key, i)).ToDictionary(pair => pair.Key, pair => pair.i);
        _titles = _objects.Values.Select(value => Heading().Match(value)).Where(found => found.Success)
            .ToDictionary(found => int.Parse(found.Groups[2].Value), found => found.Groups[1].Value);
        Walk(int.Parse(Root().Match(tree).Groups[1].Value), -1);
    }

    /// <summary>How many pages there are.</summary>
    public int Pages => _numbers.Count;

    /// <summary>
    /// Every part with content: its kind (TR, Figure, H2, ...; Head is a table's), its title where it is a heading, the pages of its
    /// pieces, and the page of the piece behind it. A part follows its own parts.
    /// </summary>
    public IEnumerable<(string Kind, string Title, IReadOnlyList<int> Pages, int Next)> Parts => _found
        .Where(part => part.Last > part.First).Select(part => (part.Kind, part.Title,
            (IReadOnlyList<int>)_order[part.First..part.Last],
            part.Last < _order.Count ? _order[part.Last] : -1));

    public static PrintedPage Read(byte[] pdf) => new(pdf);

    private void Walk(int element, int page)
    {
        if (!_objects.TryGetValue(element, out var value)) return;
        if (Kids().Match(value) is not { Success: true } kids) return;
        if (OwnPage().Match(value[..kids.Index]) is { Success: true } own) page = int.Parse(own.Groups[1].Value);
        var (kind, first) = (Kind().Match(value).Groups[1].Value, _order.Count);
        foreach (Match kid in Kid().Matches(kids.Groups[1].Value))
        {
            if (kid.Groups["child"].Success) Walk(int.Parse(kid.Groups["child"].Value), page);
            else if (kid.Groups["place"].Success && OwnPage().Match(kid.Value) is { Success: true } other)
                _order.Add(_numbers[int.Parse(other.Groups[1].Value)]);
            else _order.Add(_numbers[page]);
        }

        if (kind == "TR" && !_found.Exists(part => part.Kind == "TD" && part.First >= first)) kind = "Head"; // it is repeated
        _found.Add((kind, _titles.GetValueOrDefault(element, ""), first, _order.Count));
    }

    [GeneratedRegex(@"(?<=^|\n)(\d+) 0 obj\n(<<.*?)\nendobj", RegexOptions.Singleline)] private static partial Regex Object();

    [GeneratedRegex(@"/Type /Page\b(?!s)")] private static partial Regex PageType();

    [GeneratedRegex(@"/Title \((.*?)\)\n.*?/SE (\d+) 0 R", RegexOptions.Singleline)] private static partial Regex Heading();

    [GeneratedRegex(@"\n/K (\d+) 0 R")] private static partial Regex Root();

    [GeneratedRegex(@"\n/K (\[[^\]]*\]|\d+(?: 0 R)?|<<[^>]*>>)")] private static partial Regex Kids();

    /// <summary>An element, content on a page of its own, or a number: content on the element's page.</summary>
    [GeneratedRegex(@"(?<place><<.*?>>)|(?<child>\d+) 0 R|(?<number>\d+)", RegexOptions.Singleline)] private static partial Regex Kid();

    [GeneratedRegex(@"/Pg (\d+) 0 R")] private static partial Regex OwnPage();

    [GeneratedRegex(@"\n/S /(\w+)")] private static partial Regex Kind();
}
