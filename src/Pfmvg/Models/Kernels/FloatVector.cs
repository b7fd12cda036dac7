using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// A vector register of float32, of the width that a kernel is compiled for. The loaders widen as many elements as it has lanes.
/// </summary>
/// <typeparam name="TSelf">The register itself.</typeparam>
internal unsafe interface IFloatVector<TSelf> where TSelf : struct, IFloatVector<TSelf>
{
    /// <summary>Numbers in a register.</summary>
    static abstract int Lanes { get; }

    /// <summary>Whether there are 32 registers, not 16, and so room for 24 sums.</summary>
    static abstract bool HasManyRegisters { get; }

    static abstract TSelf Load(float* from);

    static abstract TSelf LoadBFloat16(byte* from);

    static abstract TSelf LoadInt8(byte* from);

    /// <summary>
    /// Widens 2 x <see cref="Lanes"/> of bfloat16 into the even and the odd ones. A lane of 32 bits holds two neighbours: the odd one in
    /// its upper half is a float32 once the lower half is cleared, the even one after a shift.
    /// </summary>
    static abstract (TSelf Even, TSelf Odd) LoadBFloat16Pairs(byte* from);

    static abstract TSelf Create(float value);

    static abstract TSelf operator +(TSelf a, TSelf b);

    static abstract TSelf operator -(TSelf a, TSelf b);

    static abstract TSelf operator *(TSelf a, TSelf b);

    static abstract TSelf operator /(TSelf a, TSelf b);

    /// <summary>a b + c, rounded once.</summary>
    static abstract TSelf FusedMultiplyAdd(TSelf a, TSelf b, TSelf c);

    static abstract TSelf Max(TSelf a, TSelf b);

    static abstract TSelf Exp(TSelf x);

    static abstract float Sum(TSelf x);

    static abstract float Largest(TSelf x);

    /// <summary>The sums of four vectors, all added up in the same order.</summary>
    static abstract Vector128<float> Sums(TSelf a, TSelf b, TSelf c, TSelf d);

    void Store(float* to);
}

