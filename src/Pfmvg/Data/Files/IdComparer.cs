namespace Pfmvg.Data.Files;

/// <summary>Compares identifiers: a table that went through floats writes 3 as 3.0, which is the same one.</summary>
internal sealed class IdComparer : IEqualityComparer<string>
{
    public static IdComparer Instance { get; } = new();

    public bool Equals(string? x, string? y) => x is null || y is null ? x == y : Whole(x).SequenceEqual(Whole(y));

    public int GetHashCode(string obj) => string.GetHashCode(Whole(obj), StringComparison.Ordinal);

    private static ReadOnlySpan<char> Whole(string id)
    {
        var point = id.IndexOf('.', StringComparison.Ordinal);
        return point > 0 && point < id.Length - 1 && !id.AsSpan(0, point).ContainsAnyExceptInRange('0', '9')
            && !id.AsSpan(point + 1).ContainsAnyExcept('0') ? id.AsSpan(0, point) : id;
    }
}
