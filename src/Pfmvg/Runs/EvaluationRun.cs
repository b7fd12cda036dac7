using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>What is to be answered, by which model.</summary>
public sealed record EvaluationOptions
{
    /// <summary>The split that is asked.</summary>
    public required Split Split { get; init; }

    /// <summary>Trained tensors; null takes stage 2's result.</summary>
    public string? From { get; init; }

    /// <summary>Evaluate the base weights alone (zero-shot).</summary>
    public bool FromBase { get; init; }

    /// <summary>Name of the part of the run; null is `eval-SPLIT`.</summary>
    public string? Part { get; init; }

    /// <summary>Takes what is there already when it comes from the same settings, weights and data, instead of answering again.</summary>
    public bool Gather { get; init; }

    /// <summary>Answers for the controls, too (<see cref="Control"/>).</summary>
    public bool Controls { get; init; }

    /// <summary>The folder of the answers.</summary>
    public RunFolder Folder(PfmvgConfiguration configuration) =>
        RunFolder.Of(configuration, Part ?? $"eval-{Split.ToString().ToLowerInvariant()}");
}

/// <summary>A split answered.</summary>
/// <param name="Folder">Where predictions.jsonl is, and a file of the same form for each control.</param>
/// <param name="Predictions">The answers in the order of the manifest; empty on other ranks than 0.</param>
/// <param name="Controls">The controls' answers in the same order; empty when they were not asked for.</param>
/// <param name="Data">The prepared data.</param>
public sealed record EvaluationResult(
    RunFolder Folder, IReadOnlyList<Prediction> Predictions, IReadOnlyDictionary<Control, IReadOnlyList<Prediction>> Controls,
        PreparedData Data);

/// <summary>The phrases of a split through the model, into predictions.jsonl: the first half of `pfmvg eval`.</summary>
public sealed class EvaluationRun
{
    // What answers depend on beside the weights and the data, whose content is compared.
    private static readonly string[] Relevant = ["seed:", "precision:", "model.", "eval."];

    private readonly PfmvgConfiguration _configuration;
    private readonly EvaluationOptions _options;
    private readonly ICommunicator _world;
    private readonly Action<string> _tell;
    private readonly Action<int, int> _answered;
    private readonly CancellationToken _interrupt;
    private readonly RunFolder _folder;
    private readonly string? _from;
    private readonly PreparedData _data;
    private readonly IReadOnlyList<Sample> _samples;

    private EvaluationRun(
        PfmvgConfiguration configuration, EvaluationOptions options, ICommunicator world, Action<string> tell, Action<int, int> answered,
            CancellationToken interrupt)
    {
        (_configuration, _options, _world, _interrupt) = (configuration, options, world, interrupt);
        _tell = world.Rank == 0 ? tell : _ => { };
        _answered = world.Rank == 0 ? answered : (_, _) => { };
        _from = CheckModel(configuration, options.From, options.FromBase, world.LocalRank);
        _data = GroundingSetup.OpenData(configuration);
        _samples = _data.Read(SampleTask.Refer, options.Split);
        if (_samples.Count == 0) throw new InputException($"{_data.Folder}: has no {Manifest.FileName(SampleTask.Refer, options.Split)}, so there is nothing to evaluate; prepare MS-CXR.");
        _folder = options.Folder(configuration);
    }

    /// <summary>Answers a split, and its controls where they are wanted, into files in its run folder.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="options">What is answered by which model.</param>
    /// <param name="world">The processes that answer together, each its share.</param>
    /// <param name="tell">Told on rank 0, in a line each, what a user wants to know.</param>
    /// <param name="answered">Told on rank 0 how many of how many phrases are answered.</param>
    /// <param name="interrupt">Stops between batches; answers that are not whole are not written.</param>
    /// <exception cref="InputException">There is no trained model, no such split, or the data or weights are wrong.</exception>
    public static EvaluationResult Execute(
        PfmvgConfiguration configuration, EvaluationOptions options, ICommunicator world, Action<string> tell, Action<int, int> answered,
            CancellationToken interrupt) =>
        new EvaluationRun(configuration, options, world, tell, answered, interrupt).Execute();

