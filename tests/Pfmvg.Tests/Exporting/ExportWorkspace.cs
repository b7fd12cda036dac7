using Pfmvg.Configuration;
using Pfmvg.Exporting;
using Pfmvg.Models;
using Pfmvg.Runs;
using Pfmvg.Tests.Golden;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Exporting;

/// <summary>The parity data's model as a configuration, and a folder to export it to.</summary>
internal sealed class ExportWorkspace : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public static string Checkpoint => ReferenceModel.Paths.Start!;

    public string Path => _folder.Path;

    public string In(params string[] parts) => _folder.In(parts);

    /// <summary>The parity data's weights and sizes, in float32.</summary>
    public static PfmvgConfiguration Configuration(params string[] changes)
    {
        var (sizes, paths) = (Fixtures.Json("model.json"), ReferenceModel.Paths);
        var (vision, lora) = (sizes["vision"]!, sizes["lora"]!);
        var language = LlamaConfig.FromHuggingFace(ReferenceModel.Language);
        return ConfigurationFile.Load(null,
        [
            "name=parity", "device=cpu", "threads=1", "precision=float32", $"weights.vision={paths.Vision}",
            $"weights.language={paths.Language}", $"weights.start={paths.Start}", $"model.image_size={vision["image_size"]}",
            $"model.concat={sizes["concat"]}", $"model.vision.patch_size={vision["patch_size"]}", $"model.vision.width={vision["width"]}",
            $"model.vision.depth={vision["depth"]}", $"model.vision.heads={vision["heads"]}",
            $"model.vision.mlp_hidden={vision["mlp_hidden"]}", $"model.language.vocabulary={language.VocabularySize}",
            $"model.language.hidden_size={language.HiddenSize}", $"model.language.layers={language.Layers}",
            $"model.language.heads={language.Heads}", $"model.language.intermediate_size={language.IntermediateSize}",
            $"model.lora.rank={lora["r"]}", $"model.lora.alpha={lora["alpha"]}", "model.lora.dropout=0", "eval.max_new_tokens=12",
            .. changes,
        ]);
    }

    /// <summary>The options of an export of the original checkpoint into this workspace.</summary>
    public ExportOptions Options(ExportFormat format, string name, string? from = null) => new()
    {
        From = from ?? Checkpoint, Format = format, Output = In(name), Verify = true,
    };

    public static ExportResult Run(ExportOptions options, PfmvgConfiguration? configuration = null) =>
        ExportRun.Execute(new RecordedSession(configuration ?? Configuration()).Session, options);

    /// <summary>What the model answers to a few phrases about a picture of the parity data.</summary>
    public static IReadOnlyList<string> Answers(PfmvgConfiguration configuration)
    {
        using var model = PhraseGrounder.Open(configuration, fromBase: true);
        string[] phrases = ["effusion", "large left pneumothorax", "nodule"];
        var picture = Fixtures.Path("preprocess", "gray8.png");
        return [.. model.Ask([.. phrases.Select((phrase, i) => new PredictionCase($"{i}", picture, phrase))]).Select(a => a.Answer!)];
    }

    /// <summary>A copy of the base's language folder, to change.</summary>
    public string CopyLanguage()
    {
        var copy = Directory.CreateDirectory(In("language")).FullName;
        foreach (var file in Directory.GetFiles(ReferenceModel.Language))
            File.Copy(file, System.IO.Path.Combine(copy, System.IO.Path.GetFileName(file)));
        return copy;
    }

    public static Tensor Read(string file, string name)
    {
        using var weights = WeightFile.Open(file);
        return weights.Read(name);
    }

    public void Dispose() => _folder.Dispose();
}
