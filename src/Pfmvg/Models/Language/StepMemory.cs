using System.Runtime.InteropServices;

namespace Pfmvg.Models.Language;

/// <summary>The activations of a <see cref="DecoderStep"/>: float32 matrices with a row for each row of the batch.</summary>
internal sealed unsafe class StepMemory : IDisposable
{
    private readonly List<nint> _reserved = [];

    /// <summary>Reserves the projections' input.</summary>
    /// <param name="rows">R.</param>
    /// <param name="widest">Width of the widest input.</param>
    public StepMemory(int rows, long widest)
    {
        Rows = rows;
        Input = Reserve(widest);
        LaidOut = Reserve(widest);
        LaidOutForAdapters = Reserve(widest);
    }

    /// <summary>R.</summary>
    public int Rows { get; }

    /// <summary>The input (R, I) of the next projections.</summary>
    public float* Input { get; }

    /// <summary>The input in the order in which the frozen matrices read it.</summary>
    public float* LaidOut { get; }

    /// <summary>The input in the order in which adapters read it, where that is another one.</summary>
    public float* LaidOutForAdapters { get; }

    /// <summary>A matrix (R, width) of zeros.</summary>
    public float* Reserve(long width)
    {
        var bytes = checked((nuint)(Rows * width * sizeof(float)));
        var matrix = NativeMemory.AlignedAlloc(bytes, 64);
        NativeMemory.Clear(matrix, bytes);
        _reserved.Add((nint)matrix);
        return (float*)matrix;
    }

    /// <summary>Frees all matrices.</summary>
    public void Dispose()
    {
        foreach (var matrix in _reserved) NativeMemory.AlignedFree((void*)matrix);
        _reserved.Clear();
    }
}