/// <summary>16 lanes: AVX-512.</summary>
internal readonly unsafe struct Float16Lanes(Vector512<float> value) : IFloatVector<Float16Lanes>
{
    private readonly Vector512<float> _value = value;

    public static int Lanes => 16;

    public static bool HasManyRegisters => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes Load(float* from) => new(Vector512.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes LoadBFloat16(byte* from) =>
        new(Vector512.ShiftLeft(Avx512F.ConvertToVector512Int32(Vector256.Load((ushort*)from)), 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes LoadInt8(byte* from) =>
        new(Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(Vector128.Load((sbyte*)from))));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Float16Lanes Even, Float16Lanes Odd) LoadBFloat16Pairs(byte* from)
    {
        var pairs = Vector512.Load((uint*)from);
        return (new(Vector512.ShiftLeft(pairs, 16).AsSingle()), new((pairs & Vector512.Create(0xFFFF0000u)).AsSingle()));
    }

    /// <summary>Of 32 numbers writes the even ones first, then the odd ones.</summary>
    public static void Part(float* from, float* to)
    {
        var (low, high) = (Vector512.Load(from), Vector512.Load(from + Lanes));
        Avx512F.PermuteVar16x32x2(low, Vector512.CreateSequence(0, 2), high).Store(to);
        Avx512F.PermuteVar16x32x2(low, Vector512.CreateSequence(1, 2), high).Store(to + Lanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes Create(float value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes operator +(Float16Lanes a, Float16Lanes b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes operator -(Float16Lanes a, Float16Lanes b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes operator *(Float16Lanes a, Float16Lanes b) => new(a._value * b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes operator /(Float16Lanes a, Float16Lanes b) => new(a._value / b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes FusedMultiplyAdd(Float16Lanes a, Float16Lanes b, Float16Lanes c) =>
        new(Vector512.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes Max(Float16Lanes a, Float16Lanes b) => new(Vector512.Max(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float16Lanes Exp(Float16Lanes x) => new(Vector512.Exp(x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Float16Lanes x) => Vector512.Sum(x._value);

    public static float Largest(Float16Lanes x)
    {
        var largest = x._value[0];
        for (var lane = 1; lane < Lanes; lane++) largest = MathF.Max(largest, x._value[lane]);
        return largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Float16Lanes a, Float16Lanes b, Float16Lanes c, Float16Lanes d)
    {
        var ab = (Avx512F.UnpackLow(a._value, b._value) + Avx512F.UnpackHigh(a._value, b._value)).AsDouble();
        var cd = (Avx512F.UnpackLow(c._value, d._value) + Avx512F.UnpackHigh(c._value, d._value)).AsDouble();
        var quarters = Avx512F.UnpackLow(ab, cd).AsSingle() + Avx512F.UnpackHigh(ab, cd).AsSingle();
        var halves = quarters.GetLower() + quarters.GetUpper();
        return halves.GetLower() + halves.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to) => _value.Store(to);
}

/// <summary>8 lanes: AVX2 with FMA.</summary>
internal readonly unsafe struct Float8Lanes(Vector256<float> value) : IFloatVector<Float8Lanes>
{
    private readonly Vector256<float> _value = value;

    public static int Lanes => 8;

    public static bool HasManyRegisters => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes Load(float* from) => new(Vector256.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes LoadBFloat16(byte* from) =>
        new(Vector256.ShiftLeft(Avx2.ConvertToVector256Int32((ushort*)from), 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes LoadInt8(byte* from) => new(Vector256.ConvertToSingle(Avx2.ConvertToVector256Int32((sbyte*)from)));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Float8Lanes Even, Float8Lanes Odd) LoadBFloat16Pairs(byte* from)
    {
        var pairs = Vector256.Load((uint*)from);
        return (new(Vector256.ShiftLeft(pairs, 16).AsSingle()), new((pairs & Vector256.Create(0xFFFF0000u)).AsSingle()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes Create(float value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes operator +(Float8Lanes a, Float8Lanes b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes operator -(Float8Lanes a, Float8Lanes b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes operator *(Float8Lanes a, Float8Lanes b) => new(a._value * b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes operator /(Float8Lanes a, Float8Lanes b) => new(a._value / b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes FusedMultiplyAdd(Float8Lanes a, Float8Lanes b, Float8Lanes c) =>
        new(Vector256.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes Max(Float8Lanes a, Float8Lanes b) => new(Vector256.Max(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float8Lanes Exp(Float8Lanes x) => new(Vector256.Exp(x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Float8Lanes x) => Vector256.Sum(x._value);

    public static float Largest(Float8Lanes x)
    {
        var largest = x._value[0];
        for (var lane = 1; lane < Lanes; lane++) largest = MathF.Max(largest, x._value[lane]);
        return largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Float8Lanes a, Float8Lanes b, Float8Lanes c, Float8Lanes d)
    {
        var halves = Avx.HorizontalAdd(Avx.HorizontalAdd(a._value, b._value), Avx.HorizontalAdd(c._value, d._value));
        return halves.GetLower() + halves.GetUpper();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to) => _value.Store(to);
}

/// <summary>4 lanes: Arm's NEON, and any processor with vectors of 128 bits.</summary>
internal readonly unsafe struct Float4Lanes(Vector128<float> value) : IFloatVector<Float4Lanes>
{
    private readonly Vector128<float> _value = value;

    public static int Lanes => 4;

    public static bool HasManyRegisters => false; // Arm has them, but this road was never measured there

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes Load(float* from) => new(Vector128.Load(from));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes LoadBFloat16(byte* from) =>
        new(Vector128.ShiftLeft(Vector128.WidenLower(Vector64.Load((ushort*)from).ToVector128Unsafe()), 16).AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes LoadInt8(byte* from)
    {
        var four = Vector128.CreateScalarUnsafe(Unsafe.ReadUnaligned<int>(from)).AsSByte();
        return new(Vector128.ConvertToSingle(Vector128.WidenLower(Vector128.WidenLower(four))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (Float4Lanes Even, Float4Lanes Odd) LoadBFloat16Pairs(byte* from)
    {
        var pairs = Vector128.Load((uint*)from);
        return (new(Vector128.ShiftLeft(pairs, 16).AsSingle()), new((pairs & Vector128.Create(0xFFFF0000u)).AsSingle()));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes Create(float value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes operator +(Float4Lanes a, Float4Lanes b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes operator -(Float4Lanes a, Float4Lanes b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes operator *(Float4Lanes a, Float4Lanes b) => new(a._value * b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes operator /(Float4Lanes a, Float4Lanes b) => new(a._value / b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes FusedMultiplyAdd(Float4Lanes a, Float4Lanes b, Float4Lanes c) =>
        new(Vector128.FusedMultiplyAdd(a._value, b._value, c._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes Max(Float4Lanes a, Float4Lanes b) => new(Vector128.Max(a._value, b._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Float4Lanes Exp(Float4Lanes x) => new(Vector128.Exp(x._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Float4Lanes x) => Vector128.Sum(x._value);

    public static float Largest(Float4Lanes x)
    {
        var largest = x._value[0];
        for (var lane = 1; lane < Lanes; lane++) largest = MathF.Max(largest, x._value[lane]);
        return largest;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Sums(Float4Lanes a, Float4Lanes b, Float4Lanes c, Float4Lanes d) => Vector128.Create(
        Vector128.Sum(a._value), Vector128.Sum(b._value), Vector128.Sum(c._value), Vector128.Sum(d._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Store(float* to) => _value.Store(to);
}
