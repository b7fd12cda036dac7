using System.Runtime.InteropServices;
using Pfmvg.Tensors;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// C = A B and C += A B of bfloat16 matrices with float32 sums: oneDNN's kernel, which libtorch exports for the code that its compiler
/// makes. .NET has no names for these instructions.
/// </summary>
internal static unsafe class Bf16Kernel
{
    private const string Name = "_ZN2at6native7cpublas6brgemmEllllllbPKN3c108BFloat16ES5_Pfb";

    private static readonly delegate* unmanaged<long, long, long, long, long, long, byte, ushort*, ushort*, float*, byte, void> Call =
        Find();

    /// <summary>Whether it is there, and its instructions are fast and not switched off.</summary>
    public static bool IsSupported { get; } = Call is not null && Bf16Products.Native && Float32Products.Own
        && Environment.GetEnvironmentVariable("ONEDNN_MAX_CPU_ISA") is null
        && Environment.GetEnvironmentVariable("DNNL_MAX_CPU_ISA") is null;

    /// <summary>Computes a product. For each combination of sizes a kernel is compiled and kept, so there should be few.</summary>
    /// <param name="rows">Of A and C.</param>
    /// <param name="columns">Of B and C.</param>
    /// <param name="depth">Columns of A, rows of B; even.</param>
    /// <param name="a">A, row by row without gaps.</param>
    /// <param name="b">B, two rows at a time: element (k, j) at k / 2 x 2 columns + 2 j + k % 2.</param>
    /// <param name="c">C, row by row without gaps.</param>
    /// <param name="add">Adds to C instead of overwriting it.</param>
    public static void Multiply(int rows, int columns, int depth, ushort* a, ushort* b, float* c, bool add) =>
        Call(rows, columns, depth, depth, columns, columns, add ? (byte)1 : (byte)0, a, b, c, 1);

    private static delegate* unmanaged<long, long, long, long, long, long, byte, ushort*, ushort*, float*, byte, void> Find() =>
        LoadedLibraries.Find(name => name == "libtorch_cpu.so") is { } path && NativeLibrary.TryLoad(path, out var library)
        && NativeLibrary.TryGetExport(library, Name, out var address)
            ? (delegate* unmanaged<long, long, long, long, long, long, byte, ushort*, ushort*, float*, byte, void>)address : null;
}
