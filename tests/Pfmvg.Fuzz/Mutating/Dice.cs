namespace Pfmvg.Fuzz.Mutating;

/// <summary>Changes an input; what it cannot take apart it gives back as it is.</summary>
internal delegate byte[] Mutation(byte[] input, Dice dice);

/// <summary>Everything that chance decides about one input.</summary>
internal sealed class Dice(Random random, IReadOnlyList<Seed> seeds)
{
    /// <summary>No input grows beyond this by its changes: what is slow with a large file is another test's business.</summary>
    public const int LargestInput = 1 << 19;

    // Edges of types, of counts that programs limit, and numbers that are negative when read with a sign.
    private static readonly long[] Edges =
    [
        0, 1, 2, 3, 4, 7, 8, 15, 16, 31, 32, 63, 64, 100, 127, 128, 255, 256, 257, 1000, 1023, 1024, 4095, 4096, 32767, 32768, 65535, 65536,
        65537, 1 << 20, 1 << 24, (1L << 30) - 1, 1L << 30, int.MaxValue, 1L << 31, uint.MaxValue, 1L << 32, (1L << 32) + 1, 1L << 40,
        long.MaxValue, long.MinValue, -1, -2, -128, -129, -32768, int.MinValue,
    ];

    public int Below(int limit) => random.Next(limit);

    public bool OneIn(int times) => random.Next(times) == 0;

    public T Pick<T>(IReadOnlyList<T> list) => list[random.Next(list.Count)];

    /// <summary>Another whole input of the format.</summary>
    public byte[] Other() => Pick(seeds).Bytes;

    /// <summary>A number that readers trip over, or any.</summary>
    public long Number() => OneIn(4) ? random.NextInt64() >> random.Next(64) : Pick(Edges);

    /// <summary>A place and a length within so many bytes; short lengths are likelier.</summary>
    public (int Start, int Length) Span(int length)
    {
        if (length == 0) return (0, 0);
        var start = random.Next(length);
        return (start, Math.Min(length - start, 1 + random.Next(1 << random.Next(1, 12))));
    }

    public byte[] Noise(int length)
    {
        var noise = new byte[length];
        if (OneIn(3)) Array.Fill(noise, Pick<byte>([0, 0xff, (byte)'0', (byte)'A', (byte)'\n']));
        else random.NextBytes(noise);
        return noise;
    }
}
