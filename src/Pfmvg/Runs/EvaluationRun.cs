using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
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

    /// <summary>What to do with answers that are there and not gathered; a command refuses unless it is asked to overwrite.</summary>
    public ExistingRun Existing { get; init; } = ExistingRun.Overwrite;

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>Answers for the controls, too (<see cref="ControlCondition"/>).</summary>
    public bool Controls { get; init; }

    /// <summary>The folder of the answers.</summary>
    public RunFolder Folder(PfmvgConfiguration configuration) =>
        RunFolder.ForPart(configuration, Part ?? $"eval-{Split.ToString().ToLowerInvariant()}");

    /// <summary>The trained tensors of the model, which are there; null for the base weights alone.</summary>
    /// <exception cref="InputException">There is no trained model.</exception>
    internal string? Trained(PfmvgConfiguration configuration)
    {
        if (FromBase) return null;
        var from = From ?? FinishedStage2(configuration);
        _ = GroundingSetup.Trained(from);
        return from;
    }

    private static string FinishedStage2(PfmvgConfiguration configuration)
    {
        var folder = RunFolder.ForPart(configuration, "stage2");
        return File.Exists(folder.InfoPath) && RunInfo.Read(folder.InfoPath).Status == RunStatus.Finished
            ? folder.Path
            : throw new InputException($"No trained stage 2 in {folder.Path}: run `pfmvg train --stage 2` first, or name "
                + "another model with --from, or --from base for the base weights alone.");
    }
}

/// <summary>A split answered.</summary>
/// <param name="Folder">Where predictions.jsonl is, and a file of the same form for each control.</param>
/// <param name="Predictions">The answers in the order of the manifest; empty on other ranks than 0.</param>
/// <param name="Controls">The controls' answers in the same order; empty when they were not asked for.</param>
/// <param name="Data">The prepared data.</param>
public sealed record EvaluationResult(
    RunFolder Folder, IReadOnlyList<Prediction> Predictions, IReadOnlyDictionary<ControlCondition, IReadOnlyList<Prediction>> Controls,
    PreparedData Data);

/// <summary>Asks the model all phrases of a split and writes predictions.jsonl: what `pfmvg eval` does before it scores.</summary>
public sealed class EvaluationRun
{
    // What answers depend on beside the weights and the data, whose content is compared.
    private static readonly string[] Relevant = ["seed:", "precision:", "tf32:", "model.", "eval.", "data.dicom:"];

    private readonly Session _session;
    private readonly EvaluationOptions _options;
    private readonly RunFolder _folder;
    private readonly string? _from;
    private readonly PreparedData _data;
    private readonly IReadOnlyList<Sample> _samples;
    private readonly Dictionary<string, (int Index, Sample Sample)> _byId;

    private EvaluationRun(Session session, EvaluationOptions options, string? from)
    {
        (_session, _options, _from) = (session, options, from);
        _data = GroundingSetup.OpenData(session.Configuration);
        var listed = _data.Read(SampleTask.Refer, options.Split);
        _samples = [.. listed.Where(sample => sample.Boxes.Count > 0)];
        if (_samples.Count < listed.Count)
            session.Tell($"{listed.Count - _samples.Count} of {listed.Count} phrases have no true box and are not asked: "
                + "nothing scores them.");
        if (_samples.Count == 0)
            throw new InputException($"{_data.Folder}: has no {Manifest.FileName(SampleTask.Refer, options.Split)}, so there is "
                + "nothing to evaluate; prepare MS-CXR.");
        PhraseForecast.Check([.. _samples.Select(asked => (asked.Id, asked.Text))], session.Configuration.Eval.NormalizeText, session.Tell);
        _byId = _samples.Index().ToDictionary(s => s.Item.Id, s => s);
        _folder = options.Folder(session.Configuration);
    }

