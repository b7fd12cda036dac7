using System.Text.Json;
using Pfmvg.Configuration;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Planning;
using Pfmvg.Training.Footprint;

namespace Pfmvg.Cli.Output;

/// <summary>Prints a plan: the configured and the suggested settings side by side, and what was assumed.</summary>
internal sealed class PlanPrinter
{
    private readonly PfmvgConfiguration _configuration;
    private readonly PlanRequest _request;
    private readonly TrainingPlan _plan;
    private readonly PlannedChoice _configured, _suggested;

    public PlanPrinter(PfmvgConfiguration configuration, PlanRequest request)
    {
        (_configuration, _request, _plan) = (configuration, request, new TrainingPlan(configuration, request));
        _suggested = _plan.Suggest();
        _configured = _plan.Plan(_plan.Configured);
    }

    /// <summary>Prints the table.</summary>
    public void PrintTable()
    {
        PlannedChoice[] both = [_configured, _suggested];
        var types = both.SelectMany(choice => choice.Memory.Frozen.Keys).Distinct();
        List<IReadOnlyList<string>> rows =
        [
            Row("micro-batch x accumulate", c => $"{c.Choice.Batch} x {c.Choice.Accumulate}"),
            Row("recompute", c => c.Choice.Recompute ? "yes" : "no"),
            Row("precision", c => $"{c.Choice.Precision.ToString().ToLowerInvariant()}{(c.Choice.Quantized ? ", int8" : "")}"),
            .. types.Select(type => Bytes($"frozen weights, {type}", c => c.Memory.Frozen.GetValueOrDefault(type))),
            Bytes("trained weights, float32", c => c.Memory.Trained),
            Bytes("gradients", c => c.Memory.Gradients),
            Bytes("AdamW's moments", c => c.Memory.Moments),
            Bytes("exchange buffer", c => c.Memory.Exchange),
            Bytes("working memory, the most of:", c => c.Memory.Working),
            Bytes("  decoder and loss", c => _plan.Stage.Decoder(c.Choice, c.Choice.Recompute)),
            Bytes("  the same without recomputation",
                c => c.Choice.Quantized && !_plan.IsCpu ? null : _plan.Stage.Decoder(c.Choice, false)),
            Bytes("  the same with recomputation", c => _plan.Stage.Decoder(c.Choice, true)),
            Bytes("  vision tower", c => _plan.Stage.Vision(c.Choice)),
            Bytes("  answers of the validation",
                c => _plan.Stage.Validates ? _plan.Stage.Answering(c.Choice).Cache + _plan.Stage.Answering(c.Choice).Working : null),
            Bytes("allocator", c => c.Memory.Allocator),
            Bytes("process", c => c.Memory.Process),
            Bytes("decoded pictures, at most", c => c.Memory.Pictures),
            Bytes("peak in training", c => c.Memory.Peak),
            Row("kept per position, without / with recomputation", c => $"{Kept(c.Choice, false)} / {Kept(c.Choice, true)}"),
            Bytes("keys and values in evaluation", c => _plan.Stage.Answering(c.Choice).Cache),
            Bytes("working memory in evaluation", c => _plan.Stage.Answering(c.Choice).Working),
            Row("work of a step", c => $"{Units.Number(c.Time.StepFlop / 1e12)} TFLOP"),
            Row("rate of a device", c => $"{Units.Number(c.Time.Flops / 1e12)} TFLOP/s"),
            Row("a step", c => $"{Units.Number(c.Time.StepSeconds)} s"),
            Row("an epoch", c => Duration(c.Time.EpochSeconds)),
            Row("the stage", c => Duration(c.Time.EpochSeconds * _configuration.Stage(_request.Stage).Epochs)),
        ];
        var excess = _configured.Memory.Peak - _request.DeviceMemory;
        var settings = Settings();
        var title = $"Stage {_request.Stage} of {_configuration.Name} on {_request.Devices} x {Units.DecimalBytes(_request.DeviceMemory)}";
        GridPrinter.Print(new TextGrid(title, ["", "configured", "suggested"], rows,
        [
            $"As configured it {(excess <= 0 ? "fits" : $"does not fit: {Units.DecimalBytes(excess)} too much")}.",
            settings.Length > 0 ? $"Suggested: {settings}" : "Suggested: the configuration as it is.",
            .. Assumptions(),
        ]));

        IReadOnlyList<string> Row(string name, Func<PlannedChoice, string> cell) => [name, .. both.Select(cell)];

        IReadOnlyList<string> Bytes(string name, Func<PlannedChoice, long?> bytes) =>
            Row(name, c => bytes(c) is { } count ? Units.DecimalBytes(count) : "-");

        string Kept(PlanChoice choice, bool recompute) => Units.DecimalBytes(_plan.Stage.Model(choice).KeptPerPosition(recompute));

        static string Duration(double? seconds) => seconds is { } known ? Units.Duration(TimeSpan.FromSeconds(known)) : "-";
    }

