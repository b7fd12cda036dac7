using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Runs.Records;
using Pfmvg.Text;
using Pfmvg.Training;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Runs;

/// <summary>What training and answering have in common: the configured data, tokenizer and model.</summary>
public sealed class GroundingSetup : IModelSetup
{
    private PreparedData? _data;

    private GroundingSetup(LanguageFolder language, SequenceBuilder builder, GroundingModel model, IReadOnlyList<LoadedFile> files,
        string? rule)
    {
        var configuration = language.Configuration;
        (Configuration, Builder, Model, Files) = (configuration, builder, model, files);
        Notes = [.. language.Notes, .. LoadedFile.NotesOf(files), .. rule is null ? Array.Empty<string>() : [rule]];
        foreach (var cache in new[] { configuration.Data.Cache, configuration.Data.FeatureCache })
            if (cache is not null) CacheFile.RemoveHalfWritten(configuration.Resolve(cache));
        if (configuration.Data.FeatureCache is { } folder)
            Features = new FeatureCache(configuration.Resolve(folder), model.VisionHash() + configuration.Data.Dicom.Suffix(),
                (long)(configuration.Data.FeatureCacheGb * 1e9));
    }

    /// <summary>The configuration; settings of the language model that were left open are those of its config.json.</summary>
    public PfmvgConfiguration Configuration { get; }

    /// <summary>The prepared data, opened when they are first asked for: to answer about a single picture there need be none.</summary>
    /// <exception cref="InputException">They were not prepared, or an image folder is gone.</exception>
    public PreparedData Data => _data ??= OpenData(Configuration);

    /// <summary>Prompts and answers to tokens.</summary>
    public SequenceBuilder Builder { get; }

    /// <summary>The model.</summary>
    public GroundingModel Model { get; }

    /// <summary>The weight files that were read, and how they fitted.</summary>
    public IReadOnlyList<LoadedFile> Files { get; }

    /// <summary>What the user should read about the weights: taken from their config.json, left at its start, left out.</summary>
    public IReadOnlyList<string> Notes { get; }

    /// <summary>Kept features of whole pictures; null where the configuration has no folder for them.</summary>
    public FeatureCache? Features { get; private set; }

    /// <summary>Judges pictures that end early; null judges them silently.</summary>
    internal TruncationGuard? Truncation { get; set; }

    TruncationGuard? IModelSetup.Truncation { set => Truncation = value; }

    /// <summary>Samples of a stage as the configuration loads them.</summary>
    public TrainingSamples Samples(IReadOnlyList<Sample> samples, StageSettings settings) => new(Data, samples, Builder, settings,
        Loading(Configuration, Configuration.Model.ImageSize, Truncation) with { Features = Features });

    /// <summary>Loads whole pictures, as evaluation looks at them.</summary>
    public SampleLoader Pictures() => new(Data, Loading(Configuration, Configuration.Model.ImageSize, Truncation) with
    {
        Features = Features, Broken = BadSamples.Fail, Workers = 0,
    });

    /// <summary>Asks the model, as the configuration decodes.</summary>
    public ModelAnswers Answers() => new(Model, Builder, Configuration.Eval, Configuration.Seed);

    IEnumerable<string> IModelSetup.Lines => [.. Files.Select(file => $"weights  {file.Path}: {file.Report}"), .. Notes];

    string? IModelSetup.Summary => Features?.Summary;

    long IModelSetup.Parameters => Model.named_parameters().Sum(p => p.parameter.numel());

    IReadOnlyDictionary<string, string> IModelSetup.Marks => Checkpoint.MarksOf(Model.Config);

    int IModelSetup.ImageSize => Configuration.Model.ImageSize;

    ILearner IModelSetup.Learner(IReadOnlyList<Sample> samples, StageSettings settings)
    {
        if (settings.TrainVision)
        {
            Model.TrainVision();
            Features = null; // they change with every step
        }

        return new AnswerLearner(Model, Samples(samples, settings), settings);
    }

    IAnswers IModelSetup.Answers() => Configuration.Eval.Answer == AnswerForm.BoxHead
        ? new BoxHeadAnswers(Model, Answers(), Configuration.Eval.BatchSize) : Answers();

