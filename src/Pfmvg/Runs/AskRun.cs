using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Pfmvg.Asking;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>What is to be asked, and whom.</summary>
internal sealed record AskRequest
{
    /// <summary>The split that is asked.</summary>
    public required Split Split { get; init; }

    /// <summary>Where the server is.</summary>
    public required ServerAddress Server { get; init; }

    /// <summary>The model's name as the server knows it.</summary>
    public required string Model { get; init; }

    /// <summary>What to do with earlier answers of this model.</summary>
    public ExistingRun Existing { get; init; } = ExistingRun.Refuse;

    /// <summary>A picture that cannot be read costs its own phrases; otherwise it ends the asking.</summary>
    public bool Isolate { get; init; } = true;

    /// <summary>The command line, for the record.</summary>
    public IReadOnlyList<string> Command { get; init; } = [];

    /// <summary>The command that goes on, for the message when the asking ends early.</summary>
    public string? ResumeCommand { get; init; }

    /// <summary>Name of the part of the run.</summary>
    public string Part => $"ask-{Split.ToString().ToLowerInvariant()}-{Regex.Replace(Model, "[^A-Za-z0-9._-]+", "-").Trim('-', '.')}";
}

/// <summary>
/// Asks a model behind a server all phrases of a split and writes predictions.jsonl: what `pfmvg eval --ask` does before it scores.
/// Needs no weights and no libtorch.
/// </summary>
internal sealed class AskRun
{
    // What answers depend on beside the server, the model and the data.
    private static readonly string[] Relevant =
        ["ask.prompt:", "ask.longest_side:", "ask.multiple:", "ask.temperature:", "ask.max_tokens:", "ask.limit_field:",
            "eval.normalize_text:", "data.dicom:"];

    private readonly PfmvgConfiguration _configuration;
    private readonly AskRequest _request;
    private readonly ISessionDisplay _display;
    private readonly RunFolder _folder;
    private readonly PreparedData _data;
    private readonly IReadOnlyList<Sample> _samples;
    private readonly Dictionary<string, int> _rows;

    private AskRun(PfmvgConfiguration configuration, AskRequest request, ISessionDisplay display)
    {
        (_configuration, _request, _display) = (configuration, request, display);
        _folder = RunFolder.ForPart(configuration, request.Part);
        _data = GroundingSetup.OpenData(configuration);
        var listed = _data.Read(SampleTask.Refer, request.Split);
        _samples = [.. listed.Where(sample => sample.Boxes.Count > 0)];
        if (_samples.Count == 0)
            throw new InputException($"{_data.Folder}: has no phrase with a box in {Manifest.FileName(SampleTask.Refer, request.Split)}, "
                + "so there is nothing to ask; prepare MS-CXR.");
        if (_samples.Count < listed.Count)
            display.Tell($"{listed.Count - _samples.Count} of {listed.Count} phrases have no true box and are not asked: nothing scores "
                + "them.");
        PhraseForecast.Check([.. _samples.Select(asked => (asked.Id, asked.Text))], Normalizes, display.Tell);
        _rows = listed.Index().ToDictionary(s => s.Item.Id, s => s.Index + 1);
    }

    private AskSettings Settings => _configuration.Ask!;

    private bool Normalizes => Settings.Prompt == "ours" && _configuration.Eval.NormalizeText;

    /// <summary>Asks what has no answer yet and writes all answers into the run folder.</summary>
    /// <returns>The run folder and the prepared data.</returns>
    /// <exception cref="InputException">
    /// The data are wrong, or the server does not answer: what it has answered is kept, and the asking can go on.
    /// </exception>
    public static (RunFolder Folder, PreparedData Data) Execute(
        PfmvgConfiguration configuration, AskRequest request, ISessionDisplay display, CancellationToken interrupt)
    {
        configuration = configuration with { Ask = configuration.Ask ?? new AskSettings() };
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
            PhantomWorkspace.Prepare(configuration, display.Tell, interrupt, display as IProgress<PhantomProgress>);
        using var client = new ChatClient(
            request.Server, configuration.Ask, Environment.GetEnvironmentVariable(configuration.Ask.KeyVariable));
        return new AskRun(configuration, request, display).Execute(client, interrupt);
    }