    /// <summary>Prints the same as JSON.</summary>
    public void PrintJson()
    {
        Terminal.Standard.Print(JsonSerializer.Serialize(new
        {
            request = _request,
            _plan.Stage.Positions,
            _plan.Stage.LongestPositions,
            _plan.Samples,
            _plan.Efficiency,
            Configured = Describe(_configured),
            Suggested = Describe(_suggested),
            settings = Settings(),
            assumptions = Assumptions(),
        }, JsonOutput.Indented) + "\n");

        object Describe(PlannedChoice choice) => new
        {
            choice.Choice,
            choice.Memory,
            choice.Time,
            kept_per_position = _plan.Stage.Model(choice.Choice).KeptPerPosition(choice.Choice.Recompute),
            evaluation_cache = _plan.Stage.Answering(choice.Choice).Cache,
            evaluation_working = _plan.Stage.Answering(choice.Choice).Working,
        };
    }

    /// <summary>The settings that lead to the suggestion, as arguments; empty when the configuration does already.</summary>
    private string Settings()
    {
        var (choice, stage, prefix) = (_suggested.Choice, _configuration.Stage(_request.Stage), $"stage{_request.Stage}.");
        List<string> changed = [];
        if (choice.Batch != stage.BatchSize) changed.Add($"{prefix}batch_size={choice.Batch}");
        if (choice.Accumulate != stage.Accumulate) changed.Add($"{prefix}accumulate={choice.Accumulate}");
        if (choice.Recompute != _configured.Choice.Recompute && (_plan.IsCpu || !choice.Quantized))
            changed.Add($"{prefix}recompute={(choice.Recompute ? "true" : "false")}");
        if (choice.Precision != _configuration.Precision) changed.Add($"precision={choice.Precision.ToString().ToLowerInvariant()}");
        if (choice.Quantized != _configuration.Model.Language.Quantized) changed.Add("model.language.quantized=true");
        return string.Join(' ', changed.Select(setting => $"--set {setting}"));
    }

    private IEnumerable<string> Assumptions()
    {
        var stage = _plan.Stage;
        var picture = stage.Sizes.VisualTokens;
        yield return $"A sample has {stage.Positions} positions for time, {stage.LongestPositions} for memory: {picture} of the picture, "
            + $"{stage.Positions - picture - stage.Answers} of the prompt, {stage.Answers} to {stage.LongestAnswers} of the answer; "
            + $"the vocabulary has {stage.Sizes.Language.VocabularySize} tokens.";
        yield return _plan.Samples is { } samples
            ? $"An epoch has {samples} samples{(_request.Samples is null ? ", by the prepared data and the settings" : "")}."
            : "No data are prepared and --samples is not given, so there is no time of an epoch.";
        yield return _plan.Stage.KeepsFeatures ? "The vision tower's features are kept: the first epoch takes longer, by their computation."
            : "The vision tower encodes every picture in every epoch.";
        yield return _request.Teraflops is null
            ? $"The rate is that of plain products of the model's shape, measured here just now; a step reaches "
                + $"{Units.Number(_plan.Efficiency)} of it, and waits for memory in addition "
                + $"({Units.Number(_suggested.Time.StepBytes / 1e9)} GB)."
            : $"A step is assumed to reach {Units.Number(_plan.Efficiency)} of the given rate.";
        yield return _plan.IsCpu
            ? "The allocator's share and the process are as measured on Linux with glibc; see docs/performance.md."
            : "The allocator's share and the process are assumptions; no GPU was measured. The exchange buffer is in the host's memory.";
        yield return "Not counted: validation, loading, communication between devices.";
    }
}