    /// <summary>How pictures of a configuration are loaded.</summary>
    internal static LoaderOptions Loading(PfmvgConfiguration configuration, int size, TruncationGuard? truncation) => new()
    {
        Size = size,
        Seed = configuration.Seed,
        Workers = configuration.Data.Workers,
        Dicom = configuration.Data.Dicom,
        Truncation = truncation ?? new TruncationGuard(configuration.Data.TruncatedPictures),
        Broken = configuration.Data.SkipBroken ? BadSamples.Skip : BadSamples.Fail,
        Cache = configuration.Data.Cache is { } cache ? configuration.Resolve(cache) : null,
    };

    /// <summary>The base weights of a configuration as absolute paths.</summary>
    public static WeightPaths Paths(PfmvgConfiguration configuration) => new(
        configuration.Resolve(configuration.Weights.Vision),
        WeightFolder.Resolve(configuration.Resolve(configuration.Weights.Language)),
        configuration.Weights.Start is { } start ? configuration.Resolve(start) : null);

    /// <summary>Every file and folder of weights that a model is made of.</summary>
    /// <param name="configuration">Names the base weights.</param>
    /// <param name="from">Trained tensors on top of them; null for none.</param>
    /// <exception cref="InputException">There are no trained tensors where they are said to be.</exception>
    public static IReadOnlyList<string> WeightFiles(PfmvgConfiguration configuration, string? from)
    {
        var paths = Paths(configuration);
        return [paths.Vision, paths.Language, .. paths.Start is { } start ? [start] : Array.Empty<string>(),
            .. from is null ? Array.Empty<string>() : [Trained(from)]];
    }

    /// <summary>The prepared data of a configuration.</summary>
    /// <exception cref="InputException">They were not prepared, or an image folder is gone.</exception>
    public static PreparedData OpenData(PfmvgConfiguration configuration)
    {
        RequireNoneElsewhere(configuration);
        return PreparedData.Open(
            configuration.Resolve(configuration.Data.Folder),
            configuration.Data.Roots.ToDictionary(r => r.Key, r => configuration.Resolve(r.Value)))
            .WithPhrasesOf(configuration.Data.PhraseSets);
    }

    /// <summary>
    /// Data that were prepared below the current folder are not those of a configuration whose workspace is another folder. A user who
    /// means them must be told, above all before phantoms are drawn instead.
    /// </summary>
    /// <exception cref="InputException">There are none where the configuration looks, but some where the user may mean.</exception>
    internal static void RequireNoneElsewhere(PfmvgConfiguration configuration)
    {
        var (folder, here) = (configuration.Resolve(configuration.Data.Folder), Path.GetFullPath(configuration.Data.Folder));
        if (folder == here || OutputFolder.IsPrepared(folder) || !OutputFolder.IsPrepared(here)) return;
        throw new InputException($"{folder}: there are no prepared data, but there are some in {here}; data.folder starts at the workspace "
            + $"{Path.GetFullPath(configuration.Workspace)}, not at the current folder, so use them with --set data.folder={here}, or "
            + "call from another folder.");
    }

    /// <summary>The samples that a stage learns from.</summary>
    /// <exception cref="InputException">There are none.</exception>
    internal static IReadOnlyList<Sample> TrainingSplit(PreparedData data, int stage, StageSettings settings)
    {
        return data.Read(settings.Task, Split.Train) is { Count: > 0 } samples ? samples
            : throw new InputException($"{data.Folder}: has no {Manifest.FileName(settings.Task, Split.Train)}{data.Chosen}, so "
                + $"stage {stage} has nothing to learn from; prepare the data sets that it needs.");
    }

