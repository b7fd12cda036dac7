using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Serialization;
using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>Asks the model all phrases of a split and writes predictions.jsonl: what `pfmvg eval` does before it scores.</summary>
public sealed class EvaluationRun
{
    // What answers depend on beside the weights and the data, whose content is compared.
    private static readonly string[] Relevant =
        ["seed:", "precision:", "tf32:", "model.", "cnn.", "eval.", "data.dicom:", "data.phrase_sets:"];

    private readonly Session _session;
    private readonly EvaluationOptions _options;
    private readonly RunFolder _folder;
    private readonly UsedCheckpoint? _model;
    private readonly PreparedData _data;
    private readonly IReadOnlyList<Sample> _samples;
    private readonly Dictionary<string, (int Index, Sample Sample)> _byId;
    private readonly NegativeQuestions _negatives;
    private readonly BrokenPictures _broken;

    private EvaluationRun(Session session, EvaluationOptions options, UsedCheckpoint? model)
    {
        (_session, _options, _model) = (session, options, model);
        _data = GroundingSetup.OpenData(session.Configuration);
        var listed = _data.Read(SampleTask.Refer, options.Split);
        _negatives = NegativeQuestions.Of(listed, session.Configuration, _data.Folder);
        _samples = AskedSamples.Of(session, _data, listed, options, _negatives.Samples.Count > 0);
        _broken = new BrokenPictures(session, _data, Manifest.FileName(SampleTask.Refer, options.Split), listed);
        _byId = _samples.Concat(_negatives.Samples).Index().ToDictionary(s => s.Item.Id, s => s);
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
        {
            var earlier = RunInfo.Read(folder.InfoPath);
            throw new InputException($"{folder.Path} already holds an evaluation ({folder.State(earlier)}): use "
                + (earlier.Status == RunStatus.Finished ? "" : "--resume to go on with it, ")
                + "--overwrite to answer again, or --set name=OTHER to keep both.");
        }

        if (session.IsFirst && options.Existing == ExistingRun.Resume && !File.Exists(folder.InfoPath))
            throw new InputException($"There is no evaluation in {folder.Path} to continue: start it without --resume.");
        var model = options.Trained(session.Configuration);
        session.PrepareData();
        return new EvaluationRun(session, options, model).Execute();
    }

    private EvaluationResult Execute()
    {
        var dicom = DicomPictures.Among(_samples, _session.Configuration);
        _session.Tell($"data  {_data.Title}{(dicom is null ? "" : $"; {dicom.Clause}")}");
        _broken.TellTurned(_samples);
        var info = _session.IsFirst ? Describe() : null;
        var todo = _session.World.FromRankZero(() => FindMissing(info!));
        if (todo.Any) AnswerAll(todo, info);
        else _session.Tell($"answers  as they are in {_folder.Path}");
        if (!todo.Any && info is not null) _folder.EndKilled(stopped => stopped);
        return _session.IsFirst ? Result(Wanted)
            : new EvaluationResult(_folder, [], new Dictionary<ControlCondition, IReadOnlyList<Prediction>>(), _data);
    }

    private EvaluationResult Result(IEnumerable<ControlCondition> controls) => new(_folder, Read(_folder.PredictionsPath),
        controls.ToDictionary(control => control, control => Read(FileOf(control))), _data)
    {
        Model = _model, Negatives = _negatives.In(_folder), Asked = _samples,
    };

    /// <summary>Answers from a file, which an earlier version may have written without saying that their pictures are phantoms.</summary>
    private IReadOnlyList<Prediction> Read(string path) => [.. (_options.Task == SampleTask.Refer ? PredictionFile.Read(path)
        : PredictionFile.FromBytes(InputFile.ReadBytes(path, InputFile.MostLines), path)).Select(answer =>
        _byId.TryGetValue(answer.Id, out var asked) && asked.Sample.Synthetic ? answer with { Synthetic = true } : answer)];

    /// <summary>Notes an evaluation's scores in its record, so that runs can be listed with them.</summary>
    internal static void Record(RunFolder folder, ScoreTable scores) => Record(folder, [.. scores.Weighted.Figures.Select(figure =>
        new Figure("weighted", ScoreGrid.Key(figure.Key), figure.Value.Value, null, null, scores.Weighted.Count))]);

    /// <summary>The same of figures: those of all questions together.</summary>
    internal static void Record(RunFolder folder, IReadOnlyList<Figure> figures) => (RunInfo.Read(folder.InfoPath) with
    {
        Figures = figures.Where(figure => figure is { Row: "weighted", Value: { } value } && double.IsFinite(value))
            .ToDictionary(figure => $"weighted_{figure.Metric}", figure => figure.Value!.Value),
    }).Write(folder.InfoPath);

    private ControlCondition[] Wanted => !_options.Controls ? []
        : _options.Task == SampleTask.Refer ? Enum.GetValues<ControlCondition>() : [ControlCondition.Blind, ControlCondition.Shuffled];

