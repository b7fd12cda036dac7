namespace Pfmvg.Data.Checks;

/// <summary>How bad a finding is.</summary>
public enum FindingLevel
{
    /// <summary>Worth knowing; nothing is wrong.</summary>
    Note,

    /// <summary>Samples are lost or worse than they look; training works.</summary>
    Warning,

    /// <summary>The data are wrong, and so would be what is learnt or scored.</summary>
    Error,
}

/// <summary>One case of a finding.</summary>
/// <param name="Id">Picture, study or patient concerned.</param>
/// <param name="Place">File and line, or file.</param>
/// <param name="Detail">What is wrong there, without patient text.</param>
public sealed record FindingCase(string Id, string Place, string Detail);

/// <summary>All cases of one kind in one data set.</summary>
/// <param name="Level">How bad it is.</param>
/// <param name="Kind">A stable name, for example "box-outside".</param>
/// <param name="Source">The data set.</param>
/// <param name="Count">Number of cases.</param>
/// <param name="Cases">The first ones, at most <see cref="DataCheck.MostCases"/>.</param>
public sealed record Finding(FindingLevel Level, string Kind, string Source, long Count, IReadOnlyList<FindingCase> Cases);

/// <summary>A count beside what is known of the whole data set; null where nothing is.</summary>
public sealed record ExpectedCount(string What, long Count, long? Expected);

/// <summary>Lengths of texts.</summary>
/// <param name="Mean">Arithmetic mean.</param>
/// <param name="Median">Half are shorter.</param>
/// <param name="Percentile95">95 % are not longer.</param>
/// <param name="Longest">The longest.</param>
public sealed record Lengths(double Mean, int Median, int Percentile95, int Longest);

/// <summary>What the texts of a data set are like. Normalisation is the published one, to 50 words.</summary>
public sealed record TextReport
{
    /// <summary>Number of texts.</summary>
    public required long Texts { get; init; }

    /// <summary>Lengths in words, before normalisation.</summary>
    public required Lengths Words { get; init; }

    /// <summary>Lengths in tokens, after normalisation; null without a tokenizer.</summary>
    public Lengths? Tokens { get; init; }

    /// <summary>Texts that normalisation cuts.</summary>
    public long Cut { get; init; }

    /// <summary>Texts of which normalisation leaves nothing.</summary>
    public long Emptied { get; init; }

    /// <summary>Texts with "left".</summary>
    public long Left { get; init; }

    /// <summary>Texts with "right".</summary>
    public long Right { get; init; }

    /// <summary>Texts with "both", "bilateral" and the like.</summary>
    public long Both { get; init; }
}

/// <summary>What one data set holds.</summary>
public sealed record SetReport
{
    /// <summary>The data set.</summary>
    public required string Source { get; init; }

    /// <summary>The lists that were read.</summary>
    public required IReadOnlyList<string> Files { get; init; }

    /// <summary>Where its pictures were looked for.</summary>
    public required string ImageFolder { get; init; }

    /// <summary>Whether every pixel was decoded, or only the headers and ends of the files were read.</summary>
    public required bool EveryPixel { get; init; }

    /// <summary>Counts beside the expected ones.</summary>
    public required IReadOnlyList<ExpectedCount> Counts { get; init; }

    /// <summary>Phrases of each class beside the expected ones; empty for captions.</summary>
    public required IReadOnlyList<ExpectedCount> Classes { get; init; }

    /// <summary>What the texts are like.</summary>
    public required TextReport Text { get; init; }
}

/// <summary>The result of <see cref="DataCheck"/>.</summary>
/// <param name="Sets">The data sets.</param>
/// <param name="Findings">What was found, the worst first.</param>
public sealed record CheckReport(IReadOnlyList<SetReport> Sets, IReadOnlyList<Finding> Findings)
{
    /// <summary>The worst level found.</summary>
    public FindingLevel Worst => Findings.Select(finding => finding.Level).DefaultIfEmpty().Max();
}

/// <summary>Gathers findings: counts all, keeps the first cases of each kind.</summary>
internal sealed class FindingList
{
    private readonly Dictionary<(string Source, string Kind), (FindingLevel Level, long Count, List<FindingCase> Cases)> _found = [];

    public void Add(FindingLevel level, string source, string kind, string id, string place, string detail)
    {
        var (_, count, cases) = _found.GetValueOrDefault((source, kind), (level, 0, []));
        if (cases.Count < DataCheck.MostCases) cases.Add(new FindingCase(id, place, detail));
        _found[(source, kind)] = (level, count + 1, cases);
    }

    public IReadOnlyList<Finding> ToList() =>
        [.. _found.Select(found => new Finding(found.Value.Level, found.Key.Kind, found.Key.Source, found.Value.Count, found.Value.Cases))
            .OrderByDescending(finding => finding.Level)];
}
