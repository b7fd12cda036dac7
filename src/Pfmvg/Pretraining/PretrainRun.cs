using System.Globalization;
using System.Text;
using System.Text.Json;
using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Tensors;
using Pfmvg.Text;
using Pfmvg.Weights;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining;

/// <summary>
/// A pre-training with its folder: the tokenizer, the log, the state from which an interrupted run continues and, at the end,
/// the base in the file formats of the full-size weights.
/// </summary>
internal sealed class PretrainRun : IDisposable
{
    /// <summary>The vision tower, a torch pickle with LAVIS' names.</summary>
    public const string VisionFile = "eva_vit_tiny.pth";

    /// <summary>The language model and the tokenizer in Hugging Face's layout.</summary>
    public const string LanguageFolder = "llama-tiny";

    /// <summary>Projector and `ln_vision`, a MiniGPT-v2 checkpoint without adapters: those start from their own seed.</summary>
    public const string StartFile = "minigptv2_checkpoint.pth";

    private const string StateFile = "pretrain-state.safetensors", LogFile = "pretrain.jsonl", ConfigurationFileName = "pretrain.yaml";

    private readonly string _folder, _configuration;

    private PretrainRun(string folder, string configuration, Pretrainer pretrainer) =>
        (_folder, _configuration, Pretrainer) = (folder, configuration, pretrainer);

    /// <summary>The training.</summary>
    public Pretrainer Pretrainer { get; }

    /// <summary>Starts a run, or continues the one whose state is in the folder.</summary>
    /// <exception cref="InputException">
    /// The state belongs to another configuration, or the configured vocabulary has another size.
    /// </exception>
    public static PretrainRun Open(string folder, PfmvgConfiguration configuration, PretrainSettings settings)
    {
        Libtorch.Load();
        var tokenizerFile = Path.Combine(folder, LanguageFolder, "tokenizer.model");
        TinyTokenizer.Write(tokenizerFile);
        var tokenizer = LlamaTokenizer.Load(tokenizerFile);
        var sizes = ConfiguredModel.Sizes(configuration.Model, tokenizer.VocabularySize);
        if (sizes.Language.VocabularySize != tokenizer.VocabularySize)
            throw new InputException($"model.language.vocabulary is {sizes.Language.VocabularySize}, but the tiny tokenizer has "
                + $"{tokenizer.VocabularySize} pieces; set it to 0.");
        var run = new PretrainRun(folder, ConfigurationFile.ToYaml(configuration),
            new Pretrainer(sizes, tokenizer, settings, configuration.Seed));
        try
        {
            run.Restore();
        }
        catch
        {
            run.Dispose();
            throw;
        }

        return run;
    }

    /// <summary>Trains to the end and writes the base.</summary>
    /// <param name="watch">Called with the progress at every line of the log.</param>
    /// <param name="cancel">Saves the state and stops.</param>
    public void Train(Action<PretrainProgress> watch, CancellationToken cancel)
    {
        AtomicFile.WriteText(Path.Combine(_folder, ConfigurationFileName), _configuration);
        Pretrainer.Run(progress =>
        {
            File.AppendAllText(Path.Combine(_folder, LogFile), JsonSerializer.Serialize(progress, Json) + "\n");
            watch(progress);
        }, Save, cancel);
        WriteBase(Pretrainer.Model, _folder);
        File.Delete(Path.Combine(_folder, StateFile));
    }

    /// <summary>Writes a base in the formats of the full-size weights, in float16.</summary>
    public static void WriteBase(GroundingModel model, string folder)
    {
        var paths = new WeightPaths(
            Path.Combine(folder, VisionFile), Path.Combine(folder, LanguageFolder), Path.Combine(folder, StartFile));
        BaseWeights.Write(model, paths, ScalarType.Float16);
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => Pretrainer.Dispose();

    private void Save() => SafeTensors.Write(Path.Combine(_folder, StateFile), Pretrainer.State(), new Dictionary<string, string>
    {
        ["step"] = Pretrainer.Step.ToString(CultureInfo.InvariantCulture),
        ["configuration"] = _configuration,
    });

    private void Restore()
    {
        var (state, log) = (Path.Combine(_folder, StateFile), Path.Combine(_folder, LogFile));
        if (!File.Exists(state))
        {
            File.Delete(log);
            return;
        }

        using var file = SafeTensors.Open(state);
        if (file.Metadata.GetValueOrDefault("configuration") as string != _configuration)
            throw new InputException($"{state}: belongs to another configuration; continue with "
                + $"{Path.Combine(_folder, ConfigurationFileName)}, or give another folder.");
        if (!int.TryParse(file.Metadata.GetValueOrDefault("step") as string, CultureInfo.InvariantCulture, out var step))
            throw new InputException($"{state}: does not say at which step it was saved; delete it to begin anew.");
        using (no_grad())
        {
            foreach (var (name, target) in Pretrainer.State())
            {
                if (!file.Tensors.TryGetValue(name, out var info) || !info.Shape.SequenceEqual(target.shape))
                    throw new InputException($"{state}: the tensor {name} is missing or has another shape; delete the file to begin anew.");
                file.ReadInto(name, target);
            }
        }

        Pretrainer.Restore(step);
        if (!File.Exists(log)) return;
        var kept = File.ReadLines(log).Where(line => LoggedStep(line) <= step); // later lines will be written again
        AtomicFile.WriteText(log, string.Concat(kept.Select(line => line + "\n")));
    }

    private static long? LoggedStep(string line)
    {
        using var json = JsonText.Parse(Encoding.UTF8.GetBytes(line), out _); // the last line of a killed run may be incomplete
        return json?.RootElement.Member("step") is { ValueKind: JsonValueKind.Number } step && step.TryGetInt64(out var number)
            ? number : null;
    }

    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };
}
