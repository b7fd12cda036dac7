using System.CommandLine;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg bench`: how fast parts of the program are on this machine.</summary>
internal static class BenchCommand
{
    public static Command Create() =>
        new("bench", "Measure how fast parts of the program are on this machine, and how much memory they take.")
        {
            BenchDataCommand.Create(), BenchModelCommand.Create(), BenchMemoryCommand.Create(), BenchServeCommand.Create(),
            BenchCompareCommand.Create(),
        };
}
