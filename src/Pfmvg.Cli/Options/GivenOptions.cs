using System.CommandLine;

namespace Pfmvg.Cli.Options;

/// <summary>Options that a user wrote: one that cannot take effect is refused instead of ignored.</summary>
internal static class GivenOptions
{
    /// <summary>Whether the command line has the option, with whatever value.</summary>
    public static bool IsGiven(this ParseResult parsed, Option option) => parsed.GetResult(option) is { Implicit: false };

    /// <summary>Refuses the first of some options that is given.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="reason">Why it has no effect and what to do, as the end of a sentence that begins with the option's name.</param>
    /// <param name="options">The options.</param>
    /// <exception cref="InputException">One is given.</exception>
    public static void Refuse(this ParseResult parsed, string reason, params IEnumerable<Option> options)
    {
        if (options.FirstOrDefault(parsed.IsGiven) is { } idle) throw new InputException($"{idle.Name} {reason}.");
    }
}
