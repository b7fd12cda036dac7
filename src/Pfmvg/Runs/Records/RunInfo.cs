using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Pfmvg.Models.Kernels;
using Pfmvg.Tensors;
using TorchSharp;

namespace Pfmvg.Runs.Records;

/// <summary>What a part of a run was and how it went, as run.json holds it: enough to describe and to repeat it.</summary>
public sealed record RunInfo
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        RespectNullableAnnotations = true,
        WriteIndented = true,
    };

    private const double MostSeconds = 1e11; // a TimeSpan has room for nine times as many

    /// <summary>How the part went; <see cref="RunStatus.Running"/> is also what a killed process leaves.</summary>
    public RunStatus Status { get; init; }

    /// <summary>When it was started or last continued.</summary>
    public DateTimeOffset Started { get; init; }

    /// <summary>When it ended.</summary>
    public DateTimeOffset? Ended { get; init; }

    /// <summary>Compute time of all its sessions, in seconds.</summary>
    public double Seconds { get; init; }

    /// <summary>The command line.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>Processes that computed together.</summary>
    public int Ranks { get; init; } = 1;

    /// <summary>Versions of the program, the runtime and the libraries, and the machine.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary><see cref="From"/> of a training that starts from the base weights alone.</summary>
    internal const string Base = "base";

    /// <summary>The trained tensors that a training starts from, or "base"; null where it was not noted.</summary>
    public string? From { get; init; }

    /// <summary>The trained tensors that an evaluation asked or a training began with; null for the base weights alone.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public UsedCheckpoint? Model { get; init; }

    /// <summary>Samples of an optimizer step over all processes; null where it was not noted.</summary>
    public long? SamplesPerStep { get; init; }

    /// <summary>Base weights, with their hashes.</summary>
    public IReadOnlyList<RunFile> Weights { get; init; } = [];

    /// <summary>Prepared data, with their hashes.</summary>
    public IReadOnlyList<RunFile> Data { get; init; } = [];

    /// <summary>Pictures of these data were drawn by a program: the data say so, not the settings.</summary>
    public bool Synthetic { get; init; }

    /// <summary>The rule by which DICOM pictures among the samples became gray, as `data.dicom`; null where there were none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public string? Dicom { get; init; }

    /// <summary>
    /// Whether a training computes activations again in the backward pass, as `recompute` says or chose; null where it is not our model's.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] public bool? Recompute { get; init; }

    /// <summary>Counts by name: parameters, trainable parameters, samples.</summary>
    public IReadOnlyDictionary<string, long> Counts { get; init; } = new Dictionary<string, long>();

    /// <summary>Optimizer steps done.</summary>
    public long Step { get; init; }

    /// <summary>Optimizer steps of the whole part.</summary>
    public long Steps { get; init; }

    /// <summary>The checkpoint that the part ended with, relative to its folder.</summary>
    public string? Result { get; init; }

    /// <summary>The best checkpoint by validation; null where there was no validation.</summary>
    public BestCheckpoint? Best { get; init; }

    /// <summary>How often an earlier session of it was continued.</summary>
    public int Resumed { get; init; }

    /// <summary>Figures by name: last loss, best validation score, peak memory.</summary>
    public IReadOnlyDictionary<string, double> Figures { get; init; } = new Dictionary<string, double>();

    /// <summary>Why it ended before its end.</summary>
    public string? Message { get; init; }

    /// <summary>Reads a run.json.</summary>
    /// <exception cref="InputException">It cannot be read or is none.</exception>
    public static RunInfo Read(string path)
    {
        var file = JsonInput.File(path, "put it right, or move the run's folder away", InputFile.MostText).Object();
        var info = file.Read<RunInfo>(Json);
        foreach (var (name, value) in ((string, double)[])[("seconds", info.Seconds), ("ranks", info.Ranks), ("step", info.Step),
            ("steps", info.Steps), ("resumed", info.Resumed), ("samples_per_step", info.SamplesPerStep ?? 0),
            .. info.Weights.Concat(info.Data).Select(noted => ("bytes", (double)noted.Bytes))])
            if (value is not >= 0 || name == "seconds" && value > MostSeconds)
                throw file.Wrong(FormattableString.Invariant($"'{name}' is {value}, which is impossible"));
        if (info.Weights.Concat(info.Data).Any(noted => noted is { Path: null } or { Sha256: null })
            || info.Best is { Checkpoint: null } or { Measure: null } || info.Model is { Choice: null } or { Path: null })
            throw file.Wrong("a field is missing in 'weights', 'data', 'best' or 'model'"); // of a constructor, null and not refused
        return info.Environment.FirstOrDefault(fact => fact.Value is null).Key is { } empty
            ? throw file.Wrong($"'environment.{OtherFile.Printable(empty)}' is null") : info;
    }

    /// <summary>Writes run.json: the old one or the new one, whole.</summary>
    public void Write(string path) => AtomicFile.WriteText(path, JsonSerializer.Serialize(this, Json) + "\n");

    /// <summary>The end, or the state, in a few words.</summary>
    /// <param name="inUse">Whether a process writes the folder now: only then a run is running. Null where nobody may look.</param>
    public string Describe(bool? inUse)
    {
        var steps = Steps > 0 ? string.Create(CultureInfo.InvariantCulture, $" at step {Step} of {Steps}") : "";
        var resumed = Resumed switch { 0 => "", 1 => ", resumed once", _ => $", resumed {Resumed} times" };
        var why = Message is null ? "" : $": {Message}";
        return Status switch
        {
            RunStatus.Running when inUse is null => $"running or killed (in use: unknown){steps}{resumed}",
            RunStatus.Running when inUse is true => $"running{steps}{resumed}",
            RunStatus.Running => $"killed{steps}{resumed}",
            RunStatus.Finished => string.Create(CultureInfo.InvariantCulture, $"finished {Ended:yyyy-MM-dd HH:mm}{resumed}{why}"),
            _ => $"{(Status == RunStatus.Interrupted ? "interrupted" : "failed")}{steps}{resumed}{why}",
        };
    }

    /// <summary>The same, with the way in which tokens were computed when phrases were answered.</summary>
    public RunInfo WithDecoding(string way) => With("decoding", way);

    /// <summary>The same, with what summed the gradients over the processes.</summary>
    internal RunInfo WithGradientSums(string way) => With("gradient_sums", way);

    private RunInfo With(string fact, string value) =>
        this with { Environment = new Dictionary<string, string>(Environment) { [fact] = value } };

    /// <summary>
    /// Versions of the program, the runtime and the libraries, and the machine, for <see cref="Environment"/>. Loads
    /// libtorch.
    /// </summary>
    public static IReadOnlyDictionary<string, string> DescribeEnvironment()
    {
        var libtorch = Libtorch.InUse();
        return DescribeEnvironment(libtorch.Version, libtorch.Folder);
    }

    /// <summary>The same without what only a model needs: loads no libtorch.</summary>
    internal static IReadOnlyDictionary<string, string> DescribeProgram() => new Dictionary<string, string>
    {
        ["pfmvg"] = Version(typeof(RunInfo)),
        ["dotnet"] = System.Environment.Version.ToString(),
        ["system"] = RuntimeInformation.OSDescription,
        ["processor"] = Processor(),
    };

    private static Dictionary<string, string> DescribeEnvironment(string libtorch, string libtorchFolder) => new()
    {
        ["pfmvg"] = Version(typeof(RunInfo)),
        ["torchsharp"] = Version(typeof(torch)),
        ["libtorch"] = libtorch,
        ["libtorch_folder"] = libtorchFolder,
        ["dotnet"] = System.Environment.Version.ToString(),
        ["system"] = RuntimeInformation.OSDescription,
        ["processor"] = Processor(),
        ["cores"] = System.Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture),
        ["threads"] = torch.get_num_threads().ToString(CultureInfo.InvariantCulture),
        ["bf16_products"] = Bf16Products.Description,
        ["float32_products"] = Float32Products.Description,
        ["bf16_attention"] = FloatAttention.OfBf16,
        ["vectors"] = ThinVectors.Describe(ThinVectors.Lanes), // of our own products
        ["memory"] = string.Create(CultureInfo.InvariantCulture,
            $"{GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1L << 30):f1} GiB"),
        ["cuda_devices"] = torch.cuda.is_available() ? torch.cuda.device_count().ToString(CultureInfo.InvariantCulture) : "0",
    };

    private static string Version(Type type) =>
        type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private static string Processor()
    {
        const string Key = "model name";
        var line = File.Exists("/proc/cpuinfo")
            ? File.ReadLines("/proc/cpuinfo").FirstOrDefault(line => line.StartsWith(Key, StringComparison.Ordinal)) : null;
        return line is null ? RuntimeInformation.ProcessArchitecture.ToString()
            : line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
    }
}

/// <summary>The checkpoint that validation found best.</summary>
/// <param name="Checkpoint">The file, relative to the run's folder.</param>
/// <param name="Step">The steps that it has taken.</param>
/// <param name="Measure">What was compared: "wiou" (higher is better) or "loss" (lower is better).</param>
/// <param name="Value">Its value.</param>
/// <param name="Last">The value of the last checkpoint that was validated.</param>
public sealed record BestCheckpoint(string Checkpoint, long Step, string Measure, double Value, double Last);

/// <summary>How a part of a run went.</summary>
public enum RunStatus
{
    /// <summary>It has begun and not noted its end.</summary>
    Running,

    /// <summary>It came to its end.</summary>
    Finished,

    /// <summary>It was asked to stop and wrote a checkpoint.</summary>
    Interrupted,

    /// <summary>It stopped with an error.</summary>
    Failed,
}
