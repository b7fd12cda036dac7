using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Distributed;
using Pfmvg.Planning;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg plan`: memory and time of a stage before it runs, and the settings that fit a device.</summary>
internal static partial class PlanCommand
{
    private const int MostDevices = 1_000_000, MostSamples = int.MaxValue;

    public static Command Create()
    {
        var memory = new Option<string>("--device-memory")
        {
            Description = "Memory of one device, with its unit: 48GB, 24GiB, 900MB.",
            Required = true,
            HelpName = "SIZE",
        };
        var stage = new Option<int>("--stage")
        {
            Description = "1 (captions) or 2 (boxes).",
            DefaultValueFactory = _ => 2,
            HelpName = "1|2",
        }.Between(1, 2);
        var teraflops = new Option<double?>("--tflops")
        {
            Description = "TFLOP/s of the device in its precision, from its data sheet. Default: the rate of this machine, measured now.",
            HelpName = "N",
        }.Above0(1e6);
        var efficiency = new Option<double?>("--efficiency")
        {
            Description = "Share of the rate that a step reaches. Default: "
                + $"{Units.Number(TrainingPlan.MeasuredEfficiency)} of a measured rate, "
                + $"{Units.Number(TrainingPlan.GivenEfficiency)} of --tflops.",
            HelpName = "SHARE",
        }.Above0(1);
        var devices = new Option<int>("--devices")
        {
            Description = "Devices that train together, one process each.",
            DefaultValueFactory = _ => 1,
            HelpName = "N",
        }.Between(1, MostDevices);
        var samples = new Option<int?>("--samples")
        {
            Description = "Samples of the training split. Default: the number in the prepared data, if there are any.",
            HelpName = "N",
        }.Between(1, MostSamples);
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table." };
        var command = new Command("plan",
            "Predict memory and time of a stage, and suggest the settings that fit a device. Needs no weights.")
        {
            memory, stage, teraflops, efficiency, devices, samples, json,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            var request = new PlanRequest(
                parsed.GetValue(stage),
                Size(parsed.GetRequiredValue(memory)),
                parsed.GetValue(devices),
                parsed.GetValue(teraflops),
                parsed.GetValue(efficiency),
                parsed.GetValue(samples));
            var settings = configuration.Read(parsed);
            _ = settings.Stage(request.Stage);
            ComputeThreads.Set(settings, new SingleProcess());
            var printer = new PlanPrinter(settings, request);
            if (parsed.GetValue(json)) printer.PrintJson();
            else printer.PrintTable();
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>Bytes of a size with its unit.</summary>
    /// <exception cref="InputException">It has no unit, or is no size.</exception>
    internal static long Size(string text)
    {
        var match = SizePattern().Match(text);
        if (!match.Success || !double.TryParse(match.Groups[1].Value, CultureInfo.InvariantCulture, out var number)
            || number is <= 0 or > 1e6)
            throw new InputException($"--device-memory {text}: give a positive number with its unit, as in 48GB, 24GiB or 900MB.");
        var step = match.Groups[3].Length > 0 ? 1024.0 : 1000;
        return (long)(number * Math.Pow(step, 2 + "MGT".IndexOf(char.ToUpperInvariant(match.Groups[2].Value[0]))));
    }

    [GeneratedRegex(@"^([0-9.]+) ?([MGT])(i)?B$", RegexOptions.IgnoreCase)] private static partial Regex SizePattern();
}
