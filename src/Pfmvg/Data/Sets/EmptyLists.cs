namespace Pfmvg.Data.Sets;

/// <summary>Which lists of a data set have nothing but a header: a part of the set would be absent unseen.</summary>
internal sealed class EmptyLists
{
    private readonly HashSet<string> _empty = [];

    /// <summary>One sentence for each empty list.</summary>
    public IEnumerable<string> Notes
    {
        get
        {
            lock (_empty)
                return [.. _empty.Order(StringComparer.Ordinal).Select(file => $"{Privacy.Mask(file)} lists nothing; is the file whole?")];
        }
    }

    /// <summary>The samples of a list, as they are.</summary>
    public IEnumerable<ListedSample> Watch(string file, IEnumerable<ListedSample> samples)
    {
        var any = false;
        foreach (var sample in samples)
        {
            any = true;
            yield return sample;
        }

        if (any) yield break;
        lock (_empty) _empty.Add(file);
    }
}
