using Pfmvg.Answering;
using Pfmvg.Asking;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;

namespace Pfmvg.Runs;

/// <summary>Sends the questions of an asking, several pictures at a time, and keeps each answer as it comes.</summary>
internal sealed class AskedQuestions(PfmvgConfiguration configuration, AskRequest request, PreparedData data, ChatClient client,
    ISessionDisplay display, IReadOnlyDictionary<string, int> rows)
{
    // A server that leaves so many phrases in a row without an answer, about so many pictures, does not only fail on some of them.
    private const int MostInARow = 5, MostPictures = 3;

    private readonly TruncationGuard _truncation = new(configuration.Data.TruncatedPictures, display.Tell);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Prediction> _answers = [];
    private readonly HashSet<string> _failing = []; // pictures since the last answer
    private int _inARow, _cut;
    private bool _stopped;
    private long _tokens;

    private AskSettings Settings => configuration.Ask!;

    /// <summary>Asks the phrases, and gives the answers by the samples' identifiers.</summary>
    /// <param name="samples">What has no answer yet.</param>
    /// <param name="known">How many phrases have one.</param>
    /// <param name="unfinished">Keeps each answer.</param>
    /// <param name="interrupt">Stops.</param>
    /// <exception cref="InputException">The server does not answer, or a picture is not isolated and cannot be read.</exception>
    public IReadOnlyDictionary<string, Prediction> Answer(
        IReadOnlyList<Sample> samples, int known, UnfinishedAnswers unfinished, CancellationToken interrupt)
    {
        var pictures = AskRun.Pictures(samples).ToList();
        var server = request.Server;
        display.Tell($"sending  {Units.Count(pictures.Count)} pictures and {Units.Count(samples.Count)} phrases to {server}, "
            + (server.IsLoopback ? "this machine" : "ANOTHER MACHINE"
                + (server.Endpoint.Scheme == "http" ? ", without encryption" : ""))
            + $", and asking {request.Model}: {AskPrompt.Wording(Settings.Prompt)}");
        var all = known + samples.Count;
        var limits = new ParallelOptions { MaxDegreeOfParallelism = Settings.Concurrency, CancellationToken = interrupt };
        Parallel.ForEachAsync(pictures, limits, async (phrases, cancel) =>
        {
            var (picture, fault) = Encode(phrases.First());
            foreach (var sample in phrases)
            {
                cancel.ThrowIfCancellationRequested();
                var answer = picture is null ? ModelAnswers.Question(sample) with { BrokenPicture = fault }
                    : await Ask(sample, picture, cancel);
                lock (_gate) Keep(sample, answer, all, known, unfinished);
            }
        }).GetAwaiter().GetResult();
        if (_answers.Count > 0 && _answers.Values.All(answer => answer.Unanswered is not null))
            throw NoAnswers(_answers.Count == 1 ? "to the only phrase" : $"to any of {_answers.Count} phrases", _answers.Values.Last());
        if (_cut > 0)
            display.Tell($"{_cut} of {samples.Count} answers ended at ask.max_tokens={Settings.MaxTokens}; more may complete them.");
        return _answers;
    }

    /// <summary>A sample as a question with an answer that came earlier or from elsewhere.</summary>
    public static Prediction About(Sample sample, Prediction answer) => ModelAnswers.Question(sample) with
    {
        Answer = answer.Answer, Confidence = answer.Confidence, BrokenPicture = answer.BrokenPicture, Unanswered = answer.Unanswered,
        Refused = answer.Refused, Sent = answer.Sent, Usage = answer.Usage,
    };

    private async Task<Prediction> Ask(Sample sample, AskedPicture picture, CancellationToken cancel)
    {
        var question = AskPrompt.Text(Settings.Prompt, sample.Text, configuration.Eval.NormalizeText);
        var body = ChatRequest.Write(request.Model, picture.Png, question, Settings);
        var reply = await client.Ask(body, sample.Text, new CounterRandom(configuration.Seed, $"wait {sample.Id}"), cancel);
        if (reply.AtLimit) Interlocked.Increment(ref _cut);
        var asked = ModelAnswers.Question(sample);
        return reply.Fault is { } fault ? asked with { Unanswered = fault } : asked with
        {
            Answer = reply.Text, Refused = reply.Refused, Confidence = reply.Confidence, Usage = reply.Usage, Sent = picture.Frame,
        };
    }

    private void Keep(Sample sample, Prediction answer, int all, int known, UnfinishedAnswers unfinished)
    {
        unfinished.Add([answer]);
        _answers.Add(sample.Id, answer);
        if ((answer.BrokenPicture ?? answer.Unanswered) is { } fault)
            display.Tell($"{Manifest.FileName(SampleTask.Refer, request.Split)}:{rows[sample.Id]}: not answered, scores 0: "
                + fault);
        if (answer.Answer is not null)
        {
            _inARow = 0;
            _failing.Clear();
        }
        else if (answer.Unanswered is not null)
        {
            _inARow++;
            _failing.Add(sample.Image);
        }

        if (_inARow >= MostInARow && _failing.Count >= MostPictures && !_stopped)
        {
            _stopped = true;
            throw NoAnswers($"to {_inARow} phrases in a row", answer);
        }

        _tokens += (answer.Usage?.Prompt ?? 0) + (answer.Usage?.Completion ?? 0);
        display.Asked(known + _answers.Count, all, _tokens > 0 ? $", {Units.Count(_tokens)} tokens" : "");
    }

    private InputException NoAnswers(string which, Prediction last) => new($"--ask {request.Server}: no answer {which} "
        + $"({last.Unanswered}); the answers so far are kept, so put it right and go on with --resume.");

    /// <summary>A picture as it is sent, or why it cannot be read.</summary>
    private (AskedPicture? Picture, string? Fault) Encode(Sample sample)
    {
        try
        {
            var path = data.ImagePath(sample);
            var picture = _truncation.Judge(ImageFile.Decode(path, null, configuration.Data.Dicom), path);
            return (picture.Width, picture.Height) == (sample.Width, sample.Height) ? (AskedPicture.Of(picture, Settings), null)
                : throw new InputException($"{Privacy.Mask(path)}: the picture has {picture.Width} x {picture.Height} pixels, but "
                    + $"{sample.Width} x {sample.Height} when the data were prepared; prepare them again.");
        }
        catch (InputException broken) when (request.Isolate)
        {
            return (null, broken.Message);
        }
    }
}