    /// <summary>Finds what an evaluation would fail on in a moment, before any work: the device and the model.</summary>
    /// <returns>The trained tensors; null for the base weights alone.</returns>
    /// <exception cref="InputException">The device or the trained model is not there.</exception>
    public static string? CheckModel(PfmvgConfiguration configuration, string? from, bool fromBase, int localRank)
    {
        _ = ConfiguredModel.Device(configuration.Device, localRank);
        if (fromBase) return null;
        from ??= FinishedStage2(configuration);
        _ = GroundingSetup.Trained(from);
        return from;
    }

    private EvaluationResult Execute()
    {
        var started = DateTimeOffset.UtcNow;
        Control[] wanted = _options.Controls ? Enum.GetValues<Control>() : [];
        // Rank 0 looks at the files, and all ranks do as it finds: which controls are missing, the answers themselves being one more bit.
        var all = 1 << wanted.Length;
        Span<double> missing = [all + all - 1];
        RunInfo? info = null;
        if (_world.Rank == 0)
        {
            info = Describe(started);
            if (IsSame(info))
                missing[0] = wanted.Where(control => !File.Exists(FileOf(control))).Sum(control => 1 << Array.IndexOf(wanted, control));
        }
        else missing[0] = 0;

        _world.AllReduceSum(missing);
        var todo = (int)missing[0];
        if (todo == 0) _tell($"answers  as they are in {_folder.Path}");
        else
        {
            using var hold = _world.Rank == 0 ? _folder.Begin(
                _configuration, (todo & all) == 0 ? ExistingRun.Resume : ExistingRun.Overwrite) : null;
            var decoding = AnswerAll((todo & all) != 0, [.. wanted.Where((_, i) => (todo >> i & 1) != 0)]);
            if (_world.Rank == 0)
                (info!.WithDecoding(decoding) with
                {
                    Ended = DateTimeOffset.UtcNow,
                    Seconds = (DateTimeOffset.UtcNow - started).TotalSeconds,
                }).Write(_folder.InfoPath);
        }

        return _world.Rank != 0
            ? new EvaluationResult(_folder, [], new Dictionary<Control, IReadOnlyList<Prediction>>(), _data)
            : new EvaluationResult(_folder, PredictionFile.Read(_folder.PredictionsPath),
                wanted.ToDictionary(control => control, control => PredictionFile.Read(FileOf(control))), _data);
    }

    /// <returns>How tokens were computed.</returns>
    private string AnswerAll(bool answers, IReadOnlyList<Control> controls)
    {
        using var setup = GroundingSetup.Load(_configuration, _world.LocalRank, _configuration.Stage2.MaxAnswerTokens, _from);
        foreach (var file in setup.Files) _tell($"weights  {file.Path}: {file.Report}");
        var model = new ModelAnswers(setup.Model, setup.Builder, _configuration.Eval, _configuration.Seed);
        // blank: never kept as any picture's features
        var (pictures, blank) = (setup.Pictures(), new VisionInput(Controls.BlankPicture(_configuration.Model.ImageSize)));
        if (answers) Write(_folder.PredictionsPath, Ask(model, _samples, pictures.Whole));
        foreach (var control in controls)
        {
            _tell($"control  {control.Describe()}");
            Write(FileOf(control), control switch
            {
                Control.Blind => Ask(model, Controls.Blind(_samples), (_, _) => blank),
                Control.Shuffled => Ask(model, Controls.Shuffle(_samples, _configuration.Seed), pictures.Whole),
                _ => new ConstantBoxes(_data.Read(SampleTask.Refer, Split.Train)).Answer(_samples),
            });
        }

        if (setup.Features is { } features) _tell(features.Summary);
        return model.Decoding;
    }

