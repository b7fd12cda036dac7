using System.CommandLine;
using System.Numerics;
using Pfmvg.Cli;

namespace Pfmvg.Tests.Cli;

/// <summary>What is no number, or none that an option can mean, is refused by every option of every command.</summary>
public class NumberOptionTests
{
    // Seeds may be any whole number; similarities lie between -1 and 1.
    private static readonly string[] MayBeNegative = ["--seed", "--bootstrap-seed", "--threshold"];

    public static TheoryData<string, string> Options => [.. All(CommandTree.Create(), "")
        .Select(found => (found.Command, found.Option.Name))];

    private static IEnumerable<(string Command, Option Option)> All(Command command, string path) =>
    [
        .. command.Options.Where(option => IsNumber(option.ValueType)).Select(option => (path, option)),
        .. command.Subcommands.SelectMany(part => All(part, $"{path} {part.Name}".Trim())),
    ];

    private static bool IsNumber(Type type) => (Nullable.GetUnderlyingType(type) ?? type).GetInterfaces()
        .Any(face => face.IsGenericType && face.GetGenericTypeDefinition() == typeof(INumber<>)) && type != typeof(char);

    private static string[] Errors(string command, string option, string value) =>
        [.. CommandTree.Create().Parse([.. command.Split(' '), option, value]).Errors.Select(error => error.Message)];

    [Fact]
    public void There_are_such_options() => Assert.True(Options.Count > 40, $"{Options.Count}");

    [Theory]
    [MemberData(nameof(Options))]
    public void What_is_no_usable_number_is_refused_with_option_value_and_range(string command, string option)
    {
        foreach (var value in (string[])["NaN", "Infinity", "-Infinity", "1,5", "1e400", "x", "", "99999999999999999999999", "-1"])
        {
            if (value == "-1" && MayBeNegative.Contains(option)) continue;
            Assert.Contains(Errors(command, option, value), error =>
                error.StartsWith($"{option} {value}: give a", StringComparison.Ordinal) && error.EndsWith('.')
                && (error.Contains(" to ", StringComparison.Ordinal) || error.Contains(" at most ", StringComparison.Ordinal)));
        }

        Assert.DoesNotContain(Errors(command, option, "1"), error => error.StartsWith($"{option} ", StringComparison.Ordinal)
            && option != "--steps" && option is not ("--width" or "--height")); // whose least are above 1
    }
}
