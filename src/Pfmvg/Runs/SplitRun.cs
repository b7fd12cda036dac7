using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>What a model that is not ours is to answer.</summary>
internal abstract record SplitRequest
{
    /// <summary>The split that is asked.</summary>
    public required Split Split { get; init; }

    /// <summary>What to do with earlier answers of this model.</summary>
    public ExistingRun Existing { get; init; } = ExistingRun.Refuse;

    /// <summary>A picture that cannot be read costs its own phrases; otherwise it ends the asking.</summary>
    public bool Isolate { get; init; } = true;

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>The command that goes on, for the message when the asking ends early.</summary>
    public string? ResumeCommand { get; init; }

    /// <summary>Name of the part of the run.</summary>
    public abstract string Part { get; }
}

/// <summary>
/// A split that a model which is not ours answers into a run folder: earlier answers, going on with them, the record, and the end of it.
/// One process.
/// </summary>
internal abstract class SplitRun
{
    private readonly SplitRequest _request;

    protected SplitRun(PfmvgConfiguration configuration, SplitRequest request, ISessionDisplay display)
    {
        (Configuration, _request, Display) = (configuration, request, display);
        Folder = RunFolder.ForPart(configuration, request.Part);
        Data = GroundingSetup.OpenData(configuration);
        var listed = Data.Read(SampleTask.Refer, request.Split);
        Samples = [.. listed.Where(sample => sample.Boxes.Count > 0)];
        if (Samples.Count == 0)
            throw new InputException($"{Data.Folder}: has no phrase with a box in {ManifestName}, "
                + "so there is nothing to ask; prepare MS-CXR.");
        if (Samples.Count < listed.Count)
            display.Tell($"{listed.Count - Samples.Count} of {listed.Count} phrases have no true box and are not asked: nothing scores "
                + "them.");
        Rows = listed.Index().ToDictionary(s => s.Item.Id, s => s.Index + 1);
    }

    protected PfmvgConfiguration Configuration { get; }

    protected ISessionDisplay Display { get; }

    protected RunFolder Folder { get; }

    protected PreparedData Data { get; }

    /// <summary>The phrases that are asked: those with a true box.</summary>
    protected IReadOnlyList<Sample> Samples { get; }

    /// <summary>Rows of the manifest by the samples' identifiers, from 1.</summary>
    protected IReadOnlyDictionary<string, int> Rows { get; }

    /// <summary>Name of the split's manifest.</summary>
    protected string ManifestName => Manifest.FileName(SampleTask.Refer, _request.Split);

    /// <summary>Beginnings of the settings that answers depend on.</summary>
    protected abstract IReadOnlyList<string> Relevant { get; }

    /// <summary>What names the model in the record.</summary>
    protected abstract IReadOnlyDictionary<string, string> Identity { get; }

    /// <summary>What goes on, in messages: "questions, server and settings".</summary>
    protected abstract string Conditions { get; }

    /// <summary>The record, without what every such run notes.</summary>
    protected abstract RunInfo Describe(CancellationToken interrupt);

    /// <summary>Makes sure that the model answers; earlier answers are there until then.</summary>
    protected abstract void Open(CancellationToken interrupt);

    /// <summary>The answers to some samples, by their identifiers.</summary>
    protected abstract IReadOnlyDictionary<string, Prediction> Answer(
        IReadOnlyList<Sample> samples, int known, UnfinishedAnswers unfinished, CancellationToken interrupt);

    /// <summary>A sample as a question with an answer that came earlier or from elsewhere.</summary>
    protected abstract Prediction About(Sample sample, Prediction answer);

    /// <summary>Whether an answer from earlier still holds.</summary>
    protected virtual bool Holds(Prediction answer) => (answer.BrokenPicture ?? answer.Unanswered) is null;

    /// <summary>Whether there is more to answer than the split itself, and it is not there yet.</summary>
    protected virtual bool HasMore => false;

    /// <summary>Answers that, after the split.</summary>
    /// <param name="key">Stands for questions, weights and settings.</param>
    /// <param name="interrupt">Ends it.</param>
    protected virtual void AnswerMore(string key, CancellationToken interrupt)
    {
    }

    /// <summary>What is counted of all answers.</summary>
    protected abstract Dictionary<string, long> Count(IReadOnlyList<Prediction> answers);

    /// <summary>Refuses earlier answers that may not be touched, and draws the phantoms that a configuration may ask for.</summary>
    protected static void Prepare(PfmvgConfiguration configuration, SplitRequest request, ISessionDisplay display, bool needsBase,
        CancellationToken interrupt)
    {
        var folder = RunFolder.ForPart(configuration, request.Part);
        var isThere = File.Exists(folder.InfoPath) && UnfinishedAnswers.AreThere(folder.PredictionsPath);
        if (isThere && request.Existing == ExistingRun.Refuse)
        {
            var earlier = RunInfo.Read(folder.InfoPath);
            throw new InputException($"{folder.Path} already holds answers of this model ({folder.State(earlier)}): use --resume to "
                + "go on with what has no answer, --overwrite to ask again, or --set name=OTHER to keep both.");
        }

        if (!isThere && request.Existing == ExistingRun.Resume)
            throw new InputException($"There are no answers in {folder.Path} to go on with: start without --resume.");
        if (!OutputFolder.IsPrepared(configuration.Resolve(configuration.Data.Folder)))
            PhantomWorkspace.Prepare(
                configuration, display.Tell, interrupt, display as IProgress<PhantomProgress>, needsBase);
    }

