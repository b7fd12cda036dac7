namespace Pfmvg.Data.Loading;

/// <summary>Samples that are taken together.</summary>
/// <param name="Epoch">The epoch.</param>
/// <param name="Indices">Places in the list of samples.</param>
internal readonly record struct StepShare(int Epoch, IEnumerable<int> Indices);

/// <summary>
/// Loads one step after the other ahead of the model, across the ends of steps and epochs. Whoever takes another step than the next one
/// gets it all the same, loaded then; from there on nothing is loaded ahead any more.
/// </summary>
/// <param name="ahead">The samples of the steps in order; null for those that are left out.</param>
internal sealed class LoadedSteps(IEnumerable<(StepShare Step, LoadedSample? Sample)> ahead) : IDisposable
{
    private readonly IEnumerator<(StepShare Step, LoadedSample? Sample)> _ahead = ahead.GetEnumerator();
    private bool _isWithin, _isLeft;

    /// <summary>The samples of a step.</summary>
    /// <param name="epoch">Its epoch.</param>
    /// <param name="indices">Its samples.</param>
    /// <param name="otherwise">Loads them, when they are not those of the next step.</param>
    public IEnumerable<LoadedSample> Take(int epoch, IReadOnlyList<int> indices, Func<IEnumerable<LoadedSample>> otherwise)
    {
        if (indices.Count == 0) yield break;
        if (_isWithin || _isLeft || !_ahead.MoveNext() || _ahead.Current.Step.Epoch != epoch
            || !_ahead.Current.Step.Indices.SequenceEqual(indices))
        {
            Dispose();
            foreach (var loaded in otherwise()) yield return loaded;
            yield break;
        }

        _isWithin = true; // and stays so where the caller stops early
        for (var at = 0; at < indices.Count; at++)
        {
            if (at > 0) _ahead.MoveNext();
            if (_ahead.Current.Sample is { } sample) yield return sample;
        }

        _isWithin = false;
    }

    /// <summary>Ends the loading.</summary>
    public void Dispose()
    {
        if (!_isLeft) _ahead.Dispose();
        _isLeft = true;
    }
}
