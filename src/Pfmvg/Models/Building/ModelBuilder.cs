using Pfmvg.Models.Kernels;
using Pfmvg.Models.Vision;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Models.Building;

/// <summary>Where the base weights are.</summary>
/// <param name="Vision">EVA ViT-G checkpoint (`eva_vit_g.pth`).</param>
/// <param name="Language">Hugging Face folder of LLaMA-2.</param>
/// <param name="Start">MiniGPT-v2 checkpoint to start from; null for a fresh projector and fresh adapters.</param>
public sealed record WeightPaths(string Vision, string Language, string? Start);

/// <summary>What was read from one file or folder.</summary>
/// <param name="Path">The file or folder.</param>
/// <param name="Report">What fitted and what did not.</param>
public sealed record LoadedFile(string Path, LoadReport Report)
{
    /// <summary>Sentences that the user should read, such as what was left out.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>What it might have filled and did not.</summary>
    internal IReadOnlyList<string> Unfilled { get; init; } = [];

    /// <summary>What the user should read about files that were loaded one after the other.</summary>
    internal static IReadOnlyList<string> NotesOf(IReadOnlyList<LoadedFile> files) =>
        [.. files.SelectMany(file => file.Report.Notes.Concat(file.Notes)), .. TrainedTensors.NotesOfUnfilled(files)];
}

