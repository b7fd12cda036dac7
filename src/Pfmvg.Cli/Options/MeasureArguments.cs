using System.CommandLine;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Cli.Options;

/// <summary>The options for what is measured beside the rows of the score table.</summary>
internal sealed class MeasureArguments
{
    private readonly Option<string?> _metrics = new("--metrics")
    {
        Description = $"Measure more: {MeasureRequest.Names}. A list with commas; T is a threshold of IoU.",
        HelpName = "LIST",
    };
    private readonly Option<bool> _subgroups = new("--subgroups")
    {
        Description = "Scores of subgroups, with differences to the rest: by side, boxes of a phrase, size, words, and where they are "
            + "known by sex, age, view, source and scanner.",
    };
    private readonly Option<FileInfo[]> _traits = new("--traits")
    {
        Description = "With --subgroups: a table .csv or .csv.gz of samples, pictures or patients with their sex, age, view or scanner, "
            + "such as MIMIC-CXR-JPG's metadata and MIMIC-IV's patients. Can be given several times.",
        HelpName = "FILE",
    };

    /// <summary>All of them.</summary>
    public IEnumerable<Option> All => [_metrics, _subgroups, _traits];

    public void AddTo(Command command)
    {
        foreach (var option in All) command.Options.Add(option);
    }

    /// <summary>The measures that were asked for.</summary>
    /// <exception cref="InputException">One is none, or an option has no effect.</exception>
    public IReadOnlyList<MeasureRequest> Read(ParseResult parsed, ScoringOptions options)
    {
        if (!parsed.GetValue(_subgroups)) parsed.Refuse("tells groups of samples apart, which need --subgroups; add it", _traits);
        if (parsed.GetValue(_traits)?.FirstOrDefault(file => !file.Exists) is { } missing)
            throw new InputException($"--traits {missing}: there is no such file.");
        return parsed.GetValue(_metrics) is { } list ? MeasureRequest.Parse(list, options.Protocol) : [];
    }

    /// <summary>The answers with what the tables of --traits know of them.</summary>
    /// <exception cref="InputException">A table knows none of them, or contradicts itself.</exception>
    public IReadOnlyList<Prediction> WithTraits(ParseResult parsed, IReadOnlyList<Prediction> answers)
    {
        foreach (var file in parsed.GetValue(_traits) ?? []) answers = TraitTable.Join(answers, file.FullName);
        return answers;
    }

    /// <summary>Scores with what was asked for beside their rows, and its tables.</summary>
    public (ScoredFamilies Scored, IReadOnlyList<TextGrid> Grids) Measure(
        ParseResult parsed, IReadOnlyList<Prediction> answers, ScoredFamilies scored)
    {
        var table = scored.Main;
        var asked = Read(parsed, table.Options);
        List<TextGrid> grids = FurtherGrid.Confidences(table) is { } confidences ? [confidences] : [];
        if (asked.Count > 0)
        {
            table = table with { Further = FurtherMeasures.Of(table, answers, asked), FurtherRules = FurtherGrid.Rules(asked) };
            grids.Add(FurtherGrid.Measures(table));
        }

        if (parsed.GetValue(_subgroups))
        {
            var groups = Subgroups.Of(table, answers);
            grids.Add(FurtherGrid.Groups(table, groups));
            table = table with
            {
                Further = [.. table.Further, .. groups.Figures],
                FurtherRules = [.. table.FurtherRules, .. grids[^1].Notes],
            };
        }

        return (scored.Each(one => one == scored.Main ? table : one), grids);
    }
}
