using System.Text.RegularExpressions;
using Pfmvg.Asking;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>What is to be asked, and whom.</summary>
internal sealed record AskRequest : SplitRequest
{
    /// <summary>Where the server is.</summary>
    public required ServerAddress Server { get; init; }

    /// <summary>The model's name as the server knows it.</summary>
    public required string Model { get; init; }

    public override string Part =>
        $"ask-{Split.ToString().ToLowerInvariant()}-{Regex.Replace(Model, "[^A-Za-z0-9._-]+", "-").Trim('-', '.')}";
}

/// <summary>
/// Asks a model behind a server all phrases of a split and writes predictions.jsonl: what `pfmvg eval --ask` does before it scores.
/// Needs no weights and no libtorch.
/// </summary>
internal sealed class AskRun : SplitRun
{
    private readonly AskRequest _request;
    private readonly ChatClient _client;

    private AskRun(PfmvgConfiguration configuration, AskRequest request, ChatClient client, ISessionDisplay display)
        : base(configuration, request, display)
    {
        (_request, _client) = (request, client);
        PhraseForecast.Check([.. Samples.Select(asked => (asked.Id, asked.Text))],
            configuration.Ask!.Prompt == "ours" && configuration.Eval.NormalizeText, display.Tell);
    }

    protected override IReadOnlyList<string> Relevant =>
        ["ask.prompt:", "ask.longest_side:", "ask.multiple:", "ask.temperature:", "ask.max_tokens:", "ask.limit_field:",
            "eval.normalize_text:", "data.dicom:"];

    protected override IReadOnlyDictionary<string, string> Identity => new OrderedDictionary<string, string>
    {
        ["server"] = _request.Server.ToString(), ["model"] = _request.Model,
    };

    protected override string Conditions => "questions, server and settings";

    /// <summary>Asks what has no answer yet and writes all answers into the run folder.</summary>
    /// <returns>The run folder and the prepared data.</returns>
    /// <exception cref="InputException">
    /// The data are wrong, or the server does not answer: what it has answered is kept, and the asking can go on.
    /// </exception>
    public static (RunFolder Folder, PreparedData Data) Execute(
        PfmvgConfiguration configuration, AskRequest request, ISessionDisplay display, CancellationToken interrupt)
    {
        configuration = configuration with { Ask = configuration.Ask ?? new AskSettings() };
        Prepare(configuration, request, display, needsBase: true, interrupt);
        using var client = new ChatClient(
            request.Server, configuration.Ask, Environment.GetEnvironmentVariable(configuration.Ask.KeyVariable));
        var run = new AskRun(configuration, request, client, display);
        display.Tell($"data  {run.Data.Title}{(run.Dicom is { } dicom ? $"; {dicom.Clause}" : "")}");
        return run.Execute(interrupt);
    }

    private DicomPictures? Dicom => DicomPictures.Among(Samples, Configuration);

    protected override RunInfo Describe(CancellationToken interrupt) =>
        new() { Dicom = Dicom?.Rule, Environment = RunInfo.DescribeProgram() };

    protected override void Open(CancellationToken interrupt) => _client.Reach(interrupt).GetAwaiter().GetResult();

    protected override IReadOnlyDictionary<string, Prediction> Answer(
        IReadOnlyList<Sample> samples, int known, UnfinishedAnswers unfinished, CancellationToken interrupt) =>
        new AskedQuestions(Configuration, _request, Data, _client, Display, Rows).Answer(samples, known, unfinished, interrupt);

    protected override Prediction About(Sample sample, Prediction answer) => AskedQuestions.About(sample, answer);

    protected override Dictionary<string, long> Count(IReadOnlyList<Prediction> answers) => new()
    {
        ["phrases"] = answers.Count,
        ["pictures"] = Pictures(Samples).Count(),
        ["requests"] = _client.Requests, // of this session
        ["unanswered"] = answers.Count(answer => answer.Unanswered is not null),
        ["refused"] = answers.Count(answer => answer.Refused),
        ["prompt_tokens"] = answers.Sum(answer => answer.Usage?.Prompt ?? 0),
        ["completion_tokens"] = answers.Sum(answer => answer.Usage?.Completion ?? 0),
    };

    internal static IEnumerable<IGrouping<(string Source, string Image), Sample>> Pictures(IEnumerable<Sample> samples) =>
        samples.GroupBy(sample => (sample.Source, sample.Image));
}
