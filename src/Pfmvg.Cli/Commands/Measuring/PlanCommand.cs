using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Planning;
using Pfmvg.Runs;

namespace Pfmvg.Cli.Commands.Measuring;

/// <summary>`pfmvg plan`: memory and time of a stage before it is begun, and the settings that fit a device.</summary>
internal static partial class PlanCommand
{
    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true, PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
            Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

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
        };
        var teraflops = new Option<double?>("--tflops")
        {
            Description = "Rate of the device in its precision, from its data sheet; without it the rate of this machine is measured.",
            HelpName = "N",
        };
        var efficiency = new Option<double?>("--efficiency") { Description = $"Share of the rate that a step reaches; without it {Number(TrainingPlan.MeasuredEfficiency)} of a measured rate, {Number(TrainingPlan.GivenEfficiency)} of --tflops.", HelpName = "SHARE" };
        var devices = new Option<int>("--devices")
        {
            Description = "Devices that train together, one process each.",
            DefaultValueFactory = _ => 1,
            HelpName = "N",
        };
        var samples = new Option<int?>("--samples")
        {
            Description = "Samples of the training split; without it those of the prepared data, if they are there.",
            HelpName = "N",
        };
        var json = new Option<bool>("--json") { Description = "Print JSON instead of the table." };
        var command = new Command("plan", "Predict memory and time of a stage, and suggest the settings that fit a device. Needs no weights.")
        {
            memory, stage, teraflops, efficiency, devices, samples, json,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            var request = new PlanRequest(
                parsed.GetValue(stage), Size(parsed.GetRequiredValue(memory)), Positive(parsed.GetValue(devices), "--devices"),
                    Within(parsed.GetValue(teraflops), "--tflops", 1e6),
                Within(parsed.GetValue(efficiency), "--efficiency", 1),
                    parsed.GetValue(samples) is { } count ? Positive(count, "--samples") : null);
            var read = configuration.Read(parsed);
            _ = read.Stage(request.Stage);
            ComputeThreads.Set(read, new SingleProcess());
            var plan = new TrainingPlan(read, request);
            var suggested = plan.Suggest();
            var configured = plan.Plan(plan.Configured);
            var settings = Settings(read, request, plan, suggested.Choice);
            if (parsed.GetValue(json)) PrintJson(plan, request, configured, suggested, settings);
            else Print(read, plan, request, configured, suggested, settings);
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>Bytes of a size with its unit.</summary>
    /// <exception cref="InputException">It has no unit, or is none.</exception>
    internal static long Size(string text)
    {
        var match = SizePattern().Match(text);
        if (!match.Success || !double.TryParse(match.Groups[1].Value, CultureInfo.InvariantCulture, out var number)
            || number is <= 0 or > 1e6)
            throw new InputException($"--device-memory {text}: give a positive number with its unit, as in 48GB, 24GiB or 900MB.");
        var step = match.Groups[3].Length > 0 ? 1024.0 : 1000;
        return (long)(number * Math.Pow(step, 2 + "MGT".IndexOf(char.ToUpperInvariant(match.Groups[2].Value[0]))));
    }

    private static int Positive(int value, string option) =>
        value >= 1 ? value : throw new InputException($"{option} {value}: give a whole number from 1 on.");

    private static double? Within(double? value, string option, double most) => value is null || (value > 0 && value <= most)
        ? value
        : throw new InputException(string.Create(
            CultureInfo.InvariantCulture, $"{option} {value}: give a number above 0, at most {most}."));

    /// <summary>What must be set for a choice, as arguments; empty when nothing must.</summary>
    private static string Settings(PfmvgConfiguration configuration, PlanRequest request, TrainingPlan plan, PlanChoice choice)
    {
        var stage = configuration.Stage(request.Stage);
        var prefix = $"stage{request.Stage}.";
        List<string> changed = [];
        if (choice.Batch != stage.BatchSize) changed.Add($"{prefix}batch_size={choice.Batch}");
        if (choice.Accumulate != stage.Accumulate) changed.Add($"{prefix}accumulate={choice.Accumulate}");
        if (choice.Recompute != stage.Recompute && (plan.IsCpu || !choice.Quantized))
            changed.Add($"{prefix}recompute={(choice.Recompute ? "true" : "false")}");
        if (choice.Precision != configuration.Precision) changed.Add($"precision={choice.Precision.ToString().ToLowerInvariant()}");
        if (choice.Quantized != configuration.Model.Language.Quantized) changed.Add("model.language.quantized=true");
        return string.Join(' ', changed.Select(setting => $"--set {setting}"));
    }

    private static void Print(PfmvgConfiguration configuration, TrainingPlan plan, PlanRequest request, PlannedChoice configured,
        PlannedChoice suggested, string settings)
    {
        PlannedChoice[] both = [configured, suggested];
        var types = both.SelectMany(choice => choice.Memory.Frozen.Keys).Distinct();
        List<IReadOnlyList<string>> rows =
        [
            Row("micro-batch x accumulate", c => $"{c.Choice.Batch} x {c.Choice.Accumulate}"),
            Row("recompute", c => c.Choice.Recompute ? "yes" : "no"),
            Row("precision", c => $"{c.Choice.Precision.ToString().ToLowerInvariant()}{(c.Choice.Quantized ? ", int8" : "")}"),
            .. types.Select(type => Row($"frozen weights, {type}", c => Bytes(c.Memory.Frozen.GetValueOrDefault(type)))),
            Row("trained weights, float32", c => Bytes(c.Memory.Trained)),
            Row("gradients", c => Bytes(c.Memory.Gradients)),
            Row("AdamW's moments", c => Bytes(c.Memory.Moments)),
            Row("exchange buffer", c => Bytes(c.Memory.Exchange)),
            Row("working memory, the most of:", c => Bytes(c.Memory.Working)),
            Row("  decoder and loss", c => Bytes(Decoder(c.Choice, c.Choice.Recompute))),
            Row("  the same without recomputation", c => c.Choice.Quantized && !plan.IsCpu ? "-" : Bytes(Decoder(c.Choice, false))),
            Row("  the same with recomputation", c => Bytes(Decoder(c.Choice, true))),
            Row("  vision tower", c => Bytes(plan.Of(c.Choice).Vision(plan.KeepsFeatures ? 1 : c.Choice.Batch))),
            Row("  answers of the validation", c => plan.Validates
                ? Bytes(plan.Answering(c.Choice).Cache + plan.Answering(c.Choice).Working) : "-"),
            Row("allocator", c => Bytes(c.Memory.Allocator)),
            Row("process", c => Bytes(c.Memory.Process)),
            Row("peak in training", c => Bytes(c.Memory.Peak)),
            Row("kept per position, without / with recomputation",
                c => $"{Bytes(plan.Of(c.Choice).KeptPerPosition(false))} / {Bytes(plan.Of(c.Choice).KeptPerPosition(true))}"),
            Row("keys and values in evaluation", c => Bytes(plan.Answering(c.Choice).Cache)),
            Row("working memory in evaluation", c => Bytes(plan.Answering(c.Choice).Working)),
            Row("work of a step", c => $"{Number(c.Time.StepFlop / 1e12)} TFLOP"),
            Row("rate of a device", c => $"{Number(c.Time.Flops / 1e12)} TFLOP/s"),
            Row("a step", c => $"{Number(c.Time.StepSeconds)} s"),
            Row("an epoch", c => c.Time.EpochSeconds is { } seconds ? Units.Duration(TimeSpan.FromSeconds(seconds)) : "-"),
            Row("the stage", c => c.Time.EpochSeconds is { } seconds
                ? Units.Duration(TimeSpan.FromSeconds(seconds * configuration.Stage(request.Stage).Epochs)) : "-"),
        ];
        var fits = configured.Memory.Peak <= request.DeviceMemory;
        GridPrinter.Print(new TextGrid($"Stage {request.Stage} of {configuration.Name} on {request.Devices} x {Bytes(request.DeviceMemory)}", ["", "configured", "suggested"], rows,
        [
            $"As configured it {(fits ? "fits" : $"does not fit: {Bytes(configured.Memory.Peak - request.DeviceMemory)} too much")}.",
            settings.Length > 0 ? $"Suggested: {settings}" : "Suggested: the configuration as it is.",
            .. Assumptions(plan, request, suggested),
        ]));

        IReadOnlyList<string> Row(string name, Func<PlannedChoice, string> of) => [name, .. both.Select(of)];

        long Decoder(PlanChoice choice, bool recompute) =>
            plan.Of(choice).Training(choice.Batch, plan.LongestPositions, plan.LongestAnswers, recompute);
    }

    private static IEnumerable<string> Assumptions(TrainingPlan plan, PlanRequest request, PlannedChoice suggested)
    {
        yield return $"A sample has {plan.Positions} positions for time, {plan.LongestPositions} for memory: {plan.Sizes.VisualTokens} of the picture, {plan.Positions - plan.Sizes.VisualTokens - plan.Answers} of the prompt, {plan.Answers} to {plan.LongestAnswers} of the answer; the vocabulary has {plan.Vocabulary} tokens.";
        yield return plan.Samples is { } samples
            ? $"The training split has {samples} samples{(request.Samples is null ? ", as prepared" : "")}."
            : "No data are prepared and --samples is not given, so there is no time of an epoch.";
        yield return plan.KeepsFeatures ? "The vision tower's features are kept: the first epoch takes longer, by their computation."
            : "The vision tower encodes every picture in every epoch.";
        yield return request.Teraflops is null
            ? $"The rate is that of plain products of the model's shape, measured here just now; a step reaches {Number(plan.Efficiency)} of it, and the rest of it waits for memory ({Number(suggested.Time.StepBytes / 1e9)} GB)."
            : $"A step is assumed to reach {Number(plan.Efficiency)} of the given rate.";
        yield return plan.IsCpu
            ? "The allocator's share and the process are as measured on Linux with glibc; see docs/performance.md."
            : "The allocator's share and the process are assumptions; no GPU was measured. The exchange buffer is in the host's memory.";
        yield return "Not counted: validation, loading, communication between devices.";
    }

    private static void PrintJson(TrainingPlan plan, PlanRequest request, PlannedChoice configured, PlannedChoice suggested,
        string settings)
    {
        Terminal.Standard.Print(JsonSerializer.Serialize(new
        {
            request, plan.Positions, plan.LongestPositions, plan.Samples, plan.Efficiency, Configured = Of(configured),
                Suggested = Of(suggested), settings, assumptions = Assumptions(plan, request, suggested),
        }, Json) + "\n");

        object Of(PlannedChoice choice) => new
        {
            choice.Choice, choice.Memory, choice.Time, kept_per_position = plan.Of(choice.Choice).KeptPerPosition(choice.Choice.Recompute),
            evaluation_cache = plan.Answering(choice.Choice).Cache, evaluation_working = plan.Answering(choice.Choice).Working,
        };
    }

    private static string Bytes(long bytes) =>
        bytes >= 1_000_000_000 ? $"{Number(bytes / 1e9)} GB" : bytes >= 1_000_000 ? $"{Number(bytes / 1e6)} MB"
        : $"{Number(bytes / 1e3)} kB";

    private static string Number(double value) =>
        value.ToString(value >= 100 ? "f0" : value >= 10 ? "f1" : "g3", CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^([0-9.]+) ?([MGT])(i)?B$", RegexOptions.IgnoreCase)] private static partial Regex SizePattern();
}
