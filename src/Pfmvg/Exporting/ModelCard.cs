using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Runs.Records;
using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>
/// README.md of an export: what was trained, on what, how it scored, and what it must not be taken for. Nothing of a patient is in it, and
/// no path: files are named by their last name and known by their hash.
/// </summary>
internal sealed class ModelCard(
    PfmvgConfiguration configuration, ExportFormat format, ExportSource source, string? baseName, IReadOnlyList<RunFile> trained,
    IReadOnlyList<RunFile> weights, ScalarType? mergedType, ExportComparison? comparison)
{
    /// <summary>What must stand beside every score on phantoms.</summary>
    public const string PhantomSentence = "Phantom scores are not clinical scores: the pictures are drawn, not taken.";

    private static readonly string Version =
        typeof(ModelCard).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "unknown";

    private readonly bool _synthetic = configuration.Phantom is not null;

    /// <summary>The same for programs: what was exported, by which version, from which files.</summary>
    public JsonObject Record() => new()
    {
        ["version"] = 1,
        ["format"] = format.ToString().ToLowerInvariant(),
        ["pfmvg"] = Version,
        ["run"] = source.Run is null ? null : $"{source.Run.Name}/{source.Run.Part}",
        ["checkpoint"] = source.Used.Choice,
        ["trained"] = new JsonArray([.. trained.Select(file => (JsonNode)Describe(file))]),
        ["weights"] = new JsonArray([.. weights.Select(file => (JsonNode)Describe(file))]),
        ["check"] = comparison is null ? null : new JsonObject
        {
            ["largest_difference"] = comparison.Largest, ["largest_logit"] = comparison.Scale, ["bound"] = comparison.Bound,
            ["prompts"] = comparison.Prompts, ["changed_answers"] = comparison.ChangedAnswers,
        },
    };

    /// <summary>The card.</summary>
    public string Text()
    {
        var text = new StringBuilder();
        var title = format == ExportFormat.Peft ? "LoRA adapter and projector" : "merged language model, vision tower and projector";
        text.Append("---\n");
        if (baseName is not null) text.Append(CultureInfo.InvariantCulture, $"base_model: {baseName}\n");
        text.Append(CultureInfo.InvariantCulture, $"""
            library_name: {(format == ExportFormat.Peft ? "peft" : "transformers")}
            license: other
            tags: [medical-visual-grounding, chest-x-ray, minigpt-v2, lora, pfmvg]
            ---

            # {configuration.Name}: {title}

            Given a chest radiograph and a phrase, the model answers with the box of what the phrase names. It has
            the architecture of MiniGPT-v2 (EVA vision tower, linear projector, LLaMA with LoRA); the method is that
            of arXiv:2410.23822. Written by `pfmvg export`.


            """);
        Section("Files", Files());
        Section("Training", Training());
        Section("Data", Data());
        Section("Scores", Scores());
        if (comparison is not null) Section("Check of this export", Check());
        Section("Weights and code", Hashes());
        Section("Limits", Limits());
        Section("Licences", Licences());
        return text.ToString().TrimEnd() + "\n";

        void Section(string name, string content) =>
            text.Append(CultureInfo.InvariantCulture, $"## {name}\n\n{content.TrimEnd()}\n\n");
    }

    private string Files()
    {
        var shownBase = baseName ?? "THE_BASE_MODEL";
        return format == ExportFormat.Peft ? $"""
            - `adapter_config.json`, `adapter_model.safetensors`: the adapter of the language model, as Hugging Face's peft loads it:
              `PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained("{shownBase}"), "THIS_FOLDER")`
            - `{ExportForm.ProjectorFile}`: `llama_proj` (from joined patch tokens to the language model's width) and `ln_vision`, the norm
              behind the vision tower. peft does not read it; without it the model does not see.

            In PFMVG the folder is named like a checkpoint: `pfmvg predict --config CONFIG --from THIS_FOLDER --image X --phrase "..."`.
            """ : $"""
            - `config.json`, `model*.safetensors` and the tokenizer's files: LLaMA with the adapter merged ({Type(mergedType)}; computed as
              W + (alpha / r) B A in float32 and rounded once), as `AutoModelForCausalLM.from_pretrained("THIS_FOLDER")` loads it.
            - `grounding/vision.safetensors`: the EVA vision tower, its values as they were stored.
            - `grounding/{ExportForm.ProjectorFile}`: `llama_proj` (from joined patch tokens to the language model's width) and `ln_vision`.
              transformers reads neither of the two; without them the language model does not see.
            - `{MergedFolder.ConfigurationFileName}`: settings with which PFMVG uses the folder. In it:
              `pfmvg predict --config {MergedFolder.ConfigurationFileName} --from base --image X --phrase "..."`
            """;
    }

    private string Training()
    {
        var (lora, text) = (configuration.Model.Lora, new StringBuilder());
        if (source is { Run: { } run, Info: { } info })
        {
            text.Append(CultureInfo.InvariantCulture,
                $"Run `{run.Name}/{run.Part}`, step {StepOf(info)} of {info.Steps}, {info.Ranks} process{(info.Ranks == 1 ? "" : "es")}, ");
            text.Append(CultureInfo.InvariantCulture, $"{Units.Duration(TimeSpan.FromSeconds(info.Seconds))}");
            if (info.Ended is { } ended) text.Append(CultureInfo.InvariantCulture, $", ended {ended:yyyy-MM-dd}");
            text.Append(".\n\n");
        }
        else
        {
            text.Append(CultureInfo.InvariantCulture, $"Exported from `{Path.GetFileName(source.File)}`; how it was trained is ")
                .Append("not known to PFMVG.\n\n");
        }

        text.Append("| setting | value |\n| --- | --- |\n");
        foreach (var (name, value) in ConfigurationFile.Settings(configuration).Where(setting => Shown(setting.Key)))
            text.Append(CultureInfo.InvariantCulture, $"| `{name}` | `{value}` |\n");
        return text.ToString();

        // Settings of the stage that was run; no folder is among them.
        bool Shown(string name) => name is "seed" or "precision" or "model.image_size" or "model.concat" or "model.join"
            || name.StartsWith("model.lora.", StringComparison.Ordinal)
            || source.Run?.Part is { Length: >= 6 } part && name.StartsWith(part[..6] + ".", StringComparison.Ordinal);
    }

    private string StepOf(RunInfo info) => source.Used is { Choice: "best" } best ? $"{best.Step} (the best by validation)"
        : info.Result is { } result && Path.GetFileName(result) == Path.GetFileName(source.File)
        ? info.Step.ToString(CultureInfo.InvariantCulture) : $"`{Path.GetFileNameWithoutExtension(source.File)}`";

    private string Data()
    {
        if (source.Info is not { } info) return "Not known.";
        var text = new StringBuilder();
        if (_synthetic) text.Append("Synthetic phantoms in the layout of the data sets that are named here; no picture of a patient.\n\n");
        foreach (var (name, counts) in Sources())
            text.Append(CultureInfo.InvariantCulture,
                $"- {name}: {counts.Count("kept")} of {counts.Count("listed")} listed samples were kept.\n");
        foreach (var (name, count) in info.Counts.Where(pair => pair.Key.EndsWith("_samples", StringComparison.Ordinal)))
            text.Append(CultureInfo.InvariantCulture, $"- {name.Replace('_', ' ')} of this stage: {count}\n");
        return text.ToString();
    }

    /// <summary>The data sets with their counts, where the prepared data are still those of the run.</summary>
    private IEnumerable<(string Name, JsonInput Counts)> Sources()
    {
        var noted = source.Info?.Data.FirstOrDefault(file => Path.GetFileName(file.Path) == "prepared.json");
        if (noted is null || !File.Exists(noted.Path) || RunFile.HashAll([noted.Path])[0].Sha256 != noted.Sha256) return [];
        var sources = PreparedData.Describe(Path.GetDirectoryName(noted.Path)!).Section("sources");
        return sources is not { } all ? [] : all.Element.EnumerateObject().Select(pair => (pair.Name, all.Section(pair.Name)
            ?? throw all.Wrong($"'{pair.Name}' is null")));
    }

    private string Scores()
    {
        var tables = source.Run is null ? "" : CardScores.Tables(source.Run, trained[0]);
        return tables.Length > 0 ? tables
            : "PFMVG has scored no answers of these tensors." + (_synthetic ? $" {PhantomSentence}" : "");
    }

    private string Check() => string.Create(CultureInfo.InvariantCulture, $"""
        The files were loaded again and asked {comparison!.Prompts} fixed prompts about a synthetic picture
        ({comparison.Positions} positions). Largest difference of a logit from the model that was exported:
        {comparison.Largest:g3} (largest logit {comparison.Scale:g4}, allowed {comparison.Bound:g3});
        {comparison.ChangedAnswers} of {comparison.Prompts} greedy answers changed.
        """);

    private string Hashes()
    {
        var text = new StringBuilder($"Exported by PFMVG {Version}");
        if (source.Info?.Environment.GetValueOrDefault("pfmvg") is { } trainedBy) text.Append($", trained by PFMVG {trainedBy}");
        text.Append(".\n\n| file | bytes | SHA-256 |\n| --- | ---: | --- |\n");
        foreach (var file in weights.Concat(trained).DistinctBy(file => file.Sha256))
            text.Append(CultureInfo.InvariantCulture, $"| {Path.GetFileName(file.Path)} | {file.Bytes} | `{file.Sha256}` |\n");
        return text.ToString();
    }

    private string Limits() => (_synthetic ? $"- {PhantomSentence}\n" : "") + """
        - For research. It is no medical device and not for decisions about patients.
        - It answers short English phrases about frontal chest radiographs, and was not tried on anything else.
        - It was trained on findings that are in the picture. Asked about one that is not, it still tends to answer with a box.
        - Boxes are on a grid of 101 x 101 places; finer ones cannot be said.
        """;

    private string Licences()
    {
        var text = new StringBuilder("""
            - The base weights keep their licences, and what is made of them carries these: for LLaMA-2 the Llama 2
              Community License with its notice, for EVA ViT-G and MiniGPT-v2 those of their authors.

            """);
        if (_synthetic) return text.ToString();
        foreach (var (name, _) in Sources())
        {
            try
            {
                var set = DataSetManifest.Load(name);
                text.Append(CultureInfo.InvariantCulture, $"- {set.Name}: {set.Licence}. Its terms also hold for weights trained on it.\n");
            }
            catch (ArgumentException)
            {
                text.Append(CultureInfo.InvariantCulture, $"- {name}: the terms that it was obtained under.\n");
            }
        }

        return text.ToString();
    }

    private static JsonObject Describe(RunFile file) => new()
    {
        ["file"] = Path.GetFileName(file.Path), ["bytes"] = file.Bytes, ["sha256"] = file.Sha256,
    };

    private static string Type(ScalarType? type) => type == ScalarType.BFloat16 ? "bfloat16" : "float32";
}
