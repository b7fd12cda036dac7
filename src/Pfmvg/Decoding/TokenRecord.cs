using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Decoding;

/// <summary>
/// The tokens of a batch as they are chosen. They stay on the device; the host looks at those of several steps together. Rows that have
/// ended go on with end tokens until then, and what stands behind the first one is cut off.
/// </summary>
internal sealed class TokenRecord : IDisposable
{
    private readonly int _endToken;
    private readonly Scalar _end;
    private readonly Tensor _ended;                 // (B) bool on the device
    private readonly List<Tensor> _unseen = [];     // (B) each: tokens at which the host has not looked yet
    private readonly List<Tensor> _logs = [];       // (B) each: log-probabilities, read at the end
    private readonly List<int>[] _ids;
    private readonly bool[] _hasEnded;              // as far as the host has looked

    /// <summary>Nothing chosen yet.</summary>
    /// <param name="rows">B.</param>
    /// <param name="endToken">That ends a row.</param>
    /// <param name="device">Of the logits.</param>
    public TokenRecord(int rows, int endToken, Device device)
    {
        (_endToken, _end) = (endToken, endToken);
        _ended = zeros(rows, ScalarType.Bool, device).DetachFromDisposeScope();
        _ids = [.. Enumerable.Range(0, rows).Select(_ => new List<int>())];
        _hasEnded = new bool[rows];
    }

    /// <summary>The tokens of each row as far as the host has looked.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Ids => _ids;

    /// <summary>Notes the tokens chosen at a step.</summary>
    /// <param name="logits">(B, W).</param>
    /// <param name="chosen">(B) int64.</param>
    /// <returns>What the rows are continued with, (B) int64 on the device: the end token where a row had ended before.</returns>
    public Tensor Add(Tensor logits, Tensor chosen)
    {
        using var scope = NewDisposeScope();
        // As logsumexp does it, which has no form for the meta device.
        var largest = logits.amax([1], keepdim: true);                                                      // (B, 1)
        var logSum = logits.sub(largest).exp_().sum(1).log_().PlusInPlace(largest.squeeze(1));              // (B)
        _logs.Add(logits.gather(1, chosen.unsqueeze(1)).squeeze(1).sub(logSum).DetachFromDisposeScope());
        var tokens = chosen.masked_fill(_ended, _end);
        _ended.bitwise_or_(tokens.eq(_end));
        _unseen.Add(tokens.alias().DetachFromDisposeScope());
        return tokens.MoveToOuterDisposeScope();
    }

    /// <summary>Fetches the tokens that the host has not seen, which waits for the device.</summary>
    /// <returns>The tokens of the last step, and whether all rows have ended.</returns>
    public (long[] Last, bool AllEnded) Look()
    {
        var rows = _ids.Length;
        var tokens = Fetched<long>(_unseen);
        for (var at = 0; at < tokens.Length; at++)
        {
            var row = at % rows;
            if (_hasEnded[row]) continue;
            if (tokens[at] == _endToken) _hasEnded[row] = true;
            else _ids[row].Add((int)tokens[at]);
        }

        return (tokens[^rows..], _hasEnded.All(ended => ended));
    }

    /// <summary>The answers, once the host has looked at every token.</summary>
    public IReadOnlyList<GeneratedAnswer> Answers()
    {
        var (rows, logs) = (_ids.Length, Fetched<float>(_logs));
        return
        [
            .. _ids.Select((ids, row) => new GeneratedAnswer(ids, _hasEnded[row],
                [.. Enumerable.Range(0, ids.Count + (_hasEnded[row] ? 1 : 0)).Select(step => (double)logs[step * rows + row])])),
        ];
    }

    public void Dispose()
    {
        foreach (var tensor in _unseen.Concat(_logs).Append(_ended)) tensor.Dispose();
        _end.Dispose();
    }

    private static T[] Fetched<T>(List<Tensor> steps) where T : unmanaged
    {
        if (steps.Count == 0) return [];
        using var scope = NewDisposeScope();
        var values = stack(steps).cpu().data<T>().ToArray();                                                // (steps, B)
        foreach (var step in steps) step.Dispose();
        steps.Clear();
        return values;
    }
}
