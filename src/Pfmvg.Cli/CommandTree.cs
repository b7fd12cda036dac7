using System.CommandLine;
using Pfmvg.Cli.Commands;
using Pfmvg.Cli.Commands.Data;
using Pfmvg.Cli.Commands.Measuring;

namespace Pfmvg.Cli;

/// <summary>All commands of the program.</summary>
internal static class CommandTree
{
    private const string Description = "PFMVG: medical visual grounding. Given a chest radiograph and a phrase, answer with the box.";

    public static RootCommand Create() => new(Description)
    {
        DemoCommand.Create(),
        TrainCommand.Create(),
        PlanCommand.Create(),
        DataCommand.Create(),
        BenchCommand.Create(),
        EvalCommand.Create(),
        PredictCommand.Create(),
        ServeCommand.Create(),
        ExportCommand.Create(),
        AblationCommand.Create(),
        CompareCommand.Create(),
        RecipeCommand.Create(),
        RunsCommand.Create(),
        DoctorCommand.Create(),
        WeightsCommand.Create(),
        PretrainCommand.Create(),
    };
}
