using System.Globalization;
using Pfmvg.Data.Preparation;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tensors;

namespace Pfmvg.Cli.Output;

/// <summary>Shows on the console how a session goes: a live line on a terminal, plain lines now and then elsewhere.</summary>
internal sealed class TerminalDisplay : ISessionDisplay, IProgress<PhantomProgress>, IDisposable
{
    private const int PhantomsBetweenUpdates = 20;

    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(200);

    private static readonly TimeSpan BetweenLines = TimeSpan.FromSeconds(15); // in a file

    private readonly Lock _gate = new();
    private readonly ProgressLines _answers = new(TimeProvider.System), _export = new(TimeProvider.System);
    private readonly ProgressLines _drawing = new(TimeProvider.System);
    private readonly ProgressLines _validation = new(TimeProvider.System, tenths: false); // once an epoch
    private int _drawn;
    private DateTime _shown = DateTime.MinValue;

    public void Tell(string line) => Terminal.Standard.Message(line);

    public void Stepped(string part, int every, StepReport report)
    {
        var step = report.Entry;
        if (step.Skipped is { } wrong) Terminal.Standard.Message($"{part}  step {step.Step} skipped: {wrong}");
        var last = step.Step == report.TotalSteps;
        if (!Terminal.Standard.IsLive)
        {
            if (last || step.Step == 1 || step.Step % every == 0) Terminal.Standard.Message(Line(part, report));
        }
        else if (last)
        {
            Terminal.Standard.Live("");
            Terminal.Standard.Message(Line(part, report));
        }
        else if (DateTime.UtcNow - _shown >= Refresh)
        {
            _shown = DateTime.UtcNow;
            Terminal.Standard.Live(Line(part, report));
        }
    }

    public void Answered(int done, int all)
    {
        if (Terminal.Standard.IsLive) Terminal.Standard.Live(done == all ? "" : $"answering  {done}/{all} phrases");
        else if (all > 1 && _answers.IsDue(done, all)) Terminal.Standard.Message($"answering  {done} of {all} phrases");
    }

    public void Validated(string what, int done, int all)
    {
        if (Terminal.Standard.IsLive) Terminal.Standard.Live(done == all ? "" : $"validating  {done}/{all} {what}");
        else if (_validation.IsDue(done, all)) Terminal.Standard.Message($"validating  {done} of {all} {what}");
    }

    public void Asked(int done, int all, string note)
    {
        if (Terminal.Standard.IsLive) Terminal.Standard.Live(done == all ? "" : $"asking  {done}/{all} phrases{note}");
        else if (done == all || DateTime.UtcNow - _shown >= BetweenLines)
        {
            _shown = DateTime.UtcNow;
            Terminal.Standard.Message($"asked  {done}/{all} phrases{note}");
        }
    }

    public void Exported(long done, long all)
    {
        var text = $"writing  {Units.DecimalBytes(done)} of {Units.DecimalBytes(all)}";
        if (!Terminal.Standard.IsLive)
        {
            if (_export.IsDue(done, all)) Terminal.Standard.Message(text);
            return;
        }

        if (done < all && DateTime.UtcNow - _shown < Refresh) return;
        _shown = DateTime.UtcNow;
        Terminal.Standard.Live(done == all ? "" : text);
    }

    public void Drawn(PhantomProgress progress)
    {
        lock (_gate)
        {
            var (done, total) = (progress.Done, progress.Total);
            if (done <= _drawn || done < total && done % PhantomsBetweenUpdates != 0) return;
            _drawn = done < total ? done : 0; // the next study starts anew
            if (Terminal.Standard.IsLive) Terminal.Standard.Live(done == total ? "" : $"drawing {done}/{total}");
            else if (_drawing.IsDue(done, total)) Terminal.Standard.Message($"drawing  {done} of {total} pictures");
        }
    }

    void IProgress<PhantomProgress>.Report(PhantomProgress value) => Drawn(value);

    /// <summary>Removes the live line.</summary>
    public void Dispose() => Terminal.Standard.Live("");

    private static string Line(string part, StepReport report)
    {
        var step = report.Entry;
        return string.Create(CultureInfo.InvariantCulture,
            $"{part}  step {step.Step}/{report.TotalSteps}  epoch {step.Epoch}  loss {step.Loss:f4}  lr {step.LearningRate:0.00e-0}  "
            + $"{report.SamplesPerSecond:f1} samples/s  {report.TokensPerSecond:f0} tokens/s  "
            + $"left {Units.Duration(report.Remaining)}  memory {Units.Bytes(ProcessMemory.Resident)}")
            + (GpuMemory.Note() is { } used ? $"  GPU {Units.Bytes(used)}" : "");
    }
}

/// <summary>Shows how many samples a data command has read: a live line on a terminal, a line now and then elsewhere.</summary>
internal sealed class DataProgress : IProgress<PrepareProgress>
{
    private const long Between = 20_000; // how many there will be is known only at the end of a list

    private readonly ProgressLines _lines = new(TimeProvider.System, tenths: false);
    private long _next = Between;

    public void Report(PrepareProgress value)
    {
        var text = $"{value.Source}: {Units.Count(value.Done)} samples";
        if (Terminal.Standard.IsLive) Terminal.Standard.Live(text);
        else if (_lines.IsDue(value.Done, 0) | value.Done >= _next | value.IsLast)
        {
            Terminal.Standard.Message(text);
            _next = value.IsLast ? Between : value.Done + Between;
        }
    }
}