    /// <summary>Answers a split, and its controls where they are wanted, into files in its run folder.</summary>
    /// <param name="session">The configuration, and who answers together. Answers that are not complete are not written.</param>
    /// <param name="options">What is answered by which model.</param>
    /// <exception cref="InputException">There is no trained model, no such split, or the data or weights are wrong.</exception>
    public static EvaluationResult Execute(Session session, EvaluationOptions options)
    {
        var folder = options.Folder(session.Configuration);
        if (session.IsFirst && options is { Existing: ExistingRun.Refuse, Gather: false } && File.Exists(folder.InfoPath))
            throw new InputException($"{folder.Path} already holds an evaluation ({folder.State(RunInfo.Read(folder.InfoPath))}): use "
                + "--overwrite to answer again, or --set name=OTHER to keep both.");
        var from = options.Trained(session.Configuration);
        session.PrepareData();
        return new EvaluationRun(session, options, from).Execute();
    }

    private EvaluationResult Execute()
    {
        var started = DateTimeOffset.UtcNow;
        var dicom = DicomPictures.Among(_samples, _session.Configuration);
        _session.Tell($"data  {_data.Title}{(dicom is null ? "" : $"; {dicom.Clause}")}");
        var info = _session.IsFirst ? Describe(started) : null;
        var todo = _session.World.FromRankZero(() => FindMissing(info!));
        if (todo is { Answers: false, Controls: [] })
        {
            _session.Tell($"answers  as they are in {_folder.Path}");
        }
        else
        {
            using var hold = _session.IsFirst
                ? _folder.Begin(_session.Configuration, todo.Answers ? ExistingRun.Overwrite : ExistingRun.Resume) : null;
            var decoding = AnswerAll(todo);
            var ended = DateTimeOffset.UtcNow;
            if (info is not null)
                (info.WithDecoding(decoding) with { Ended = ended, Seconds = (ended - started).TotalSeconds }).Write(_folder.InfoPath);
        }

        return !_session.IsFirst
            ? new EvaluationResult(_folder, [], new Dictionary<ControlCondition, IReadOnlyList<Prediction>>(), _data)
            : new EvaluationResult(_folder, Read(_folder.PredictionsPath),
                Wanted.ToDictionary(control => control, control => Read(FileOf(control))), _data);
    }

    /// <summary>Answers from a file, which an earlier version may have written without saying that their pictures are phantoms.</summary>
    private IReadOnlyList<Prediction> Read(string path) => [.. PredictionFile.Read(path).Select(answer =>
        _byId.TryGetValue(answer.Id, out var asked) && asked.Sample.Synthetic ? answer with { Synthetic = true } : answer)];

    /// <summary>Notes an evaluation's scores in its record, so that runs can be listed with them.</summary>
    internal static void Record(RunFolder folder, ScoreTable scores)
    {
        var info = RunInfo.Read(folder.InfoPath);
        (info with
        {
            Figures = scores.Weighted.Figures.Where(figure => double.IsFinite(figure.Value.Value))
                .ToDictionary(figure => $"weighted_{ScoreJson.Key(figure.Key)}", figure => figure.Value.Value),
        }).Write(folder.InfoPath);
    }

    private ControlCondition[] Wanted => _options.Controls ? Enum.GetValues<ControlCondition>() : [];

    /// <summary>What is not there yet, or comes from other settings, weights or data.</summary>
    private Missing FindMissing(RunInfo info) =>
        IsSame(info) ? new Missing(false, [.. Wanted.Where(control => !File.Exists(FileOf(control)))]) : new Missing(true, Wanted);

    /// <returns>How tokens were computed.</returns>
    private string AnswerAll(Missing todo)
    {
        var configuration = _session.Configuration;
        using var setup = GroundingSetup.Load(configuration, _session.World.LocalRank, configuration.Stage2.MaxAnswerTokens, _from);
        foreach (var file in setup.Files) _session.Tell($"weights  {file.Path}: {file.Report}");
        foreach (var note in setup.Notes) _session.Tell(note);
        var (model, pictures) = (setup.Answers(), setup.Pictures());
        var blank = new VisionInput(ControlQuestions.BlankPicture(configuration.Model.ImageSize)); // never kept as any picture's features
        if (todo.Answers) Write(_folder.PredictionsPath, Ask(model, _samples, pictures.Whole));
        foreach (var control in todo.Controls)
        {
            _session.Tell($"control  {control.Describe()}");
            Write(FileOf(control), control switch
            {
                ControlCondition.Blind => Ask(model, ControlQuestions.Blind(_samples), (_, _) => blank),
                ControlCondition.Shuffled => Ask(model, ControlQuestions.Shuffle(_samples, configuration.Seed), pictures.Whole),
                _ => new ConstantBoxes([.. _data.Read(SampleTask.Refer, Split.Train).Where(s => s.Boxes.Count > 0)]).Answer(_samples),
            });
        }

        if (setup.Features is { } features) _session.Tell(features.Summary);
        return model.Decoding;
    }

