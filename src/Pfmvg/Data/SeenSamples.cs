namespace Pfmvg.Data;

/// <summary>Finds identifiers that a data set lists twice: the same entry again is harmless, another one is not.</summary>
internal sealed class SeenSamples
{
    private readonly Dictionary<string, (string Place, string Image, int Content)> _seen = [];

    /// <summary>Where the identifier stood before, and whether that was the same entry; null the first time.</summary>
    public (string Place, bool Same)? Before(ListedSample listed)
    {
        var entry = (listed.Place, listed.Image, HashCode.Combine(
            (listed.Text, listed.Split, listed.Patient, listed.Study, listed.Class, listed.Width, listed.Height), listed.Problem,
            listed.Boxes.Aggregate(0, HashCode.Combine)));
        return _seen.TryAdd(listed.Id, entry) ? null
            : (_seen[listed.Id].Place, _seen[listed.Id].Image == entry.Image && _seen[listed.Id].Content == entry.Item3);
    }
}
