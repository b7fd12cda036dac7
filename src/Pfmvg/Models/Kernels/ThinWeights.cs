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