    /// <summary>Loads tokenizer and model.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="localRank">Picks the CUDA device of this process.</param>
    /// <param name="maxAnswerTokens">Longest answer in training.</param>
    /// <param name="from">
    /// Trained tensors to put on top of the base weights: the folder of a finished training, one of our checkpoints, an adapter folder of
    /// peft, or a checkpoint of the original code; null for the base weights alone.
    /// </param>
    /// <param name="cancel">Stops between two tensors.</param>
    /// <exception cref="InputException">Weights or tokenizer are absent, broken or do not fit the configuration.</exception>
    public static GroundingSetup Load(PfmvgConfiguration configuration, int localRank, int maxAnswerTokens, string? from,
        CancellationToken cancel = default)
    {
        var device = ConfiguredModel.Device(configuration.Device, localRank);
        var trained = from is null ? null : Trained(from);
        if (trained?.EndsWith(".safetensors", StringComparison.Ordinal) == true
            && File.Exists(trained) && CnnSetup.IsAt(new Checkpoint(trained, 0)))
            throw new InputException($"{trained}: is a checkpoint of the plain network; ask it with --model cnn.");
        var language = LanguageFolder.Read(configuration);
        configuration = language.Configuration;
        var paths = Paths(configuration);
        var tokenizer = LlamaTokenizer.Load(Path.Combine(paths.Language, "tokenizer.model"));
        language.File?.RequireTokens(tokenizer.BosId, tokenizer.EosId);
        var sizes = ConfiguredModel.Sizes(configuration, language.Vocabulary(tokenizer.VocabularySize));
        if (sizes.Language.VocabularySize < tokenizer.VocabularySize)
            throw new InputException($"{paths.Language}: the tokenizer has {tokenizer.VocabularySize} tokens, but "
                + $"model.language.vocabulary is {sizes.Language.VocabularySize}; use the tokenizer of the configured model.");
        var (model, files) = ModelBuilder.Load(
            sizes, paths, ConfiguredModel.Type(configuration.Precision), device, configuration.Seed, configuration.Weights.Map,
            configuration.Weights.IgnoreUnplaced, cancel);
        try
        {
            var rule = trained is not null && IsOurs(trained) ? CompareWithTraining(trained, configuration) : null;
            if (trained is not null)
                files = [.. files, IsOurs(trained)
                    ? ModelBuilder.LoadTrainables(model, trained, Checkpoint.ToModel)
                    : ModelBuilder.LoadStart(model, trained, configuration.Weights.IgnoreUnplaced)];
            return new GroundingSetup(language, new SequenceBuilder(tokenizer, sizes.VisualTokens, maxAnswerTokens), model, files, rule);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The file, or the adapter folder, with the trained tensors that a path stands for.</summary>
    /// <exception cref="InputException">There is no such file, or the training there did not end.</exception>
    public static string Trained(string path)
    {
        if (File.Exists(path)) return path;
        // A run may have exported adapters in its subfolders.
        if (!File.Exists(Path.Combine(path, "run.json")) && PeftAdapter.Find(path) is not null) return path;
        if (!Directory.Exists(path))
            throw new InputException($"{path}: is neither a checkpoint nor the folder of a training or an adapter.");
        var folder = RunFolder.Open(path);
        return RunInfo.Read(folder.InfoPath).Result is { } result && File.Exists(folder.In(result))
            ? folder.In(result)
            : throw new InputException($"{path}: the training there has no result; name one of its checkpoints in {folder.Checkpoints}.");
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => Model.Dispose();

    /// <summary>
    /// Compares with the configuration that a checkpoint was trained by. A checkpoint holds no scale of its adapters, so that must be
    /// the same. What the user should read when DICOM pictures become gray by another rule; null when by the same.
    /// </summary>
    private static string? CompareWithTraining(string checkpoint, PfmvgConfiguration configuration)
    {
        var path = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(checkpoint))!, "..", "config.yaml");
        if (!File.Exists(path)) return null;
        var trained = ConfigurationFile.Load(path, []);
        var changes = ConfigurationFile.Differences(trained, configuration).Where(change =>
            change.StartsWith("model.lora.", StringComparison.Ordinal)
            && !change.StartsWith("model.lora.dropout", StringComparison.Ordinal)).ToList();
        if (changes.Count > 0)
            throw new InputException($"{checkpoint}: was trained with other adapters, by {Path.GetFullPath(path)}: "
                + $"{string.Join("; ", changes)}; set them back.");
        return trained.Data.Dicom == configuration.Data.Dicom ? null
            : $"{checkpoint}: was trained with data.dicom={trained.Data.Dicom.Word()}; now DICOM pictures become gray by "
                + $"data.dicom={configuration.Data.Dicom.Word()}, so the model sees them otherwise than it was taught.";
    }

    /// <summary>Whether a file is a checkpoint of our trainer.</summary>
    internal static bool IsOurs(string path)
    {
        if (PeftAdapter.IsAt(path)) return false;
        using var file = WeightFile.Open(path);
        return file.Metadata.TryGetValue("format", out var format) && format as string == Checkpoint.Format;
    }
}
