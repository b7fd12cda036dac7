using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Runs;
using Pfmvg.Weights;
using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>What an export has: trained tensors in somebody's files, and how PFMVG loads these files again.</summary>
/// <param name="configuration">The configuration of the training.</param>
/// <param name="parts">The trained tensors.</param>
internal abstract class ExportForm(PfmvgConfiguration configuration, TrainedParts parts) : IDisposable
{
    /// <summary>Projector and `ln_vision`, by the names of MiniGPT-v2's checkpoints.</summary>
    public const string ProjectorFile = "projector.safetensors";

    private static readonly JsonSerializerOptions Indented = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The configuration of the training.</summary>
    protected PfmvgConfiguration Configuration => configuration;

    /// <summary>The trained tensors.</summary>
    protected TrainedParts Parts => parts;

    /// <summary>Bytes of the tensors that will be written.</summary>
    public abstract long Bytes { get; }

    /// <summary>The type that the language model's matrices were merged in; null when the adapters stay apart.</summary>
    public virtual ScalarType? MergedType => null;

    /// <summary>Writes everything but the card.</summary>
    /// <param name="path">The folder or file; it is not there yet, or is empty.</param>
    /// <param name="writing">Called before each tensor; may end the writing by throwing.</param>
    public abstract void Write(string path, Action<TensorInfo> writing);

    /// <summary>A model made of what was written, through the loaders that everything goes through.</summary>
    /// <param name="path">What <see cref="Write"/> wrote.</param>
    public abstract GroundingSetup Load(string path);

    /// <summary>Closes what was read from.</summary>
    public virtual void Dispose()
    {
    }

    /// <summary>JSON as people read it.</summary>
    public static string ToText(JsonObject json) => json.ToJsonString(Indented) + "\n";

    /// <summary>A number as Python writes a whole one: 16, not 16.0.</summary>
    protected static JsonNode Number(double value) => double.IsInteger(value) && Math.Abs(value) < 1e15
        ? JsonNode.Parse(((long)value).ToString(CultureInfo.InvariantCulture))! : JsonValue.Create(value);

    /// <summary>Writes named tensors into one safetensors file.</summary>
    protected static void WriteTensors(string path, IEnumerable<(string Name, Tensor Value)> tensors, Action<TensorInfo> writing,
        IEnumerable<KeyValuePair<string, string>>? facts = null)
    {
        var values = tensors.ToDictionary(t => t.Name, t => t.Value);
        SafeTensors.Write(path, [.. values.Select(t => TensorInfo.Describe(t.Key, t.Value))], info =>
        {
            writing(info);
            return values[info.Name];
        }, new Dictionary<string, string>([KeyValuePair.Create("format", "pt"), .. facts ?? []]));
    }

    /// <summary>Bytes of tensors.</summary>
    protected static long Size(IEnumerable<(string Name, Tensor Value)> tensors) =>
        tensors.Sum(t => TensorInfo.Describe(t.Name, t.Value).Bytes);

    /// <summary>A model of the configured base weights with another start.</summary>
    protected GroundingSetup LoadWithStart(string start) => GroundingSetup.Load(
        configuration with { Weights = configuration.Weights with { Start = start } }, 0, configuration.Stage2.MaxAnswerTokens, null);

    /// <summary>The name of a parameter within the language model as Hugging Face has it.</summary>
    protected static string WithinLanguage(string name) => name[(ParameterNames.Language.Length + 1)..];
}
