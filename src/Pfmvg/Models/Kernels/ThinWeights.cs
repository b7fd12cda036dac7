using System.Runtime.CompilerServices;

namespace Pfmvg.Models.Kernels;

/// <summary>How weights are stored. They are structures, so that they are compiled into the loops.</summary>
internal unsafe interface IThinWeights<T> where T : struct, IFloatVector<T>
{
    static abstract int Size { get; } // bytes of one

    /// <summary>Widens the weights of a step.</summary>
    static abstract (T First, T Second) Load(byte* from);
}

/// <summary>bfloat16, of a step first the even weights, then the odd ones.</summary>
internal readonly unsafe struct BFloat16Pairs<T> : IThinWeights<T> where T : struct, IFloatVector<T>
{
    public static int Size => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (T First, T Second) Load(byte* from) => T.LoadBFloat16Pairs(from);
}

/// <summary>int8, in order.</summary>
internal readonly unsafe struct Int8Weights<T> : IThinWeights<T> where T : struct, IFloatVector<T>
{
    public static int Size => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (T First, T Second) Load(byte* from) => (T.LoadInt8(from), T.LoadInt8(from + T.Lanes));
}

/// <summary>float32, in order.</summary>
internal readonly unsafe struct Float32Weights<T> : IThinWeights<T> where T : struct, IFloatVector<T>
{
    public static int Size => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static (T First, T Second) Load(byte* from) => (T.Load((float*)from), T.Load((float*)from + T.Lanes));
}

/// <summary>Rows of a tile. They are structures, too: the loop has no sums for rows that are not there.</summary>
internal interface IRowCount
{
    static abstract int Count { get; }
}

internal readonly struct Rows2 : IRowCount
{
    public static int Count => 2;
}

internal readonly struct Rows3 : IRowCount
{
    public static int Count => 3;
}

internal readonly struct Rows4 : IRowCount
{
    public static int Count => 4;
}

internal readonly struct Rows5 : IRowCount
{
    public static int Count => 5;
}

internal readonly struct Rows6 : IRowCount
{
    public static int Count => 6;
}

internal readonly struct Rows7 : IRowCount
{
    public static int Count => 7;
}

internal readonly struct Rows8 : IRowCount
{
    public static int Count => 8;
}
