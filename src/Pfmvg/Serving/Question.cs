using Pfmvg.Evaluation.Tables;

namespace Pfmvg.Serving;

/// <summary>How an answer is decoded. Questions of one manner can be answered together.</summary>
/// <param name="Constrained">Only well-formed boxes.</param>
/// <param name="MaxTokens">Longest answer, end token included.</param>
/// <param name="Temperature">Divides the logits before a token is drawn; 0 draws none.</param>
/// <param name="TopP">Tokens are drawn from the fewest most likely ones that together have this probability.</param>
/// <param name="Expected">The box with the largest expected IoU is answered, where a box is asked for.</param>
internal sealed record AnswerManner(bool Constrained, int MaxTokens, double Temperature, double TopP, bool Expected = false);

/// <summary>What somebody asks about a picture, and the promise of an answer.</summary>
/// <param name="picture">The picture.</param>
/// <param name="text">The phrase or instruction.</param>
/// <param name="prompt">The same with its template, as tokens.</param>
/// <param name="manner">How the answer is decoded.</param>
/// <param name="gone">Cancelled when nobody waits for the answer any more.</param>
internal sealed class Question(
    ServedPicture picture, string text, IReadOnlyList<int> prompt, AnswerManner manner, CancellationToken gone = default)
{
    private readonly TaskCompletionSource<ServedAnswer> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ServedPicture Picture { get; } = picture;

    public string Text { get; } = text;

    public IReadOnlyList<int> Prompt { get; } = prompt;

    public AnswerManner Manner { get; } = manner;

    public CancellationToken Gone { get; } = gone;

    /// <summary>What a drawn answer depends on beside the logits.</summary>
    public long Seed { get; init; }

    /// <summary>The answer ends before the first of these texts.</summary>
    public IReadOnlyList<string> Stops { get; init; } = [];

    /// <summary>Gets the text as far as it is known, on the answering thread, while the answer grows.</summary>
    public Action<string>? Grown { get; init; }

    /// <summary>The answer; cancelled where nobody waited for it, failed where there is none.</summary>
    public Task<ServedAnswer> Answer => _answer.Task;

    /// <summary>Keeps the promise.</summary>
    public void Resolve(ServedAnswer answer) => _answer.TrySetResult(answer);

    /// <summary>Ends the waiting without an answer.</summary>
    public void Fail(Exception reason) => _answer.TrySetException(reason);

    /// <summary>Ends the waiting of nobody.</summary>
    public void Cancel() => _answer.TrySetCanceled(Gone);
}

/// <summary>An answer of the served model.</summary>
/// <param name="Line">The text, its boxes in original pixels, their confidences and the flaw.</param>
/// <param name="Ended">False when the answer was cut at its longest allowed length.</param>
/// <param name="Tokens">Tokens of the answer, end token not counted.</param>
internal sealed record ServedAnswer(AnswerLine Line, bool Ended, int Tokens);
