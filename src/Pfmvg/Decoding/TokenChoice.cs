using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Decoding;

/// <summary>Draws tokens instead of taking the most likely ones.</summary>
/// <param name="Temperature">Divides the logits; above 0.</param>
/// <param name="TopP">Tokens are drawn from the fewest most likely ones that together have this probability; 1 for all.</param>
/// <param name="Rows">The random numbers of each row, one for every step, so that a row's draws do not depend on other rows.</param>
public sealed record Sampling(double Temperature, double TopP, IReadOnlyList<CounterRandom> Rows);

/// <summary>Chooses the next token of every row: the most likely or a drawn one, of all or of those that the grammar allows.</summary>
internal sealed class TokenChoice
{
    private readonly BoxGrammar? _grammar;
    private readonly Sampling? _sampling;
    private readonly BoxState[] _states;

    public TokenChoice(int rows, BoxGrammar? grammar, Sampling? sampling)
    {
        (_grammar, _sampling, _states) = (grammar, sampling, new BoxState[rows]);
        Array.Fill(_states, BoxState.Start);
    }

    /// <summary>Tokens for logits (B, W).</summary>
    /// <param name="logits">Of every row; the token of a row that has ended means nothing.</param>
    /// <param name="left">Tokens that a row may still have, this one included.</param>
    /// <returns>(B) int64 token ids on the logits' device.</returns>
    public Tensor Next(Tensor logits, int left)
    {
        using var scope = NewDisposeScope();
        if (_grammar is null) return Choose(logits).MoveToOuterDisposeScope();
        var (ids, absent) = Table([.. _states.Select(state => _grammar.Allowed(state, left))], logits.device); // (B, K)
        using Scalar impossible = float.NegativeInfinity;
        var place = Choose(logits.gather(1, ids).masked_fill(absent, impossible));
        return ids.gather(1, place.unsqueeze(1)).squeeze(1).MoveToOuterDisposeScope();
    }

    private Tensor Choose(Tensor scores) => _sampling is null ? scores.argmax(1) : Draw(scores, _sampling);

    /// <summary>Notes the token that each row was continued with.</summary>
    public void Accept(IReadOnlyList<long> tokens)
    {
        if (_grammar is null) return;
        for (var row = 0; row < _states.Length; row++) _states[row] = _grammar.Next(_states[row], (int)tokens[row]);
    }

    /// <summary>Lists of different lengths as a table (B, K), and which of its places are only filled up.</summary>
    internal static (Tensor Ids, Tensor Absent) Table(IReadOnlyList<IReadOnlyList<int>> lists, Device device)
    {
        var width = lists.Max(list => list.Count);
        var ids = new long[lists.Count * width];
        var absent = new bool[ids.Length];
        for (var row = 0; row < lists.Count; row++)
            for (var k = 0; k < width; k++)
                (ids[row * width + k], absent[row * width + k]) = k < lists[row].Count ? (lists[row][k], false) : (lists[row][0], true);
        return (tensor(ids, [lists.Count, width]).Send(device), tensor(absent, [lists.Count, width]).Send(device));
    }

    /// <summary>
    /// Adds up probabilities, the largest first, to the first place where the sum exceeds the row's random number times the whole sum.
    /// </summary>
    private static Tensor Draw(Tensor scores, Sampling sampling)
    {
        using Scalar temperature = sampling.Temperature, share = sampling.TopP, nothing = 0.0;
        var (probability, order) = scores.to(ScalarType.Float64).div(temperature).softmax(1).sort(1, descending: true);
        var before = probability.cumsum(1).sub(probability);                                                // (B, K)
        var kept = probability.masked_fill(before.ge(share), nothing);
        var sum = kept.cumsum(1);
        var drawn = tensor([.. sampling.Rows.Select(row => row.NextDouble())]).Send(scores.device).unsqueeze(1).mul(
            sum.amax([1], keepdim: true));
        // A place without probability is never the first one: its sum is that of the place before.
        return order.gather(1, sum.gt(drawn).to(ScalarType.Int64).argmax(1, keepdim: true)).squeeze(1);
    }
}
