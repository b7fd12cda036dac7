namespace Pfmvg.Decoding;

/// <summary>The hypotheses of one prompt: those still growing and the best finished ones.</summary>
internal sealed class BeamSearch
{
    private readonly int _beams, _endToken;
    private readonly List<(GeneratedAnswer Answer, double Score)> _finished = [];
    private List<(List<int> Ids, List<double> Logs)> _growing;

    public BeamSearch(int beams, int endToken)
    {
        (_beams, _endToken) = (beams, endToken);
        _growing = [.. Enumerable.Range(0, beams).Select(_ => (new List<int>(), new List<double>()))];
        // All beams start equal, so only the first may be continued at the first step.
        Scores = [0f, .. Enumerable.Repeat(-1e9f, beams - 1)];
    }

    /// <summary>Summed log-probability of each growing hypothesis.</summary>
    public float[] Scores { get; private set; }

    /// <summary>True when no growing hypothesis can beat the finished ones any more.</summary>
    public bool Done { get; private set; }

    /// <summary>Takes the best 2 x beams continuations, best first; returns those that stay, exactly as many as there are beams.</summary>
    public IReadOnlyList<(int Beam, int Token)> Advance(IReadOnlyList<(int Beam, int Token, float Score)> candidates)
    {
        if (Done) return [.. Enumerable.Repeat((0, _endToken), _beams)];
        var length = _growing[0].Ids.Count;
        var kept = new List<(int Beam, int Token, float Score)>();
        for (var rank = 0; rank < candidates.Count && kept.Count < _beams; rank++)
        {
            var (beam, token, score) = candidates[rank];
            if (float.IsNegativeInfinity(score)) break; // a grammar allows no more
            if (token != _endToken) kept.Add(candidates[rank]);
            else if (rank < _beams) Finish(_growing[beam].Ids, [.. _growing[beam].Logs, score - Scores[beam]], true, score);
        }

        // With fewer continuations than beams, the other beams get a score with which they are never chosen.
        while (kept.Count < _beams) kept.Add((0, _endToken, float.NegativeInfinity));
        var best = candidates[0].Score;
        Done = float.IsNegativeInfinity(best) || _finished.Count >= _beams
            && _finished.Min(f => f.Score) >= best / (double)Math.Max(1, length);
        _growing = [.. kept.Select(k => (_growing[k.Beam].Ids.Append(k.Token).ToList(),
            _growing[k.Beam].Logs.Append(k.Score - Scores[k.Beam]).ToList()))];
        Scores = [.. kept.Select(k => k.Score)];
        return [.. kept.Select(k => (k.Beam, k.Token))];
    }

    /// <summary>The best hypothesis, finished or cut.</summary>
    public GeneratedAnswer Best()
    {
        if (!Done)
            for (var b = 0; b < _beams; b++) Finish(_growing[b].Ids, _growing[b].Logs, false, Scores[b]);
        return _finished.MaxBy(f => f.Score).Answer;
    }

    private void Finish(List<int> ids, List<double> logs, bool ended, double sum)
    {
        if (double.IsNegativeInfinity(sum)) return;
        var score = sum / Math.Max(1, ids.Count);
        if (_finished.Count >= _beams && score <= _finished.Min(f => f.Score)) return;
        _finished.Add((new GeneratedAnswer(ids, ended, logs), score));
        if (_finished.Count > _beams) _finished.Remove(_finished.MinBy(f => f.Score));
    }
}
