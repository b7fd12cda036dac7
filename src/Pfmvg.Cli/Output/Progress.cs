using System.Globalization;
using Pfmvg.Data.Preparation;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Output;

/// <summary>Shows the progress of a training: a live line on a terminal, otherwise a plain line every few steps.</summary>
/// <param name="title">What is trained, for example "stage 1".</param>
/// <param name="every">Steps between plain lines.</param>
internal sealed class Progress(string title, int every) : IProgress<StepReport>, IDisposable
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(200);

    private DateTime _shown = DateTime.MinValue;

    public void Report(StepReport value)
    {
        if (value.Entry.Skipped is { } wrong) Terminal.Standard.Message($"{title}  step {value.Entry.Step} skipped: {wrong}");
        var last = value.Entry.Step == value.TotalSteps;
        if (!Terminal.Standard.IsLive)
        {
            if (last || value.Entry.Step == 1 || value.Entry.Step % every == 0) Terminal.Standard.Message(Line(value));
        }
        else if (last)
        {
            Terminal.Standard.Live("");
            Terminal.Standard.Message(Line(value));
        }
        else if (DateTime.UtcNow - _shown >= Refresh)
        {
            _shown = DateTime.UtcNow;
            Terminal.Standard.Live(Line(value));
        }
    }

    public void Dispose() => Terminal.Standard.Live("");

    private string Line(StepReport report)
    {
        var step = report.Entry;
        return string.Create(CultureInfo.InvariantCulture,
            $"{title}  step {step.Step}/{report.TotalSteps}  epoch {step.Epoch}  loss {step.Loss:f4}  lr {step.LearningRate:0.00e-0}  "
            + $"{report.SamplesPerSecond:f1} samples/s  {report.TokensPerSecond:f0} tokens/s  "
            + $"left {Units.Duration(report.Remaining)}  memory {Units.Bytes(ProcessMemory.Resident)}");
    }
}

/// <summary>Shows on a terminal how many phantoms are drawn; the drawing threads report in any order.</summary>
internal sealed class DrawingProgress : IProgress<PhantomProgress>
{
    private readonly Lock _gate = new();
    private int _shown;

    public void Report(PhantomProgress value)
    {
        lock (_gate)
        {
            if (value.Done <= _shown || value.Done < value.Total && value.Done % 20 != 0) return;
            _shown = value.Done;
            Terminal.Standard.Live(value.Done == value.Total ? "" : $"drawing {value.Done}/{value.Total}");
        }
    }
}

/// <summary>Shows on a terminal how many samples a data command has read.</summary>
internal sealed class DataProgress : IProgress<PrepareProgress>
{
    public void Report(PrepareProgress value) => Terminal.Standard.Live($"{value.Source}: {Units.Count(value.Done)} samples");
}