    /// <summary>Asks what has no answer yet and writes all answers into the run folder.</summary>
    /// <exception cref="InputException">Earlier answers are those to something else, or the model cannot answer.</exception>
    protected (RunFolder Folder, PreparedData Data) Execute(CancellationToken interrupt)
    {
        var (info, known) = (DescribeAll(interrupt), new Dictionary<string, Prediction>());
        var resumes = _request.Existing == ExistingRun.Resume;
        if (resumes)
        {
            var earlier = RunInfo.Read(Folder.InfoPath);
            RefuseChanges(earlier, info);
            info = info with { Resumed = earlier.Resumed + 1, Seconds = earlier.Seconds };
            if (File.Exists(Folder.PredictionsPath))
            {
                var earlierAnswers = InputFile.ReadBytes(Folder.PredictionsPath, InputFile.MostLines);
                foreach (var answer in PredictionFile.FromBytes(earlierAnswers, Folder.PredictionsPath))
                    if (Holds(answer)) known.Add(answer.Id, answer);
            }

            if (known.Count == Samples.Count && !HasMore)
            {
                Display.Tell($"answers  as they are in {Folder.Path}");
                Folder.EndKilled(stopped => stopped with { Counts = Count([.. known.Values]) });
                return (Folder, Data);
            }
        }

        Open(interrupt); // before earlier answers are removed, or a folder is made
        using var hold = Folder.Begin(Configuration, resumes ? ExistingRun.Resume : ExistingRun.Overwrite);
        if (resumes) Folder.WriteConfiguration(Configuration); // what answers do not depend on may change on the way
        var clock = Stopwatch.StartNew();
        End(RunStatus.Running, null);
        try
        {
            using var unfinished = new UnfinishedAnswers(Folder.PredictionsPath, rank: 0, Key(info));
            foreach (var (id, answer) in unfinished.Known)
                if (Holds(answer)) known.TryAdd(id, answer);
            if (known.Count > 0) Display.Tell($"answers  {known.Count} of {Samples.Count} are there already");
            var answers = Answer([.. Samples.Where(sample => !known.ContainsKey(sample.Id))], known.Count, unfinished, interrupt);
            List<Prediction> all =
                [.. Samples.Select(sample => About(sample, known.GetValueOrDefault(sample.Id) ?? answers[sample.Id]))];
            PredictionFile.Write(Folder.PredictionsPath, all);
            unfinished.Remove();
            AnswerMore(Key(info), interrupt);
            info = info with { Counts = Count(all) };
            End(RunStatus.Finished, null);
        }
        catch (OperationCanceledException)
        {
            End(RunStatus.Interrupted, null);
            Display.Tell($"The answers so far are kept in {Folder.Path}."
                + (_request.ResumeCommand is { } command ? $" Go on with: {command}" : ""));
            throw;
        }
        catch (InputException failure)
        {
            End(RunStatus.Failed, failure.Message);
            throw;
        }

        return (Folder, Data);

        void End(RunStatus status, string? message) => (info with
        {
            Status = status,
            Message = message,
            Ended = status == RunStatus.Running ? null : DateTimeOffset.UtcNow,
            Seconds = info.Seconds + clock.Elapsed.TotalSeconds,
        }).Write(Folder.InfoPath);
    }

    private RunInfo DescribeAll(CancellationToken interrupt)
    {
        var own = Describe(interrupt);
        return own with
        {
            Synthetic = Data.IsSynthetic,
            Started = DateTimeOffset.UtcNow,
            Command = _request.Command,
            Environment = new Dictionary<string, string>(own.Environment.Concat(Identity)),
            Data = RunFile.HashAll([Path.Combine(Data.Folder, ManifestName)], cancel: interrupt),
            Counts = new Dictionary<string, long> { ["phrases"] = Samples.Count },
        };
    }

    /// <exception cref="InputException">Earlier answers are those to something else.</exception>
    private void RefuseChanges(RunInfo earlier, RunInfo now)
    {
        List<string> changes =
        [
            .. Identity.Keys.Where(name => earlier.Environment.GetValueOrDefault(name) != now.Environment[name])
                .Select(name => $"{name}: {earlier.Environment.GetValueOrDefault(name, "none")} -> {now.Environment[name]}"),
            .. RunFile.Changes(earlier.Weights, now.Weights),
            .. RunFile.Changes(earlier.Data, now.Data),
            .. ConfigurationFile.Differences(ConfigurationFile.Load(Folder.ConfigurationPath, []), Configuration)
                .Where(change => Relevant.Any(name => change.StartsWith(name, StringComparison.Ordinal))),
        ];
        if (changes.Count > 0)
            throw new InputException($"{Folder.Path}: the asking goes on with the {Conditions} that it began with, but "
                + $"{string.Join("; ", changes)}: set them back, use --overwrite to ask again, or --set name=OTHER to keep both.");
    }

    /// <summary>The same in one word, by which unfinished answers are known.</summary>
    private string Key(RunInfo info)
    {
        var settings = ConfigurationFile.Settings(Configuration).Select(setting => $"{setting.Key}: {setting.Value}")
            .Where(setting => Relevant.Any(name => setting.StartsWith(name, StringComparison.Ordinal)));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n',
            [.. Identity.Values, .. settings, .. info.Weights.Concat(info.Data).Select(file => file.Sha256)]))));
    }
}
