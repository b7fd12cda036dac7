namespace Pfmvg;

/// <summary>
/// Random numbers as a function of what they are for, never of call order: the same (seed, purpose, numbers) gives the same
/// stream on every machine, rank and worker, which makes a resumed run the same run.
/// </summary>
public sealed class CounterRandom
{
    private ulong _state;

    /// <summary>Opens the stream of a purpose.</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="purpose">What the numbers are for, for example "order" or "crop".</param>
    /// <param name="counters">Where: epoch, step, sample, ...</param>
    public CounterRandom(long seed, string purpose, params ReadOnlySpan<long> counters)
    {
        _state = Mix(unchecked((ulong)seed));
        foreach (var character in purpose) _state = Mix(_state ^ character);
        foreach (var counter in counters) _state = Mix(_state ^ unchecked((ulong)counter));
    }

    /// <summary>The next 64 random bits (SplitMix64).</summary>
    public ulong NextBits()
    {
        unchecked { _state += 0x9E3779B97F4A7C15UL; }
        return Finish(_state);
    }

    /// <summary>A number in [0, 1) with 53 random bits.</summary>
    public double NextDouble() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    /// <summary>A number in [0, bound), without bias worth noting for bounds far below 2^64.</summary>
    public int Next(int bound) => (int)Math.BigMul(NextBits(), (ulong)bound, out _);

    /// <summary>A number with mean 0 and variance 1 (Box-Muller).</summary>
    public double NextNormal() => Math.Sqrt(-2 * Math.Log(1 - NextDouble())) * Math.Cos(2 * Math.PI * NextDouble());

    /// <summary>The numbers 0 .. count - 1 in random order (Fisher-Yates).</summary>
    public int[] Permutation(int count)
    {
        var order = Enumerable.Range(0, count).ToArray();
        for (var i = count - 1; i > 0; i--)
        {
            var j = Next(i + 1);
            (order[i], order[j]) = (order[j], order[i]);
        }

        return order;
    }

    /// <summary>Uniform between two numbers.</summary>
    public float Range(float low, float high) => low + (high - low) * (float)NextDouble();

    /// <summary>True with a probability.</summary>
    public bool Chance(double probability) => NextDouble() < probability;

    /// <summary>One of some choices, each as likely as the others.</summary>
    public T Pick<T>(params ReadOnlySpan<T> choices) => choices[Next(choices.Length)];

    /// <summary>An index with probability proportional to its weight; -1 when all weights are 0.</summary>
    public int Weighted(ReadOnlySpan<double> weights)
    {
        var total = 0.0;
        foreach (var weight in weights) total += weight;
        var place = NextDouble() * total;
        for (var i = 0; i < weights.Length; i++)
        {
            place -= weights[i];
            if (place < 0) return i;
        }

        return -1;
    }

    private static ulong Mix(ulong value) => Finish(unchecked(value + 0x9E3779B97F4A7C15UL));

    private static ulong Finish(ulong z)
    {
        z = unchecked((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL);
        z = unchecked((z ^ (z >> 27)) * 0x94D049BB133111EBUL);
        return z ^ (z >> 31);
    }
}
