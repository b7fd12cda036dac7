using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Runs;
using Pfmvg.Text;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>
/// A folder that transformers loads as a plain LLaMA, its adapters merged: W + (alpha / r) B A, computed in float32 and rounded once.
/// Vision tower, `ln_vision` and projector lie below it, where transformers does not look. Tensors come from the base files one by one, so
/// memory holds one matrix at a time.
/// </summary>
internal sealed class MergedFolder : ExportForm
{
    /// <summary>A configuration of PFMVG that uses the folder, its paths relative to the folder.</summary>
    public const string ConfigurationFileName = "pfmvg.yaml";

    private const string Below = "grounding", VisionFile = "vision.safetensors";

    private readonly ExportOptions _options;
    private readonly ScalarType _type;
    private readonly string _languageFolder;
    private readonly BasePart _language, _vision;
    private readonly List<TensorInfo> _languagePlan, _visionPlan;

    /// <summary>Opens the base weights and finds every tensor in them.</summary>
    /// <exception cref="InputException">The base weights are not there, or are not those of the configured model.</exception>
    public MergedFolder(PfmvgConfiguration configuration, TrainedParts parts, ExportOptions options) : base(configuration, parts)
    {
        (_options, _type) = (options, options.MergedType ?? ConfiguredModel.Type(configuration.Precision));
        var paths = GroundingSetup.Paths(configuration);
        _languageFolder = paths.Language;
        var (languageShapes, visionShapes) = (parts.Frozen(ParameterNames.Language), parts.Frozen(ParameterNames.VisionTower));
        _language = new BasePart(paths.Language, languageShapes, isLanguage: true);
        try
        {
            _ = LlamaTokenizer.Load(Path.Combine(paths.Language, "tokenizer.model")); // refused now, not after gigabytes are written
            _vision = new BasePart(paths.Vision, visionShapes, isLanguage: false);
        }
        catch
        {
            _language.Dispose();
            throw;
        }

        _languagePlan = [.. languageShapes.Select(p => TensorInfo.Describe(p.Key, _type, p.Value.shape))];
        _visionPlan = [.. _vision.Stored.Select(p => p.Value with { Name = p.Key })];
    }

    public override long Bytes => _languagePlan.Sum(info => info.Bytes) + _visionPlan.Sum(info => info.Bytes) + Size(Parts.Projector);

    public override ScalarType? MergedType => _type;

    public override void Write(string path, Action<TensorInfo> writing)
    {
        var configuration = HuggingFaceFiles.Configuration(_languageFolder, Parts.Model.Config.Language, _type);
        ShardedCheckpoint.Write(path, [.. _languagePlan.Select(info => info with { Name = WithinLanguage(info.Name) })],
            info => Merged(info with { Name = $"{ParameterNames.Language}.{info.Name}" }), ShardFormat.SafeTensors, _options.MaxShardBytes,
            ToText(configuration));
        HuggingFaceFiles.CopyTokenizer(_languageFolder, path);
        // The vision tower stays as it was stored, to the bit: only what is used of it, under its names there.
        SafeTensors.Write(Path.Combine(path, Below, VisionFile),
            [.. _visionPlan.Select(info => info with { Name = info.Name[(ParameterNames.VisionTower.Length + 1)..] })], info =>
            {
                writing(info);
                return _vision.Read($"{ParameterNames.VisionTower}.{info.Name}", info.Type);
            }, new Dictionary<string, string> { ["format"] = "pt" });
        _language.RequireValues();
        _vision.RequireValues();
        WriteTensors(Path.Combine(path, Below, ProjectorFile), Parts.Projector, writing,
            CheckpointWord.Of(Parts.Model.Config));
        AtomicFile.WriteText(Path.Combine(path, ConfigurationFileName), Yaml());

        Tensor Merged(TensorInfo info)
        {
            writing(info);
            using var quiet = no_grad();
            using var scope = NewDisposeScope();
            var update = Parts.Update(info.Name);
            if (update is not null && !update.isfinite().all().item<bool>())
                throw Refusal.ForFile(_options.From, $"has NaN or infinity in the adapter of {Refusal.Show(info.Name)}",
                    "use another: the training that wrote it diverged, or it is damaged");
            var value = _language.Read(info.Name, update is null ? info.Type : ScalarType.Float32);
            if (update is not null) value = value.add_(update).to(info.Type);
            return value.MoveToOuterDisposeScope();
        }
    }

    public override GroundingSetup Load(string path)
    {
        var configuration = ConfigurationFile.Load(Path.Combine(path, ConfigurationFileName), []) with
        {
            Workspace = path, Device = Configuration.Device, Tf32 = Configuration.Tf32,
            Precision = Configuration.Precision, // to see what the weights' rounding costs, not what computing in another type does
        };
        return GroundingSetup.Load(configuration, 0, configuration.Stage2.MaxAnswerTokens, null);
    }

    public override void Dispose()
    {
        _language.Dispose();
        _vision.Dispose();
        base.Dispose();
    }

    private string Yaml()
    {
        string[] sections = ["name", "seed", "precision", "weights", "model", "eval"];
        var yaml = ConfigurationFile.ToYaml(Configuration with
        {
            Precision = _type == ScalarType.BFloat16 ? Precision.Bf16 : Precision.Float32,
            Weights = new WeightSettings { Vision = $"{Below}/{VisionFile}", Language = ".", Start = $"{Below}/{ProjectorFile}" },
            Model = Configuration.Model with { Lora = Configuration.Model.Lora with { Targets = [] } },
        });
        var kept = new List<string> { "# In this folder: pfmvg predict --config pfmvg.yaml --from base --image X --phrase \"...\"" };
        var keep = false;
        foreach (var line in yaml.Split('\n'))
        {
            if (line.Length > 0 && line[0] is not (' ' or '#' or '-')) keep = sections.Contains(line.Split(':')[0]);
            if (keep && line.Length > 0) kept.Add(line);
        }

        return string.Join('\n', kept) + "\n";
    }
}