    /// <summary>Answers of all ranks, on rank 0; a control's pictures are not noted, only its answers.</summary>
    private IReadOnlyList<Prediction> Ask(ModelAnswers model, IReadOnlyList<Sample> asked, Func<Sample, DecodeBuffer, VisionInput> picture)
    {
        // Phrases on one picture stay together, so that it is encoded once.
        var ordered = asked.OrderBy(s => s.Image, StringComparer.Ordinal).ToList();
        var share = ordered.Where((_, i) => (long)i * _world.Size / ordered.Count == _world.Rank).ToList();
        var samples = _samples.Index().ToDictionary(s => s.Item.Id, s => s);
        IReadOnlyList<Prediction> predictions = [.. model.Answer(share, picture, count => _answered(count, share.Count), _interrupt)
            .Select(p => p with
            {
                Image = samples[p.Id].Item.Image,
                Width = samples[p.Id].Item.Width,
                Height = samples[p.Id].Item.Height,
            })];
        if (_world.Size > 1)
        {
            // The ranks' shares travel as the lines of the file itself.
            var own = Path.Combine(Path.GetTempPath(), $"pfmvg-{Guid.NewGuid():N}.jsonl");
            PredictionFile.Write(own, predictions, keepPatients: true);
            var parts = _world.Gather(File.ReadAllBytes(own));
            File.Delete(own);
            if (_world.Rank != 0) return [];
            AtomicFile.Write(own, stream => { foreach (var bytes in parts) stream.Write(bytes); });
            predictions = PredictionFile.Read(own);
            File.Delete(own);
        }

        return [.. predictions.OrderBy(p => samples[p.Id].Index)];
    }

    private void Write(string path, IReadOnlyList<Prediction> predictions)
    {
        if (_world.Rank == 0) PredictionFile.Write(path, predictions);
    }

    private string FileOf(Control control) => _folder.In($"{control.ToString().ToLowerInvariant()}.jsonl");

    /// <summary>The record of this evaluation, as it will be when it is finished.</summary>
    private RunInfo Describe(DateTimeOffset started)
    {
        // Training has hashed the same files.
        var known = new[] { _folder, RunFolder.Of(_configuration, "stage1"), RunFolder.Of(_configuration, "stage2") }
            .Where(folder => File.Exists(folder.InfoPath)).Select(folder => RunInfo.Read(folder.InfoPath))
                .SelectMany(earlier => earlier.Weights.Concat(earlier.Data));
        return new RunInfo
        {
            Status = RunStatus.Finished,
            Started = started,
            Ranks = _world.Size,
            Environment = RunInfo.DescribeEnvironment(),
            Weights = RunFile.Of(GroundingSetup.WeightFiles(_configuration, _from), known, _interrupt),
            Data = RunFile.Of(new[] { _options.Split, Split.Train }.Distinct()
                .Select(split => Path.Combine(_data.Folder, Manifest.FileName(SampleTask.Refer, split))).Where(File.Exists), known,
                _interrupt),
            Counts = new Dictionary<string, long> { ["phrases"] = _samples.Count },
        };
    }

    /// <summary>The answers that are there came from the same settings, weights and data.</summary>
    private bool IsSame(RunInfo info)
    {
        if (!_options.Gather || !File.Exists(_folder.InfoPath) || !File.Exists(_folder.ConfigurationPath)
            || !File.Exists(_folder.PredictionsPath)) return false;
        var earlier = RunInfo.Read(_folder.InfoPath);
        return earlier.Status == RunStatus.Finished
            && RunFile.Changes(earlier.Weights, info.Weights).Count == 0 && RunFile.Changes(earlier.Data, info.Data).Count == 0
            && !ConfigurationFile.Differences(ConfigurationFile.Load(_folder.ConfigurationPath, []), _configuration)
                .Any(change => Relevant.Any(name => change.StartsWith(name, StringComparison.Ordinal)));
    }

    private static string FinishedStage2(PfmvgConfiguration configuration)
    {
        var folder = RunFolder.Of(configuration, "stage2");
        return File.Exists(folder.InfoPath) && RunInfo.Read(folder.InfoPath).Status == RunStatus.Finished
            ? folder.Path
            : throw new InputException($"No trained stage 2 in {folder.Path}: run `pfmvg train --stage 2` first, or name another model with --from, or --from base for the base weights alone.");
    }
}
