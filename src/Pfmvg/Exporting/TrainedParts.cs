using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Runs;
using Pfmvg.Tensors;
using Pfmvg.Text;
using Pfmvg.Training;
using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>
/// What training made, as the whole model would hold it: adapters, projector, and `ln_vision`, which comes with the start. The frozen
/// weights are not in memory.
/// </summary>
internal sealed class TrainedParts : IDisposable
{
    private readonly Dictionary<string, Tensor> _parameters;

    private TrainedParts(GroundingModel model, IReadOnlyList<LoadedFile> files)
    {
        (Model, Files) = (model, files);
        _parameters = model.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter);
    }

    /// <summary>Sizes, and the shapes of the frozen weights.</summary>
    public GroundingModel Model { get; }

    /// <summary>The files that were read, and how they fitted.</summary>
    public IReadOnlyList<LoadedFile> Files { get; }

    /// <summary>The factors of the adapters by the model's names, in a fixed order.</summary>
    public IEnumerable<(string Name, Tensor Value)> Adapters =>
        Model.Trainables()
        .Where(t => !ParameterNames.IsProjector(t.Name) && !ParameterNames.IsPartOf(ParameterNames.BoxHead, t.Name))
        .Select(t => (t.Name, t.Parameter.detach()));

    /// <summary>Projector and `ln_vision` by the model's names, in a fixed order.</summary>
    public IEnumerable<(string Name, Tensor Value)> Projector => _parameters
        .Where(p => ParameterNames.IsProjector(p.Key) || ParameterNames.IsVisionNorm(p.Key))
        .OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => (p.Key, p.Value.detach()));

    /// <summary>The frozen parameters of a part, which have shapes but no values, in the model's order.</summary>
    public IReadOnlyDictionary<string, Tensor> Frozen(string part) => _parameters
        .Where(p => ParameterNames.IsPartOf(part, p.Key) && !ParameterNames.IsTrainable(p.Key)).ToDictionary();

    /// <summary>Reads the start and what was trained on it, as the model is loaded for answering.</summary>
    /// <exception cref="InputException">A file is absent, damaged or of another model.</exception>
    public static TrainedParts Load(PfmvgConfiguration configuration, string trained)
    {
        Libtorch.Load();
        var paths = GroundingSetup.Paths(configuration);
        var words = configuration.Model.Language.Vocabulary > 0 ? 0
            : LanguageFolder.Read(configuration).Vocabulary(
                LlamaTokenizer.Load(Path.Combine(paths.Language, "tokenizer.model")).VocabularySize);
        var model = ModelBuilder.TrainedParts(ConfiguredModel.Sizes(configuration, words).InFloatingPoint, configuration.Seed);
        try
        {
            var files = new List<LoadedFile>();
            var ignore = configuration.Weights.IgnoreUnplaced;
            if (paths.Start is { } start && Path.GetFullPath(start) != trained) files.Add(ModelBuilder.LoadStart(model, start, ignore));
            files.Add(GroundingSetup.IsOurs(trained)
                ? ModelBuilder.LoadTrainables(model, trained, Checkpoint.ToModel) : ModelBuilder.LoadStart(model, trained, ignore));
            return new TrainedParts(model, files);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The update that an adapter adds to its layer's matrix, (alpha / r) B A in float32; null for a matrix without an adapter. Owned by
    /// the caller's dispose scope.
    /// </summary>
    /// <param name="weight">The model's name of the matrix.</param>
    public Tensor? Update(string weight)
    {
        var layer = weight[..^ParameterNames.Weight.Length];
        if (!_parameters.TryGetValue($"{layer}{ParameterNames.LoraDown}.{ParameterNames.Weight}", out var down)) return null;
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var up = _parameters[$"{layer}{ParameterNames.LoraUp}.{ParameterNames.Weight}"];
        return up.matmul(down).mul(Model.Config.Lora.Scale).MoveToOuterDisposeScope();
    }

    public void Dispose() => Model.Dispose();
}
