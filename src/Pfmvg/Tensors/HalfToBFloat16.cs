using System.Numerics;
using System.Runtime.CompilerServices;

namespace Pfmvg.Tensors;

/// <summary>
/// float16 to bfloat16 in lanes of 16 bits: nearest, ties to even, as by way of float32. The result is written past the cache, since it is
/// gigabytes that are read much later.
/// </summary>
internal static class HalfToBFloat16
{
    private const ushort Magnitude = 0x7FFF, Smallest = 0x0400, Infinity = 0x7C00; // the smallest that is not subnormal
    private const ushort Nan = 0x7FC0, BFloat16Infinity = 0x7F80;
    private const int Dropped = 3;                                                 // bits of the mantissa: 10 become 7
    private const ushort Rebias = 112 << 7;                                        // 127 - 15

    /// <summary>Converts all of the source.</summary>
    public static unsafe void Convert(ReadOnlySpan<ushort> source, Span<ushort> target)
    {
        var (step, at) = (Vector<ushort>.Count, 0);
        fixed (ushort* to = target[..source.Length])
            if ((nuint)to % (nuint)Vector<byte>.Count == 0)
                for (; at <= source.Length - step; at += step)
                    Convert(new Vector<ushort>(source[at..])).StoreAlignedNonTemporal(to + at);
        for (; at <= source.Length - step; at += step) Convert(new Vector<ushort>(source[at..])).CopyTo(target[at..]);
        if (at < source.Length)
        {
            Span<ushort> rest = stackalloc ushort[step];
            rest.Clear();
            source[at..].CopyTo(rest);
            Convert(new Vector<ushort>(rest)).CopyTo(rest);
            rest[..(source.Length - at)].CopyTo(target[at..]);
        }

        Interlocked.MemoryBarrier(); // what went past the cache is there for other threads
    }

    // The exponent's bias grows, the mantissa is rounded; a carry goes into the exponent, as it should.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<ushort> Convert(Vector<ushort> half)
    {
        var magnitude = half & new Vector<ushort>(Magnitude);
        var odd = (magnitude >> Dropped) & Vector<ushort>.One;
        var rounded = ((magnitude + new Vector<ushort>((1 << (Dropped - 1)) - 1) + odd) >> Dropped) + new Vector<ushort>(Rebias);
        var normal = Vector.LessThan(magnitude - new Vector<ushort>(Smallest), new Vector<ushort>(Infinity - Smallest));
        if (normal != Vector<ushort>.AllBitsSet) rounded = Unusual(magnitude, rounded);
        // A NaN is the one that PyTorch writes, without a sign.
        var sign = Vector.AndNot(half, new Vector<ushort>(Magnitude));
        return rounded | Vector.AndNot(sign, Vector.GreaterThan(magnitude, new Vector<ushort>(Infinity)));
    }

    // Zeros, subnormals, infinity and NaN, beside usual numbers.
    private static Vector<ushort> Unusual(Vector<ushort> magnitude, Vector<ushort> rounded)
    {
        var infinity = new Vector<ushort>(Infinity);
        Vector.Widen(magnitude, out var low, out var high);
        var tiny = Vector.Narrow(Subnormal(low), Subnormal(high));
        rounded = Vector.ConditionalSelect(Vector.LessThan(magnitude, new Vector<ushort>(Smallest)), tiny, rounded);
        rounded = Vector.ConditionalSelect(Vector.Equals(magnitude, infinity), new Vector<ushort>(BFloat16Infinity), rounded);
        return Vector.ConditionalSelect(Vector.GreaterThan(magnitude, infinity), new Vector<ushort>(Nan), rounded);
    }

    // m x 2^-24, exact in float32, then rounded.
    private static Vector<uint> Subnormal(Vector<uint> magnitude)
    {
        var bits = Vector.AsVectorUInt32(Vector.ConvertToSingle(Vector.AsVectorInt32(magnitude)) * new Vector<float>(1f / (1 << 24)));
        return (bits + new Vector<uint>(0x7FFF) + ((bits >> 16) & Vector<uint>.One)) >> 16;
    }
}
