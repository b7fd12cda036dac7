namespace Pfmvg.Decoding;

/// <summary>How prompts are continued.</summary>
/// <param name="MaxNewTokens">Longest answer, in tokens with the end token.</param>
public sealed record DecodingOptions(int MaxNewTokens)
{
    /// <summary>Restricts the answers to boxes.</summary>
    public BoxGrammar? Grammar { get; init; }

    /// <summary>False computes everything again at each step; only for comparison.</summary>
    public bool UseCache { get; init; } = true;

    /// <summary>False never uses the fused step for tokens after the prompt, which rounds otherwise than the model's modules.</summary>
    public bool FusedStep { get; init; } = true;

    /// <summary>Stops before the next token.</summary>
    public CancellationToken Cancel { get; init; }

    /// <summary>Sees the tokens of every row so far, each time the host has looked at them; not those of a beam search.</summary>
    internal Action<IReadOnlyList<IReadOnlyList<int>>>? Progress { get; init; }

    /// <summary>
    /// After how many steps the host looks whether all answers have ended; null: 8 on a GPU, 1 elsewhere. With a grammar, which the host
    /// applies token by token, always 1. No answer depends on it.
    /// </summary>
    internal int? StepsPerLook { get; init; }
}
