using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Pfmvg.Tensors;

/// <summary>
/// Work on stored values on their way into memory, while they are still in the cache: a search for NaN and infinity, and conversions
/// between the floating types of weights. libtorch's own are several times slower here (its conversion from float16 to bfloat16 is not
/// vectorised, and isfinite makes a tensor of flags).
/// </summary>
internal static class FloatBlocks
{
    /// <summary>True when <see cref="Convert"/> can convert between the two types.</summary>
    public static bool CanConvert(ScalarType from, ScalarType to) => (from, to) is
        (ScalarType.Float16, ScalarType.Float32) or (ScalarType.BFloat16, ScalarType.Float32) or
        (ScalarType.Float16, ScalarType.BFloat16) or (ScalarType.Float32, ScalarType.BFloat16);

    /// <summary>Converts whole elements; to bfloat16 with rounding to nearest, ties to even, as PyTorch does.</summary>
    public static void Convert(ReadOnlySpan<byte> source, ScalarType from, Span<byte> target, ScalarType to)
    {
        if (!CanConvert(from, to)) throw new NotSupportedException($"{from} to {to}");
        if (from == ScalarType.Float32)
        {
            Narrow(MemoryMarshal.Cast<byte, float>(source), MemoryMarshal.Cast<byte, ushort>(target));
            return;
        }

        var narrow = MemoryMarshal.Cast<byte, ushort>(source);
        if (to == ScalarType.Float32)
        {
            Widen(narrow, from, MemoryMarshal.Cast<byte, float>(target));
            return;
        }

        HalfToBFloat16.Convert(narrow, MemoryMarshal.Cast<byte, ushort>(target));
    }

    /// <summary>The index of the first element that is NaN or infinite, or null; integers are always finite.</summary>
    public static int? FirstNotFinite(ReadOnlySpan<byte> values, ScalarType type) => type switch
    {
        ScalarType.Float16 => FirstWithAll<ushort>(values, 0x7C00),
        ScalarType.BFloat16 => FirstWithAll<ushort>(values, 0x7F80),
        ScalarType.Float32 => FirstWithAll(values, 0x7F80_0000u),
        ScalarType.Float64 => FirstWithAll(values, 0x7FF0_0000_0000_0000ul),
        ScalarType.ComplexFloat32 => FirstWithAll(values, 0x7F80_0000u) / 2,
        ScalarType.ComplexFloat64 => FirstWithAll(values, 0x7FF0_0000_0000_0000ul) / 2,
        _ => null,
    };

    // A floating-point value is not finite exactly when all bits of its exponent are set.
    private static int? FirstWithAll<T>(ReadOnlySpan<byte> bytes, T exponent) where T : unmanaged, IBinaryInteger<T>
    {
        var mask = new Vector<T>(exponent);
        var vectors = MemoryMarshal.Cast<byte, Vector<T>>(bytes);
        var at = 0;
        for (; at <= vectors.Length - 4; at += 4)
        {
            var full = Vector.Equals(vectors[at] & mask, mask) | Vector.Equals(vectors[at + 1] & mask, mask)
                | Vector.Equals(vectors[at + 2] & mask, mask) | Vector.Equals(vectors[at + 3] & mask, mask);
            if (full != Vector<T>.Zero) break;
        }

        var values = MemoryMarshal.Cast<byte, T>(bytes);
        for (var index = at * Vector<T>.Count; index < values.Length; index++)
            if ((values[index] & exponent) == exponent) return index;
        return null;
    }

    private static void Widen(ReadOnlySpan<ushort> source, ScalarType from, Span<float> target)
    {
        var (step, at) = (Vector<ushort>.Count, 0);
        if (from == ScalarType.BFloat16)
        {
            for (; at <= source.Length - step; at += step)
            {
                Vector.Widen(new Vector<ushort>(source[at..]), out var low, out var high);
                Vector.AsVectorSingle(low << 16).CopyTo(target[at..]);
                Vector.AsVectorSingle(high << 16).CopyTo(target[(at + step / 2)..]);
            }

            for (; at < source.Length; at++) target[at] = BitConverter.UInt32BitsToSingle((uint)source[at] << 16);
            return;
        }

        for (; at <= source.Length - step; at += step)
        {
            Vector.Widen(new Vector<ushort>(source[at..]), out var low, out var high);
            FromFloat16(low).CopyTo(target[at..]);
            FromFloat16(high).CopyTo(target[(at + step / 2)..]);
        }

        for (; at < source.Length; at++) target[at] = (float)BitConverter.UInt16BitsToHalf(source[at]);
    }

    // The exponent's bias grows by 112 = 127 - 15; for infinity and NaN by twice that. A subnormal is m * 2^-24: give it
    // the exponent of 2^-14, then take 2^-14 away.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<float> FromFloat16(Vector<uint> half)
    {
        const uint bias = 112u << 23;
        var sign = (half & new Vector<uint>(0x8000)) << 16;
        var magnitude = half & new Vector<uint>(0x7FFF);
        var normal = (magnitude << 13) + new Vector<uint>(bias);
        var special = normal + new Vector<uint>(bias);
        var tiny = Vector.AsVectorSingle(normal + new Vector<uint>(1u << 23)) - new Vector<float>(1f / 16384);
        var bits = Vector.ConditionalSelect(Vector.LessThan(magnitude, new Vector<uint>(0x0400)), Vector.AsVectorUInt32(tiny), normal);
        bits = Vector.ConditionalSelect(Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(0x7C00)), special, bits);
        return Vector.AsVectorSingle(bits | sign);
    }

    private static void Narrow(ReadOnlySpan<float> source, Span<ushort> target)
    {
        var (step, at) = (Vector<uint>.Count, 0);
        for (; at <= source.Length - 2 * step; at += 2 * step)
        {
            Narrow(new Vector<float>(source[at..]), new Vector<float>(source[(at + step)..])).CopyTo(target[at..]);
        }

        for (; at < source.Length; at++)
        {
            var bits = BitConverter.SingleToUInt32Bits(source[at]);
            target[at] = float.IsNaN(source[at]) ? (ushort)0x7FC0 : (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
        }
    }

    /// <summary>Rounds two vectors to bfloat16.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector<ushort> Narrow(Vector<float> low, Vector<float> high) => Vector.Narrow(ToBFloat16(low), ToBFloat16(high));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector<uint> ToBFloat16(Vector<float> value)
    {
        var bits = Vector.AsVectorUInt32(value);
        var rounded = (bits + new Vector<uint>(0x7FFF) + ((bits >> 16) & Vector<uint>.One)) >> 16;
        return Vector.ConditionalSelect(Vector.AsVectorUInt32(Vector.Equals(value, value)), rounded, new Vector<uint>(0x7FC0));
    }
}
