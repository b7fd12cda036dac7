using System.CommandLine;
using Pfmvg.Cli.Output;
using Pfmvg.Rivals;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg weights`: looks into weight files, and writes random ones.</summary>
internal static class WeightsCommand
{
    public static Command Create()
    {
        var command = new Command("weights", "Look into weight files, or write random ones.");
        command.Add(InspectCommand());
        command.Add(WeightsRandomCommand.Create());
        return command;
    }

    private static Command InspectCommand()
    {
        var command = new Command("inspect",
            "List the tensors of a file or folder: types, shapes, bytes, names. Nothing in it is executed.");
        var file = new Argument<string>("FILE")
        {
            Description = "A safetensors file, a file of torch.save (.pth, .bin, .pt), or a Hugging Face folder.",
        };
        var json = new Option<bool>("--json") { Description = "Print JSON." };
        command.Add(file);
        command.Add(json);
        command.SetAction(parsed =>
        {
            using var weights = WeightFile.Open(parsed.GetRequiredValue(file));
            Console.Out.WriteLine(parsed.GetValue(json)
                ? WeightListing.ToJson(weights).ToJsonString(JsonOutput.Indented) : WeightListing.ToText(weights));
            if (!parsed.GetValue(json) && BioVilFiles.Describe(weights) is { } rival) Console.Out.WriteLine(rival);
        });
        return command;
    }
}