    /// <summary>What is not there yet, or comes from other settings, weights or data.</summary>
    /// <exception cref="InputException">An evaluation is to be continued that asked something else.</exception>
    private Missing FindMissing(RunInfo info)
    {
        var (isThere, resumes) = (File.Exists(_folder.InfoPath) && File.Exists(_folder.ConfigurationPath),
            _options.Existing == ExistingRun.Resume);
        var changes = isThere && (_options.Gather || resumes) ? Changes(info) : [];
        if (resumes && !_options.Gather && changes.Count > 0)
            throw new InputException($"{_folder.Path}: an evaluation goes on with the questions, weights and settings that it began with, "
                + $"but {string.Join("; ", changes)}: set them back, or use --overwrite to answer again.");
        var continues = isThere && (_options.Gather || resumes) && changes.Count == 0;
        return new Missing(!continues || !File.Exists(_folder.PredictionsPath)
                || _options.Gather && _broken.AreMended(PredictionFile.Read(_folder.PredictionsPath)),
            [.. Wanted.Where(control => !continues || !File.Exists(FileOf(control)))],
            _negatives.AreMissing(_folder, continues), continues, Key(info));
    }

    private void AnswerAll(Missing todo, RunInfo? info)
    {
        var clock = Stopwatch.StartNew();
        var begun = false;
        IDisposable? hold = null;
        var earlier = info is not null && todo.Continues ? RunInfo.Read(_folder.InfoPath) : null;
        info = info is null || earlier is null ? info
            : info with { Resumed = earlier.Resumed + (earlier.Status == RunStatus.Finished ? 0 : 1), Seconds = earlier.Seconds };
        try
        {
            var configuration = _session.Configuration;
            using var setup = _options.Load(configuration, _session.World.LocalRank, _model?.Path, _session.Interrupt);
            setup.Truncation = _session.Truncation;
            foreach (var line in setup.Lines) _session.Tell(line);
            var model = setup.Answers();
            info = info?.WithDecoding(model.Decoding);
            _session.World.Barrier(); // all have loaded: an interrupt finds the ranks in the same place from here on
            // Earlier answers stay until the model has loaded, and go before another rank opens its part there.
            _session.World.FromRankZero(() =>
            {
                hold = _folder.Begin(configuration, todo.Continues ? ExistingRun.Resume : ExistingRun.Overwrite);
                return true;
            });
            End(RunStatus.Running);
            begun = true; // from here on there may be answers to go on from
            AnswerAll(todo, setup, model);
            if (setup.Summary is { } summary) _session.Tell(summary);
            End(RunStatus.Finished);
        }
        catch (OperationCanceledException) when (begun)
        {
            End(RunStatus.Interrupted);
            _session.Tell($"The answers so far are kept in {_folder.Path}." + (_options.ResumeCommand is not { } command ? ""
                : $" Go on with: {(_session.World.Size > 1 ? $"mpirun -n {_session.World.Size} " : "")}{command}"));
            throw;
        }
        catch (Exception failure) when (begun && failure is not (IOException or UnauthorizedAccessException)) // a full disk takes no note
        {
            End(RunStatus.Failed, failure.Message);
            throw;
        }
        finally
        {
            hold?.Dispose();
        }

        void End(RunStatus status, string? message = null)
        {
            if (info is null) return;
            info = info with { Status = status, Message = message };
            var ended = status == RunStatus.Running ? (DateTimeOffset?)null : DateTimeOffset.UtcNow;
            (info with { Ended = ended, Seconds = info.Seconds + clock.Elapsed.TotalSeconds }).Write(_folder.InfoPath);
        }
    }

    private void AnswerAll(Missing todo, IModelSetup setup, IAnswers model)
    {
        var (configuration, pictures) = (_session.Configuration, setup.Pictures());
        var blank = new VisionInput(ControlQuestions.BlankPicture(setup.ImageSize)); // never kept as any picture's features
        if (todo.Answers) Ask(_folder.PredictionsPath, _samples, pictures.Whole);
        if (todo.Negatives) Ask(NegativeQuestions.FileOf(_folder), _negatives.Samples, pictures.Whole);
        if (_session.IsFirst) _options.Answered?.Invoke(Result([]));
        foreach (var control in todo.Controls)
        {
            _session.Tell($"control  {control.Describe()}");
            var path = FileOf(control);
            if (control == ControlCondition.Blind) Ask(path, ControlQuestions.Blind(_samples), (_, _) => blank);
            else if (control == ControlCondition.Shuffled)
                Ask(path, ControlQuestions.Shuffle(_samples, configuration.Seed), pictures.Whole);
            else if (_session.IsFirst)
                PredictionFile.Write(path, new ConstantBoxes([.. _data.Read(SampleTask.Refer, Split.Train).Where(s => s.Boxes.Count > 0)])
                    .Answer(_samples));
        }

        void Ask(string path, IReadOnlyList<Sample> asked, Func<Sample, DecodeBuffer, VisionInput> picture)
        {
            using var unfinished = new UnfinishedAnswers(path, _session.World.Rank, todo.Key);
            if (unfinished.Known.Count > 0) _session.Tell($"answers  {unfinished.Known.Count} of {asked.Count} are there already");
            var answers = this.Ask(model, unfinished, asked, picture);
            if (_session.IsFirst) PredictionFile.Write(path, answers);
            _session.World.Barrier(); // no rank lets go of its part before the whole is written
            unfinished.Remove();
        }
    }

