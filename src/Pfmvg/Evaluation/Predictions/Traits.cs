using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>What is known of a sample's patient and picture, for subgroups. Bands and codes only: nothing here names anybody.</summary>
/// <param name="Sex">F, M or O.</param>
/// <param name="Age">One of <see cref="AgeBands"/>.</param>
/// <param name="View">Direction of the view, such as PA.</param>
/// <param name="Source">The data set.</param>
/// <param name="Scanner">Maker or model of the scanner.</param>
internal sealed partial record Traits(string? Sex, string? Age, string? View, string? Source, string? Scanner)
{
    /// <summary>The bands of age in years.</summary>
    public static readonly string[] AgeBands = ["0-17", "18-39", "40-59", "60-79", "80+"];

    /// <summary>Nothing is known.</summary>
    public static Traits Unknown { get; } = new(null, null, null, null, null);

    /// <summary>The traits that are known, by the names that predictions.jsonl has for them.</summary>
    public IEnumerable<(string Name, string Value)> Known =>
        from trait in ((string Name, string? Value)[])
            [("sex", Sex), ("age", Age), ("view", View), ("source", Source), ("scanner", Scanner)]
        where trait.Value is not null
        select (trait.Name, trait.Value);

    /// <summary>The fields of a line. Other programs may mean something else by their names, so what cannot be read is unknown.</summary>
    public static Traits Of(JsonInput line)
    {
        return Read(Text("sex"), Text("age"), Text("view"), Text("source"), Text("scanner"));

        string? Text(string name) => line.Find(name) switch
        {
            { ValueKind: JsonValueKind.Number } number => number.GetRawText(),
            { ValueKind: JsonValueKind.String } => line.Text(name),
            _ => null,
        };
    }

    /// <summary>From texts as data sets write them: "female", "F"; "67", "067Y", "60-79"; a view's code; names.</summary>
    public static Traits Read(string? sex, string? age, string? view, string? source, string? scanner) => new(
        sex?.Trim().ToLowerInvariant() switch
        {
            "f" or "female" => "F",
            "m" or "male" => "M",
            "o" or "other" => "O",
            _ => null,
        },
        Band(age?.Trim()), Name(view)?.ToUpperInvariant(), Name(source), Name(scanner));

    /// <summary>These traits, and the other's where these are unknown.</summary>
    public Traits Or(Traits other) => new(
        Sex ?? other.Sex, Age ?? other.Age, View ?? other.View, Source ?? other.Source, Scanner ?? other.Scanner);

    private static string? Band(string? age)
    {
        if (age is null || AgeBands.Contains(age)) return age;
        return Years().Match(age) is { Success: true } match
            && double.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) is <= 130 and var years
                ? AgeBands[years switch { < 18 => 0, < 40 => 1, < 60 => 2, < 80 => 3, _ => 4 }] : null;
    }

    // A name is printed as a group's, so it must be one: short, on one line.
    private static string? Name(string? text) => text?.Trim() is { Length: > 0 and <= 60 } name && !name.Any(char.IsControl) ? name : null;

    [GeneratedRegex(@"^([0-9]{1,3}(?:\.[0-9]+)?)Y?$")] private static partial Regex Years();
}