    private (RunFolder Folder, PreparedData Data) Execute(ChatClient client, CancellationToken interrupt)
    {
        var dicom = DicomPictures.Among(_samples, _configuration);
        _display.Tell($"data  {_data.Title}{(dicom is null ? "" : $"; {dicom.Clause}")}");
        var (info, known) = (Describe(interrupt), new Dictionary<string, Prediction>());
        var resumes = _request.Existing == ExistingRun.Resume;
        if (resumes)
        {
            var earlier = RunInfo.Read(_folder.InfoPath);
            RefuseChanges(earlier, info);
            info = info with { Resumed = earlier.Resumed + 1, Seconds = earlier.Seconds };
            if (File.Exists(_folder.PredictionsPath))
                foreach (var answer in PredictionFile.FromBytes(File.ReadAllBytes(_folder.PredictionsPath), _folder.PredictionsPath))
                    if ((answer.BrokenPicture ?? answer.Unanswered) is null) known.Add(answer.Id, answer);
            if (known.Count == _samples.Count)
            {
                _display.Tell($"answers  as they are in {_folder.Path}");
                return (_folder, _data);
            }
        }


        client.Reach(interrupt).GetAwaiter().GetResult(); // before earlier answers are removed, or a folder is made
        using var hold = _folder.Begin(_configuration, resumes ? ExistingRun.Resume : ExistingRun.Overwrite);
        if (resumes) _folder.WriteConfiguration(_configuration); // how fast is asked may change on the way
        var clock = Stopwatch.StartNew();
        End(RunStatus.Running, null);
        try
        {
            using var unfinished = new UnfinishedAnswers(_folder.PredictionsPath, rank: 0, Key(info));
            foreach (var (id, answer) in unfinished.Known) known.TryAdd(id, answer);
            if (known.Count > 0) _display.Tell($"answers  {known.Count} of {_samples.Count} are there already");
            var questions = new AskedQuestions(_configuration, _request, _data, client, _display, _rows);
            var answers = questions.Answer(
                [.. _samples.Where(sample => !known.ContainsKey(sample.Id))], known.Count, unfinished, interrupt);
            List<Prediction> all = [.. _samples.Select(sample => AskedQuestions.About(sample, known.GetValueOrDefault(sample.Id)
                ?? answers[sample.Id]))];
            PredictionFile.Write(_folder.PredictionsPath, all);
            unfinished.Remove();
            info = info with { Counts = Count(all, client.Requests) };
            End(RunStatus.Finished, null);
        }
        catch (OperationCanceledException)
        {
            End(RunStatus.Interrupted, null);
            _display.Tell($"The answers so far are kept in {_folder.Path}."
                + (_request.ResumeCommand is { } command ? $" Go on with: {command}" : ""));
            throw;
        }
        catch (InputException failure)
        {
            End(RunStatus.Failed, failure.Message);
            throw;
        }

        return (_folder, _data);

        void End(RunStatus status, string? message) => (info with
        {
            Status = status,
            Message = message,
            Ended = status == RunStatus.Running ? null : DateTimeOffset.UtcNow,
            Seconds = info.Seconds + clock.Elapsed.TotalSeconds,
        }).Write(_folder.InfoPath);
    }

    private Dictionary<string, long> Count(List<Prediction> answers, long requests) => new()
    {
        ["phrases"] = answers.Count,
        ["pictures"] = Pictures(_samples).Count(),
        ["requests"] = requests, // of this session
        ["unanswered"] = answers.Count(answer => answer.Unanswered is not null),
        ["refused"] = answers.Count(answer => answer.Refused),
        ["prompt_tokens"] = answers.Sum(answer => answer.Usage?.Prompt ?? 0),
        ["completion_tokens"] = answers.Sum(answer => answer.Usage?.Completion ?? 0),
    };

    internal static IEnumerable<IGrouping<(string Source, string Image), Sample>> Pictures(IEnumerable<Sample> samples) =>
        samples.GroupBy(sample => (sample.Source, sample.Image));

    private RunInfo Describe(CancellationToken interrupt) => new()
    {
        Synthetic = _data.IsSynthetic,
        Dicom = DicomPictures.Among(_samples, _configuration)?.Rule,
        Started = DateTimeOffset.UtcNow,
        Command = _request.Command,
        Environment = new Dictionary<string, string>(RunInfo.DescribeProgram())
        {
            ["server"] = _request.Server.ToString(), ["model"] = _request.Model,
        },
        Data = RunFile.HashAll([Path.Combine(_data.Folder, Manifest.FileName(SampleTask.Refer, _request.Split))], cancel: interrupt),
        Counts = new Dictionary<string, long> { ["phrases"] = _samples.Count },
    };

    /// <exception cref="InputException">Earlier answers are those to something else.</exception>
    private void RefuseChanges(RunInfo earlier, RunInfo now)
    {
        List<string> changes =
        [
            .. new[] { "server", "model" }.Where(name => earlier.Environment.GetValueOrDefault(name) != now.Environment[name])
                .Select(name => $"{name}: {earlier.Environment.GetValueOrDefault(name, "none")} -> {now.Environment[name]}"),
            .. RunFile.Changes(earlier.Data, now.Data),
            .. ConfigurationFile.Differences(ConfigurationFile.Load(_folder.ConfigurationPath, []), _configuration)
                .Where(change => Relevant.Any(name => change.StartsWith(name, StringComparison.Ordinal))),
        ];
        if (changes.Count > 0)
            throw new InputException($"{_folder.Path}: the asking goes on with the questions, server and settings that it began with, but "
                + $"{string.Join("; ", changes)}: set them back, use --overwrite to ask again, or --set name=OTHER to keep both.");
    }

    /// <summary>The same in one word, by which unfinished answers are known.</summary>
    private string Key(RunInfo info)
    {
        var settings = ConfigurationFile.Settings(_configuration).Select(setting => $"{setting.Key}: {setting.Value}")
            .Where(setting => Relevant.Any(name => setting.StartsWith(name, StringComparison.Ordinal)));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n',
            [info.Environment["server"], info.Environment["model"], .. settings, .. info.Data.Select(file => file.Sha256)]))));
    }
}