    /// <summary>Answers of all ranks, on rank 0; a control's pictures are not noted, only its answers.</summary>
    private IReadOnlyList<Prediction> Ask(IAnswers model, UnfinishedAnswers unfinished, IReadOnlyList<Sample> asked,
        Func<Sample, DecodeBuffer, VisionInput> picture)
    {
        // Phrases on one picture stay together, so that it is encoded once.
        var (world, ordered) = (_session.World, asked.OrderBy(s => s.Image, StringComparer.Ordinal).ToList());
        var share = ordered.Where((_, i) => (long)i * world.Size / ordered.Count == world.Rank).ToList();
        var done = 0;
        IReadOnlyList<Prediction> answers = _session.InterruptedTogether(() => model.Answer(share, picture, batch =>
        {
            unfinished.Add(batch.Select(AboutOwnPicture));
            _broken.Tell(batch, asked);
            _session.ShowAnswered(done += batch.Count, share.Count);
        }, _options.Isolate, unfinished.Known, _session.Interrupt).Select(AboutOwnPicture).ToList());
        // The ranks' shares travel as lines of the file itself, in memory: they name patients.
        if (world.Size > 1)
            answers = [.. world.Gather(PredictionFile.ToBytes(answers, keepPatients: true))
                .SelectMany((bytes, rank) => PredictionFile.FromBytes(bytes, $"answers of rank {rank}"))];
        _broken.Tell(answers, asked);
        return [.. answers.OrderBy(answer => _byId[answer.Id].Index)];

        Prediction AboutOwnPicture(Prediction answer)
        {
            var sample = _byId[answer.Id].Sample;
            return answer with { Image = sample.Image, Width = sample.Width, Height = sample.Height };
        }
    }

    private string FileOf(ControlCondition control) => _folder.In($"{control.ToString().ToLowerInvariant()}.jsonl");

    /// <summary>The record of this evaluation.</summary>
    private RunInfo Describe()
    {
        var configuration = _session.Configuration; // training has hashed the same files
        RunFolder[] folders = [_folder, RunFolder.ForPart(configuration, "stage1"), RunFolder.ForPart(configuration, "stage2")];
        var known = folders.Where(folder => File.Exists(folder.InfoPath)).Select(folder => RunInfo.Read(folder.InfoPath))
            .SelectMany(earlier => earlier.Weights.Concat(earlier.Data)).ToList();
        var manifests = new[] { _options.Split, Split.Train }.Distinct()
            .Select(split => Path.Combine(_data.Folder, Manifest.FileName(SampleTask.Refer, split))).Where(File.Exists);
        return new RunInfo
        {
            Model = _model,
            Synthetic = _data.IsSynthetic,
            Dicom = DicomPictures.Among(_samples, configuration)?.Rule,
            Started = DateTimeOffset.UtcNow,
            Command = _options.Command,
            Ranks = _session.World.Size,
            Environment = RunInfo.DescribeEnvironment(),
            Weights = RunFile.HashAll(_options.WeightFiles(configuration, _model?.Path), known, _session.Interrupt),
            Data = RunFile.HashAll(manifests, known, _session.Interrupt),
            Counts = new Dictionary<string, long> { ["phrases"] = _samples.Count },
        };
    }

    /// <summary>What of questions, weights and settings differs from those of the answers that are there.</summary>
    private List<string> Changes(RunInfo info)
    {
        var earlier = RunInfo.Read(_folder.InfoPath);
        return [.. RunFile.Changes(earlier.Weights, info.Weights), .. RunFile.Changes(earlier.Data, info.Data),
            .. ConfigurationFile.Differences(ConfigurationFile.Load(_folder.ConfigurationPath, []), _session.Configuration)
                .Where(change => Relevant.Any(name => change.StartsWith(name, StringComparison.Ordinal)))];
    }

    /// <summary>The same in one word, by which a rank knows its part of unfinished answers.</summary>
    private string Key(RunInfo info)
    {
        var settings = _session.Configuration;
        var relevant = ConfigurationFile.ToYaml(new PfmvgConfiguration
        {
            Seed = settings.Seed, Precision = settings.Precision, Tf32 = settings.Tf32, Model = settings.Model, Cnn = settings.Cnn,
            Eval = settings.Eval, Data = new DataSettings { PhraseSets = settings.Data.PhraseSets },
        });
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(
            string.Join('\n', [relevant, .. info.Weights.Concat(info.Data).Select(file => file.Sha256)]))));
    }

    /// <summary>What is still to be answered, whether it adds to what is there, and the key of unfinished answers.</summary>
    private sealed record Missing(bool Answers, ControlCondition[] Controls, bool Negatives, bool Continues, string Key)
    {
        [JsonIgnore] public bool Any => Answers || Negatives || Controls.Length > 0;
    }
}
