using System.CommandLine;
using Pfmvg.Data.Preparation;

namespace Pfmvg.Cli.Options;

/// <summary>The option that tells how patients are divided between training, validation and test.</summary>
internal sealed class SplitOption(string description)
{
    public Option<string?> Option { get; } = new("--split") { Description = description, HelpName = "ratio|official|FILE" };

    /// <summary>The rule and, for the user's own list, its full path; null where no rule is named.</summary>
    public (SplitRule? Rule, string? File) Read(ParseResult parsed) => parsed.GetValue(Option) switch
    {
        null => (null, null),
        "ratio" => (SplitRule.Ratio, null),
        "official" => (SplitRule.Official, null),
        var file => (SplitRule.List, Path.GetFullPath(file)),
    };
}
