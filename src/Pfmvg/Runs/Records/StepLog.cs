using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Pfmvg.Training;

namespace Pfmvg.Runs.Records;

/// <summary>
/// Notes every step of a run in log.jsonl and for TensorBoard, and reports how fast it goes. Each line is
/// handed to the operating system at once, so that a killed process has written all it did.
/// </summary>
internal sealed class StepLog : IDisposable
{
    private const int Window = 50;

    private readonly StreamWriter _lines;
    private readonly EventFile _events;
    private readonly Action<StepReport>? _watcher;
    private readonly long _totalSteps;
    private readonly Queue<StepEntry> _recent = new();

    /// <summary>Opens the log of a run folder.</summary>
    /// <param name="folder">The run folder.</param>
    /// <param name="totalSteps">Steps of the whole stage.</param>
    /// <param name="stepsDone">Steps that a checkpoint holds; what an earlier session logged beyond them is dropped. 0
    /// starts a new log.</param>
    /// <param name="watcher">Gets every step with its speed; may be null.</param>
    public StepLog(RunFolder folder, long totalSteps, long stepsDone = 0, Action<StepReport>? watcher = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        (_totalSteps, _watcher) = (totalSteps, watcher);
        KeepUpTo(folder.LogPath, stepsDone);
        _lines = new StreamWriter(new FileStream(folder.LogPath, FileMode.Append, FileAccess.Write, FileShare.Read)) { AutoFlush = true,
            NewLine = "\n" };
        _events = new EventFile(folder.Path, stepsDone + 1);
    }

    /// <summary>Notes a step.</summary>
    public void Add(StepEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        var line = new JsonObject
        {
            ["kind"] = "step", ["step"] = entry.Step, ["epoch"] = entry.Epoch, ["loss"] = Number(entry.Loss), ["lr"] = entry.LearningRate,
            ["samples"] = entry.Samples, ["tokens"] = entry.Tokens, ["seconds"] = Math.Round(entry.Seconds, 6),
        };
        var values = new Dictionary<string, double> { ["train/loss"] = entry.Loss, ["train/lr"] = entry.LearningRate };
        if (entry.GradientNorm is { } norm)
        {
            line["gradient_norm"] = Number(norm);
            values["train/gradient_norm"] = norm;
        }

        _recent.Enqueue(entry);
        if (_recent.Count > Window) _recent.Dequeue();
        var seconds = Math.Max(_recent.Sum(step => step.Seconds), 1e-9);
        var report = new StepReport(
            entry, _totalSteps, _recent.Sum(step => step.Samples) / seconds, _recent.Sum(step => (long)step.Tokens) / seconds,
            TimeSpan.FromSeconds(seconds / _recent.Count * Math.Max(_totalSteps - entry.Step, 0)));
        values["speed/samples_per_second"] = report.SamplesPerSecond;
        values["speed/tokens_per_second"] = report.TokensPerSecond;

        _lines.WriteLine(line.ToJsonString());
        if (entry.Skipped is { } wrong) Note(entry.Step, entry.Epoch, $"step skipped: {wrong}");
        _events.Add(entry.Step, values);
        _watcher?.Invoke(report);
    }

    /// <summary>Notes figures after a step, for example the scores of a validation.</summary>
    /// <param name="kind">What they are: "validation".</param>
    /// <param name="step">The step after which they hold.</param>
    /// <param name="epoch">Its epoch.</param>
    /// <param name="figures">The figures by name.</param>
    public void Add(string kind, long step, int epoch, IReadOnlyDictionary<string, double> figures)
    {
        ArgumentNullException.ThrowIfNull(figures);
        var line = new JsonObject { ["kind"] = kind, ["step"] = step, ["epoch"] = epoch };
        foreach (var (name, value) in figures) line[name] = Number(value);
        _lines.WriteLine(line.ToJsonString());
        _events.Add(step, figures.Select(figure => KeyValuePair.Create($"{kind}/{figure.Key}", figure.Value)));
    }

    /// <summary>Notes an event in words, for example a step that was skipped. No patient text.</summary>
    public void Note(long step, int epoch, string text) =>
        _lines.WriteLine(new JsonObject { ["kind"] = "note", ["step"] = step, ["epoch"] = epoch, ["text"] = text }.ToJsonString());

    /// <summary>The lines of a log.jsonl; none where there is no such file. A torn last line is left out.</summary>
    /// <exception cref="InputException">Another line is no JSON object.</exception>
    public static IEnumerable<JsonInput> Read(string path)
    {
        if (!File.Exists(path)) return [];
        var bytes = ReadWhole(path);
        var last = bytes.AsSpan().LastIndexOf((byte)'\n') + 1;
        using var whole = JsonText.Parse(bytes.AsMemory(last), out _); // a killed process may leave half a line
        return JsonInput.Lines(new MemoryStream(bytes, 0, whole is null ? last : bytes.Length), path, "put the line right, or remove it")
            .Select(Checked);

        static byte[] ReadWhole(string path)
        {
            try
            {
                return InputFile.ReadBytes(path, InputFile.MostLines);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                throw FileFault.At(path, failure);
            }
        }

        static JsonInput Checked(JsonInput line)
        {
            _ = (line.Text("kind"), line.Count("step")); // refuse what is neither
            return line;
        }
    }

    /// <summary>A figure of a line; null where it is none, as one that is not finite, which is a text.</summary>
    public static double? Figure(JsonInput line, string name) =>
        line.Find(name) is { ValueKind: JsonValueKind.Number } number ? number.GetDouble() : null;

    /// <summary>The loss of the last step that was not skipped; NaN where there is none.</summary>
    public static double LastLoss(string path) => Read(path)
        .Where(line => line.Text("kind") == "step" && Figure(line, "gradient_norm") is not null)
        .Select(line => Figure(line, "loss") ?? double.NaN).LastOrDefault(double.NaN);

    /// <inheritdoc/>
    public void Dispose()
    {
        _lines.Dispose();
        _events.Dispose();
    }

    // JSON has no NaN; a reader must still see that the loss was one.
    private static JsonNode Number(double value) =>
        double.IsFinite(value) ? JsonValue.Create(value) : value.ToString(CultureInfo.InvariantCulture);

    private static void KeepUpTo(string path, long stepsDone)
    {
        if (!File.Exists(path)) return;
        AtomicFile.Write(path, stream =>
        {
            using var kept = new StreamWriter(stream, leaveOpen: true) { NewLine = "\n" };
            if (stepsDone == 0) return; // the log starts anew
            foreach (var line in Read(path).Where(line => line.Count("step") <= stepsDone)) kept.WriteLine(line.Element.GetRawText());
        });
    }
}

/// <summary>A step and how the run goes.</summary>
/// <param name="Entry">The step.</param>
/// <param name="TotalSteps">Steps of the whole stage.</param>
/// <param name="SamplesPerSecond">Over the last steps.</param>
/// <param name="TokensPerSecond">Over the last steps.</param>
/// <param name="Remaining">Time to the end of the stage at this speed.</param>
public sealed record StepReport(StepEntry Entry, long TotalSteps, double SamplesPerSecond, double TokensPerSecond, TimeSpan Remaining);
