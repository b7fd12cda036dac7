using Pfmvg.Fuzz.Mutating;

namespace Pfmvg.Fuzz;

/// <summary>A way in: where an input is put, and who reads it from there. What lay there before lies there again afterwards.</summary>
/// <param name="path">The file; other files that the reader needs lie beside it.</param>
/// <param name="read">Reads it as the program does.</param>
internal sealed class Way(string path, Action<string> read)
{
    private readonly byte[]? _before = File.Exists(path) ? File.ReadAllBytes(path) : null;

    /// <summary>Reads an input; a refusal is an exception like any other here.</summary>
    public void Read(byte[] input)
    {
        try
        {
            File.WriteAllBytes(path, input);
            read(path);
        }
        finally
        {
            if (_before is not null) File.WriteAllBytes(path, _before);
        }
    }
}

/// <summary>An input, whole or changed, and who reads it.</summary>
internal sealed record Seed(byte[] Bytes, Way Way);

/// <summary>One kind of file that the program reads.</summary>
/// <param name="Seeds">Whole inputs to begin with, small ones: the number of inputs counts, not their length.</param>
/// <param name="Structure">Changes that know the format, so that they reach behind checksums and lengths.</param>
internal sealed record Format(IReadOnlyList<Seed> Seeds, params IReadOnlyList<Mutation> Structure)
{
    /// <summary>An input, made by its number alone: the same number gives the same bytes in every process.</summary>
    public Seed Input(string name, long seed, long number)
    {
        var random = new Random(Hash($"{name} {seed} {number}"));
        var chosen = Seeds[random.Next(Seeds.Count)];
        var dice = new Dice(random, Seeds);
        var bytes = chosen.Bytes;
        for (var change = 1 + Math.Min(random.Next(4), random.Next(4)); change > 0; change--)
            bytes = Structure.Count > 0 && random.Next(3) > 0 ? dice.Pick(Structure)(bytes, dice) : Bytes.Change(bytes, dice);
        return chosen with { Bytes = bytes };
    }

    // string.GetHashCode differs from process to process.
    private static int Hash(string text)
    {
        var hash = 14695981039346656037UL;
        foreach (var letter in text) hash = (hash ^ letter) * 1099511628211UL;
        return (int)(hash ^ hash >> 32);
    }
}
