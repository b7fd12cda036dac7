using System.CommandLine;

namespace Pfmvg.Cli.Commands.Data;

/// <summary>`pfmvg data`: prepare, check and look at data sets.</summary>
internal static class DataCommand
{
    public static Command Create() => new("data", "Prepare, check, look at and export data sets.")
    {
        DataPhantomCommand.Create(),
        DataCheckCommand.Create(),
        DataPrepareCommand.Create(),
        DataShowCommand.Create(),
        DataExportCommand.Create(),
    };
}