    /// <summary>Answers of all ranks, on rank 0; a control's pictures are not noted, only its answers.</summary>
    private IReadOnlyList<Prediction> Ask(ModelAnswers model, IReadOnlyList<Sample> asked, Func<Sample, DecodeBuffer, VisionInput> picture)
    {
        // Phrases on one picture stay together, so that it is encoded once.
        var (world, ordered) = (_session.World, asked.OrderBy(s => s.Image, StringComparer.Ordinal).ToList());
        var share = ordered.Where((_, i) => (long)i * world.Size / ordered.Count == world.Rank).ToList();
        IReadOnlyList<Prediction> answers =
            model.Answer(share, picture, count => _session.ShowAnswered(count, share.Count), _session.Interrupt);
        answers = [.. answers.Select(answer => AboutOwnPicture(answer, _byId[answer.Id].Sample))];
        // The ranks' shares travel as lines of the file itself, in memory: they name patients.
        if (world.Size > 1)
            answers = [.. world.Gather(PredictionFile.ToBytes(answers, keepPatients: true))
                .SelectMany((bytes, rank) => PredictionFile.FromBytes(bytes, $"answers of rank {rank}"))];
        return [.. answers.OrderBy(answer => _byId[answer.Id].Index)];

        static Prediction AboutOwnPicture(Prediction answer, Sample sample) =>
            answer with { Image = sample.Image, Width = sample.Width, Height = sample.Height };
    }

    private void Write(string path, IReadOnlyList<Prediction> predictions)
    {
        if (_session.IsFirst) PredictionFile.Write(path, predictions);
    }

    private string FileOf(ControlCondition control) => _folder.In($"{control.ToString().ToLowerInvariant()}.jsonl");

    /// <summary>The record of this evaluation, as it will be when it is finished.</summary>
    private RunInfo Describe(DateTimeOffset started)
    {
        // Training has hashed the same files.
        var configuration = _session.Configuration;
        RunFolder[] folders = [_folder, RunFolder.ForPart(configuration, "stage1"), RunFolder.ForPart(configuration, "stage2")];
        var known = folders.Where(folder => File.Exists(folder.InfoPath)).Select(folder => RunInfo.Read(folder.InfoPath))
            .SelectMany(earlier => earlier.Weights.Concat(earlier.Data)).ToList();
        var manifests = new[] { _options.Split, Split.Train }.Distinct()
            .Select(split => Path.Combine(_data.Folder, Manifest.FileName(SampleTask.Refer, split))).Where(File.Exists);
        return new RunInfo
        {
            Status = RunStatus.Finished,
            Synthetic = _data.IsSynthetic,
            Dicom = DicomPictures.Among(_samples, configuration)?.Rule,
            Started = started,
            Command = _options.Command,
            Ranks = _session.World.Size,
            Environment = RunInfo.DescribeEnvironment(),
            Weights = RunFile.HashAll(GroundingSetup.WeightFiles(configuration, _from), known, _session.Interrupt),
            Data = RunFile.HashAll(manifests, known, _session.Interrupt),
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
            && !ConfigurationFile.Differences(ConfigurationFile.Load(_folder.ConfigurationPath, []), _session.Configuration)
                .Any(change => Relevant.Any(name => change.StartsWith(name, StringComparison.Ordinal)));
    }

    /// <summary>What is still to be answered.</summary>
    private sealed record Missing(bool Answers, ControlCondition[] Controls);
}