/// <summary>Makes usable grounding models: from the weights that users have, or with random weights.</summary>
public static class ModelBuilder
{
    /// <summary>Builds the model and fills it from its files, tensor by tensor, converting types.</summary>
    /// <param name="config">All sizes.</param>
    /// <param name="paths">The files.</param>
    /// <param name="type">Type of the frozen weights.</param>
    /// <param name="device">Where the model is to live.</param>
    /// <param name="seed">Of the fresh projector and adapters.</param>
    /// <param name="map">
    /// Whether frozen weights that are stored in the model's type may stay on the files' own pages (<see cref="ITensorFile.MapInto"/>).
    /// </param>
    /// <param name="ignoreUnplaced">Leaves out trained tensors that the model has no place for instead of refusing them.</param>
    /// <param name="cancel">Stops between two tensors of the base.</param>
    /// <returns>The model and what was read.</returns>
    /// <exception cref="InputException">
    /// A file is missing or broken or of a model that is not computed here, or a needed tensor is missing, has another shape or is not
    /// finite.
    /// </exception>
    public static (GroundingModel Model, IReadOnlyList<LoadedFile> Files) Load(
        GroundingConfig config, WeightPaths paths, ScalarType type, Device device, long seed, bool map = true, bool ignoreUnplaced = false,
        CancellationToken cancel = default)
    {
        var model = new GroundingModel(config, type, device);
        var all = LoadRules.All with { Map = map, Cancel = cancel };
        var drawing = Task.Run(() => DrawTrainables(model, seed), CancellationToken.None); // takes as long as reading some gigabytes
        try
        {
            var parameters = model.named_parameters().ToDictionary(p => p.name, p => (Tensor)p.parameter);
            var files = new List<LoadedFile>
            {
                Fill(paths.Vision, Frozen(ParameterNames.VisionTower), ParameterNames.FromVisionFile, all with { Resize = Resized }),
                LanguageWeights.Load(model, paths.Language,
                    Frozen(ParameterNames.Language).ToDictionary(p => p.Item1, p => (Tensor)p.Item2), all with { Store = Quantised }),
            };
            drawing.GetAwaiter().GetResult();
            if (paths.Start is { } start) files.Add(LoadStart(model, start, ignoreUnplaced));
            return (model, files);

            IEnumerable<(string, Parameter)> Frozen(string part) => model.named_parameters().Where(p =>
                ParameterNames.IsPartOf(part, p.name) && !ParameterNames.IsTrainable(p.name) && !ParameterNames.IsScale(p.name));

            Tensor? Resized(string name, Tensor stored) =>
                name == ParameterNames.PositionEmbedding ? ResizePositions(stored, config.Vision) : null;

            Action<Tensor>? Quantised(string name) => parameters.TryGetValue(ParameterNames.ScaleOf(name), out var scale)
                ? values => FrozenMatrix.Store(values, parameters[name], scale) : null;
        }
        catch
        {
            Task.WaitAny([drawing], CancellationToken.None); // it writes into the model
            model.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Fills projector, adapters and `ln_vision` from a checkpoint of the original code (MiniGPT-v2's, or one that its training saved) or
    /// from an adapter folder of Hugging Face's peft. Such files hold only trained tensors, so any of these may be missing.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="path">The file or folder.</param>
    /// <param name="ignoreUnplaced">Leaves out trained tensors that the model has no place for instead of refusing them.</param>
    /// <exception cref="InputException">
    /// It is broken, of another model, or of a kind that is not computed here; or holds nothing that this model trains.
    /// </exception>
    public static LoadedFile LoadStart(GroundingModel model, string path, bool ignoreUnplaced = false) =>
        new TrainedTensors(model, path, ignoreUnplaced).Load();

    /// <summary>
    /// Replaces the trainables by those of one of our checkpoints, which must have all of them and no others. With a trained vision tower
    /// in it, the model's becomes its own.
    /// </summary>
    /// <exception cref="InputException">The file is broken or of another model.</exception>
    public static LoadedFile LoadTrainables(GroundingModel model, string path, Func<string, string?> rename)
    {
        if (HoldsVision(path, rename)) model.OwnVision();
        using (var file = WeightFile.Open(path)) CheckpointWord.RequireJoin(file, model.Config, silentIsRow: true);
        var loaded = Fill(path, model.Trainables(), rename,
            LoadRules.All with { MayBeMissing = name => ParameterNames.IsPartOf(ParameterNames.BoxHead, name) }); // it comes with stage 2
        return loaded.Report.Unexpected is [var first, ..]
            ? throw Refusal.ForFile(path, $"has the trained tensor '{Refusal.Show(first)}', which this model has no place for",
                "use the configuration that it was trained with")
            : loaded;
    }

    /// <summary>Whether one of our checkpoints holds a vision tower, because it was trained.</summary>
    internal static bool HoldsVision(string path, Func<string, string?> rename)
    {
        using var file = WeightFile.Open(path);
        return file.Tensors.Keys.Any(key => rename(key) is { } name && ParameterNames.IsPartOf(ParameterNames.VisionTower, name));
    }

    private static LoadedFile Fill(
        string path, IEnumerable<(string Name, Parameter Parameter)> targets, Func<string, string?> rename, LoadRules rules)
    {
        var places = targets.ToDictionary(t => t.Name, t => (Tensor)t.Parameter);
        using var file = WrapperNames.Open(path, places.Keys, rename);
        var report = WeightLoader.Load(places, file, rename, rules);
        report.ThrowIfUnusable(path);
        return new LoadedFile(path, report);
    }

    /// <summary>
    /// A model of which only projector, adapters and `ln_vision` are in memory, freshly drawn: the frozen rest has shapes alone.
    /// </summary>
    internal static GroundingModel TrainedParts(GroundingConfig config, long seed)
    {
        var model = new GroundingModel(config, ScalarType.BFloat16, META, CPU);
        DrawTrainables(model, seed);
        return model;
    }

    /// <summary>Builds a model with random weights of the scale that real ones have; a function of the seed.</summary>
    public static GroundingModel Random(GroundingConfig config, ScalarType type, Device device, long seed)
    {
        var model = new GroundingModel(config, type, device);
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (var (name, parameter) in model.named_parameters().OrderBy(p => p.name, StringComparer.Ordinal))
        {
            if (ParameterNames.IsTrainable(name) || ParameterNames.IsScale(name)) continue;
            using var generator = new Generator(new CounterRandom(seed, "random weights " + name).NextBits(), CPU);
            var (constant, deviation) = RandomWeights.Distribution(name, parameter.shape);
            if (deviation == 0) parameter.fill_(constant);
            else Put(model, name, parameter, empty(parameter.shape, ScalarType.Float32, CPU).normal_(0, deviation, generator));
        }

        DrawTrainables(model, seed);
        return model;
    }

    /// <summary>Gives a parameter its values, converting to its type.</summary>
    internal static void Put(GroundingModel model, string name, Tensor parameter, Tensor values)
    {
        if (parameter.dtype == ScalarType.Int8) FrozenMatrix.Store(values, parameter, model.get_parameter(ParameterNames.ScaleOf(name))!);
        else parameter.copy_(values);
    }

    /// <summary>
    /// Fresh trainables: A, the projector and the box head's first layer uniform as torch draws a linear layer, B and its second zero; and
    /// the neutral `ln_vision`.
    /// </summary>
    private static void DrawTrainables(GroundingModel model, long seed) => Parallel.ForEach(model.named_parameters(), named =>
    {
        var (name, parameter) = named;
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        if (ParameterNames.IsVisionNorm(name))
        {
            if (ParameterNames.IsNormWeight(name)) parameter.fill_(1);
            else parameter.zero_();
        }

        if (!ParameterNames.IsTrainable(name) || ParameterNames.IsLoraUp(name) || parameter.dim() == 1 && !ParameterNames.IsProjector(name)
            || name.StartsWith($"{ParameterNames.BoxHead}.box.", StringComparison.Ordinal)) return;
        using var generator = new Generator(new CounterRandom(seed, "fresh " + name).NextBits(), CPU);
        var inputs = ParameterNames.IsProjector(name) ? model.Config.FeatureWidth : parameter.shape[1];
        var bound = 1 / Math.Sqrt(inputs);
        if (parameter.device_type == DeviceType.CPU) parameter.uniform_(-bound, bound, generator);
        else parameter.copy_(empty(parameter.shape, ScalarType.Float32, CPU).uniform_(-bound, bound, generator));
    });

    private static Tensor? ResizePositions(Tensor stored, EvaConfig vision) =>
        stored.dim() == 3 && stored.shape[0] == 1 && stored.shape[2] == vision.Width && IsSquare(stored.shape[1] - 1)
            ? EvaVisionTower.ResizePositionEmbedding(stored, vision.Grid)
            : null;

    private static bool IsSquare(long number) => number > 0 && (long)Math.Pow(Math.Round(Math.Sqrt(number)), 2) == number;
}
