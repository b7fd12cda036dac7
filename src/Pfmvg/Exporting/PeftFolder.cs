using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Models.Building;
using Pfmvg.Runs;
using Pfmvg.Weights;

namespace Pfmvg.Exporting;

/// <summary>
/// The folder that `PeftModel.from_pretrained` loads, of any version of peft: only settings that all of them know are written, the others
/// have the meaning of a plain LoRA where they are absent.
/// </summary>
/// <param name="configuration">The configuration of the training.</param>
/// <param name="parts">The trained tensors.</param>
/// <param name="baseName">Public name of the base model; null when it is not known.</param>
internal sealed class PeftFolder(PfmvgConfiguration configuration, TrainedParts parts, string? baseName) : ExportForm(configuration, parts)
{
    private const string AdapterFile = "adapter_model.safetensors", Wrappers = "base_model.model.";

    public override long Bytes => Size(Parts.Adapters) + Size(Parts.Projector);

    public override void Write(string path, Action<TensorInfo> writing)
    {
        AtomicFile.WriteText(Path.Combine(path, "adapter_config.json"), ToText(Settings()));
        WriteTensors(Path.Combine(path, AdapterFile), Parts.Adapters.Select(t => (Wrappers + WithinLanguage(t.Name), t.Value)), writing);
        WriteTensors(Path.Combine(path, ProjectorFile), Parts.Projector, writing,
            CheckpointWord.Of(Parts.Model.Config));
    }

    public override GroundingSetup Load(string path) => LoadWithStart(path);

    private JsonObject Settings()
    {
        var lora = Configuration.Model.Lora;
        return new JsonObject
        {
            ["base_model_name_or_path"] = baseName,
            ["bias"] = "none",
            ["fan_in_fan_out"] = false,
            ["inference_mode"] = true,
            ["init_lora_weights"] = true,
            ["lora_alpha"] = Number(lora.Alpha),
            ["lora_dropout"] = lora.Dropout,
            ["modules_to_save"] = null,
            ["peft_type"] = "LORA",
            ["r"] = lora.Rank,
            ["target_modules"] = new JsonArray([.. lora.Targets.Select(target => (JsonNode)target)]),
            ["task_type"] = "CAUSAL_LM",
        };
    }
}
