using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Pfmvg.Cli.Options;

/// <summary>The one road on which names and numbers come from the command line; it refuses what an option cannot mean.</summary>
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

    /// <summary>Only a number between two bounds, with a point; the refusal names the option, the number, and the bounds.</summary>
    public static Option<T> Between<T>(this Option<T> option, T least, T most) where T : struct, INumber<T>
    {
        option.CustomParser = result => Number(result, option.Name, least, most, isAbove: false).GetValueOrDefault();
        return option;
    }

    /// <inheritdoc cref="Between{T}(Option{T}, T, T)"/>
    public static Option<T?> Between<T>(this Option<T?> option, T least, T most) where T : struct, INumber<T>
    {
        option.CustomParser = result => Number(result, option.Name, least, most, isAbove: false);
        return option;
    }

    /// <summary>Only a number above 0 and up to a bound.</summary>
    public static Option<double> Above0(this Option<double> option, double most)
    {
        option.CustomParser = result => Number(result, option.Name, 0, most, isAbove: true).GetValueOrDefault();
        return option;
    }

    /// <inheritdoc cref="Above0(Option{double}, double)"/>
    public static Option<double?> Above0(this Option<double?> option, double most)
    {
        option.CustomParser = result => Number(result, option.Name, 0, most, isAbove: true);
        return option;
    }

    /// <summary>Any whole number, as for seeds.</summary>
    public static Option<long> Whole(this Option<long> option) => option.Between(long.MinValue, long.MaxValue);

    /// <summary>A whole number between two bounds, where an option is a list of them.</summary>
    /// <exception cref="InputException">It is outside.</exception>
    public static int Whole(int value, string option, int least, int most) => value >= least && value <= most
        ? value : throw new InputException($"{option} {value}: {Wanted(least, most, isAbove: false)}.");

    private static T? Number<T>(ArgumentResult result, string option, T least, T most, bool isAbove) where T : struct, INumber<T>
    {
        if (result.Tokens is not [var token]) return null; // more or fewer are refused by themselves
        var style = IsWhole<T>() ? NumberStyles.AllowLeadingSign : NumberStyles.Float;
        if (T.TryParse(token.Value, style, CultureInfo.InvariantCulture, out var value) && value <= most
            && (isAbove ? value > least : value >= least)) return value;
        result.AddError($"{option} {token.Value}: {Wanted(least, most, isAbove)}.");
        return null;
    }

    private static bool IsWhole<T>() => typeof(T) != typeof(double);

    private static string Wanted<T>(T least, T most, bool isAbove) where T : struct, INumber<T>
    {
        var kind = IsWhole<T>() ? "give a whole number" : "give a number";
        return isAbove ? $"{kind} above {Text(least)}, at most {Text(most)}" : $"{kind} from {Text(least)} to {Text(most)}";

        static string Text(T number) => number.ToString(IsWhole<T>() ? "N0" : null, CultureInfo.InvariantCulture);
    }
}
