using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Pfmvg.Weights;

namespace Pfmvg.Cli;

/// <summary><c>pfmvg weights ...</c></summary>
internal static class WeightsCommand
{
    public static Command Create() => new("weights", "Look into weight files.") { Inspect() };

    private static Command Inspect()
    {
        var file = new Argument<string>("FILE") { Description = "a .safetensors, .pth, .bin or .pt file, or a Hugging Face folder" };
        var json = new Option<bool>("--json") { Description = "print JSON" };
        var command = new Command("inspect", "List the tensors of a weight file: names, types, shapes, sizes. Nothing in the file is executed.") { file, json };
        command.SetAction(parsed =>
        {
            using var weights = WeightFile.Open(parsed.GetRequiredValue(file));
            if (parsed.GetValue(json)) Console.WriteLine(WeightListing.ToJson(weights).ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
            else WeightListing.Print(weights, Console.Out);
            return ExitCode.Success;
        });
        return command;
    }
}
