using System.CommandLine;
using System.Globalization;

namespace Pfmvg.Cli.Options;

/// <summary>Refuses what an option cannot mean.</summary>
internal static class OptionRange
{
    /// <summary>Only the names of the choices, in upper or lower case; .NET by itself takes numbers and lists for them, too.</summary>
    public static Option<T> ByName<T>(this Option<T> option) where T : struct, Enum
    {
        string[] names = [.. Enum.GetNames<T>().Select(name => name.ToLowerInvariant())];
        option.HelpName = string.Join('|', names);
        option.CustomParser = result =>
        {
            var given = result.Tokens[0].Value;
            if (names.Contains(given.ToLowerInvariant())) return Enum.Parse<T>(given, ignoreCase: true);
            result.AddError($"{option.Name} {given}: choose one of {string.Join(", ", names)}.");
            return default;
        };
        return option;
    }

    /// <summary>A whole number between two bounds.</summary>
    /// <exception cref="InputException">It is outside.</exception>
    public static int Whole(int value, string option, int least, int most) => value >= least && value <= most
        ? value
        : throw new InputException(string.Create(
            CultureInfo.InvariantCulture, $"{option} {value}: give a whole number from {least:N0} to {most:N0}."));

    /// <summary>A number above 0 and at most <paramref name="most"/>; null stays null.</summary>
    /// <exception cref="InputException">It is outside.</exception>
    public static double? Positive(double? value, string option, double most) => value is null or > 0 && !(value > most)
        ? value
        : throw new InputException(string.Create(
            CultureInfo.InvariantCulture, $"{option} {value}: give a number above 0, at most {most}."));
}
