using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Pfmvg.Serving;
using Pfmvg.Text;

namespace Pfmvg.Cli.Serving;

/// <summary>How a request wants its answers decoded; what it leaves open is as configured.</summary>
internal sealed record AskedManner
{
    public bool? Constrained { get; init; }

    public long? MaxTokens { get; init; }

    public double? Temperature { get; init; }

    public double? TopP { get; init; }

    public long? Seed { get; init; }

    public IReadOnlyList<string> Stops { get; init; } = [];

    /// <summary>The field `constrain` of a JSON body, an addition of ours: boxes, none, or left out.</summary>
    public static bool? ReadConstraint(JsonElement body) =>
        body.Member("constrain") is { } word ? ReadConstraint(word.ValueKind == JsonValueKind.String ? word.GetString()! : "") : null;

    /// <summary>The word for what decoding is restricted to.</summary>
    public static bool ReadConstraint(string word) => word switch
    {
        "boxes" => true,
        "none" => false,
        _ => throw ApiError.Wrong("constrain", "must be \"boxes\" or \"none\"."),
    };
}

/// <summary>Between the requests and the model: pictures are decoded here, questions wait here, and time runs out here.</summary>
internal sealed class AnswerDesk(ServedModel model, AnswerQueue queue, PictureShelf shelf, ServerOptions options) : IDisposable
{
    private readonly SemaphoreSlim _decoding = new(Environment.ProcessorCount); // one large picture's memory for each core, no more

    public string Model => model.Name;

    /// <summary>Questions that one request may ask.</summary>
    public int MostQuestions => queue.Capacity;

    /// <summary>Refuses a request before it is read where it would be refused afterwards.</summary>
    public void RequirePlace()
    {
        if (queue.IsClosed) throw Closing();
        if (queue.Waiting >= queue.Capacity) throw Full();
    }

    /// <summary>The time of a request: cancelled by its client or by the deadline.</summary>
    public CancellationTokenSource Clock(HttpContext context)
    {
        var clock = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        clock.CancelAfter(options.Deadline);
        return clock;
    }

    /// <summary>Decodes a picture, away from the threads that serve.</summary>
    public Task<ServedPicture> Picture(ReadOnlyMemory<byte> file, CancellationToken cancel) =>
        Decode(() => shelf.Read(file), cancel);

    /// <summary>Work on a picture's pixels under the same bounds.</summary>
    public async Task<T> Decode<T>(Func<T> work, CancellationToken cancel)
    {
        await _decoding.WaitAsync(cancel);
        try
        {
            return await Task.Run(work, cancel);
        }
        finally
        {
            _decoding.Release();
        }
    }

    /// <summary>What a request asks for, made whole and checked.</summary>
    /// <exception cref="ApiError">The model cannot do it.</exception>
    public AnswerManner Manner(AskedManner asked)
    {
        var usual = model.Usual;
        var manner = new AnswerManner(asked.Constrained ?? usual.Constrained, (int)Math.Min(asked.MaxTokens ?? usual.MaxTokens,
            usual.MaxTokens), asked.Temperature ?? usual.Temperature, asked.TopP ?? usual.TopP,
            usual.Expected && asked.Temperature is null); // a temperature asks for one draw, or with 0 for the likeliest tokens
        if (manner.Temperature == 0) manner = manner with { TopP = 1 }; // no draw: whatever else it says, it is the same manner
        if (manner.Constrained && model.ShortestBox is not { } shortest)
            throw ApiError.Wrong("constrain", "the tokenizer of this model has no pieces for boxes; leave it out.");
        else if (manner.Constrained && manner.MaxTokens < model.ShortestBox)
            throw ApiError.Wrong("max_tokens", $"{manner.MaxTokens} tokens hold no box; allow at least {model.ShortestBox}.");
        return manner;
    }

    /// <summary>A question about a picture.</summary>
    public Question Question(ServedPicture picture, string text, AskedManner asked, CancellationToken gone, Action<string>? grown = null) =>
        new(picture, text, model.Prompt(text), Manner(asked) is { Expected: true } manner && !ServedModel.AsksForBox(text)
            ? manner with { Expected = false } : Manner(asked), gone)
        {
            // As `pfmvg predict` draws, unless the request sets a temperature of its own: then it wants another answer each time.
            Seed = asked.Seed ?? (asked.Temperature is null ? model.Seed : BitConverter.ToInt64(RandomNumberGenerator.GetBytes(8))),
            Stops = asked.Stops,
            Grown = grown,
        };

    /// <summary>Refuses texts that cannot be asked, before anything is decoded.</summary>
    public void RequireAskable(string text, string param)
    {
        if (PhraseLimit.Problem(text) is { } tooLong) throw ApiError.Wrong(param, $"{tooLong}; write what to find in fewer words.");
        try
        {
            model.Prompt(text);
        }
        catch (InputException)
        {
            throw ApiError.Wrong(param, "the phrase has no letter and no digit, so there is nothing to look for; write what to find.");
        }
    }

    /// <summary>Lets questions wait for their answers.</summary>
    /// <exception cref="ApiError">There is no place for them.</exception>
    public void Add(IReadOnlyList<Question> questions)
    {
        if (!queue.TryAdd(questions)) throw queue.IsClosed ? Closing() : Full();
    }

    /// <summary>Waits for an answer.</summary>
    /// <exception cref="ApiError">The time is over.</exception>
    public async Task<ServedAnswer> Answer(Question question, HttpContext context)
    {
        try
        {
            return await question.Answer;
        }
        catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
        {
            throw Late();
        }
    }

    /// <summary>The deadline is over.</summary>
    public ApiError Late() => ApiError.Busy(503, $"There was no answer within {options.Deadline.TotalSeconds:0} seconds; ask again later.",
        "deadline", queue.Wait);

    public void Dispose() => _decoding.Dispose();

    private ApiError Full() => ApiError.Busy(429, $"All {queue.Capacity} places are taken by questions that wait; ask again later.",
        "queue_full", queue.Wait);

    private static ApiError Closing() => ApiError.Busy(503, "The server is ending; ask again when it is back.", "closing",
        TimeSpan.FromSeconds(5));
}
