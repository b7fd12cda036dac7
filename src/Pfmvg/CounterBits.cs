using System.Numerics;
using System.Runtime.CompilerServices;

namespace Pfmvg;

/// <summary>
/// Random bits in bulk, as a function of a key and a place: <see cref="CounterRandom"/> for gigabytes. Two vectorised rounds of multiply
/// and xor-shift mix a counter well enough for dropout and for weights that are never trained.
/// </summary>
/// <param name="Key">For example from a <see cref="CounterRandom"/>.</param>
internal readonly record struct CounterBits(ulong Key)
{
    /// <summary>Changed in two numbers, it makes the order of whole numbers with a sign that of those without.</summary>
    public const uint TopBit = 0x80000000u;

    /// <summary>Factors of the first, second and third multiplication.</summary>
    public const uint First = 0x9E3779B1u, Second = 0x85EBCA6Bu, Third = 0xC2B2AE35u;

    /// <summary>What the key adds behind the first and the second multiplication, for code that adds it there.</summary>
    public (int First, int Second) Offsets => unchecked(((int)((uint)Key * First), (int)((uint)(Key >> 32) * Second)));

    /// <summary>32 bits for each of <see cref="Vector{T}.Count"/> places from <paramref name="place"/> on.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public Vector<uint> At(uint place)
    {
        var bits = (new Vector<uint>(place) + Vector<uint>.Indices + new Vector<uint>((uint)Key)) * First;
        bits = ((bits ^ (bits >> 16)) + new Vector<uint>((uint)(Key >> 32))) * Second;
        bits = (bits ^ (bits >> 13)) * Third;
        return bits ^ (bits >> 16);
    }

    /// <summary>Fills a span with values made from the bits of the places from <paramref name="first"/> on.</summary>
    public void Fill<TValue>(Span<float> values, uint first, TValue value) where TValue : struct, IVectorFunction
    {
        var step = Vector<uint>.Count;
        var at = 0;
        for (; at <= values.Length - step; at += step) value.FromBits(At(first + (uint)at)).CopyTo(values[at..]);
        if (at == values.Length) return;
        Span<float> last = stackalloc float[step];
        value.FromBits(At(first + (uint)at)).CopyTo(last);
        last[..(values.Length - at)].CopyTo(values[at..]);
    }
}

/// <summary>Makes numbers from random bits; a structure, so that it is compiled into the loop that calls it.</summary>
internal interface IVectorFunction
{
    /// <summary>One number for each 32 bits.</summary>
    Vector<float> FromBits(Vector<uint> bits);
}
