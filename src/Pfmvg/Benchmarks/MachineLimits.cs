using System.Numerics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Pfmvg.Models.Building;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Benchmarks;

/// <summary>Work of the machine that bounds a part.</summary>
/// <param name="Name">For the table.</param>
/// <param name="Work">Pieces of work in one run: FLOP or bytes.</param>
/// <param name="Run">Does it once.</param>
internal sealed record Limit(string Name, double Work, Action Run);

/// <summary>What the machine itself can do: matrix products, reading memory, reading files.</summary>
/// <param name="device">Device of the products.</param>
internal sealed unsafe class MachineLimits(Device device) : IDisposable
{
    private const long MemoryBytes = 512L << 20; // larger than any cache
    private const int FileBuffer = 1 << 20;

    private readonly List<Tensor> _kept = [];
    private byte* _memory;

    /// <summary>
    /// The products of a transformer block and nothing else: (M, C) by (C, C), (M, C) by (C, I), (M, I) by (I, C), one after another.
    /// </summary>
    /// <param name="type">Element type.</param>
    /// <param name="rows">M.</param>
    /// <param name="width">C.</param>
    /// <param name="inner">I.</param>
    public Limit Products(ScalarType type, long rows, long width, long inner)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (narrow, wide) = (Random(rows, width), Random(rows, inner));
        var (square, up, down) = (Random(width, width), Random(inner, width), Random(width, inner));
        var work = 2.0 * rows * (width * width + 2 * width * inner);
        return new Limit($"{(type == ScalarType.BFloat16 ? "bf16" : "float32")} products, {rows} x {width} x {inner}", work, () =>
        {
            using var off = no_grad();
            using var inside = NewDisposeScope();
            functional.linear(narrow, square);
            functional.linear(narrow, up);
            functional.linear(wide, down);
            if (device.type == DeviceType.CUDA) cuda.synchronize();
        });

        Tensor Random(long outputs, long inputs)
        {
            var made = RandomWeights.Values("limit", type, [outputs, inputs], 1).to(device).DetachFromDisposeScope();
            _kept.Add(made);
            return made;
        }
    }

    /// <summary>Reading a buffer once, with as many threads as libtorch has.</summary>
    public Limit MemoryRead()
    {
        if (_memory is null)
        {
            _memory = (byte*)NativeMemory.AlignedAlloc((nuint)MemoryBytes, 64);
            NativeMemory.Fill(_memory, (nuint)MemoryBytes, 1);
        }

        var memory = _memory;
        var threads = get_num_threads();
        var share = MemoryBytes / threads / 256 * 256;
        return new Limit("memory read", share * threads, () =>
        {
            var seen = new ulong[threads];
            Parallel.For(0, threads, new ParallelOptions { MaxDegreeOfParallelism = threads },
                index => seen[index] = Read(memory + index * share, share));
            if (seen.Contains(0ul))
                throw new InvalidOperationException("Memory was not read."); // keeps the reads from being optimised away
        });
    }

    /// <summary>Reading files from the page cache into small buffers, several pieces at once.</summary>
    /// <param name="files">Files that are in the page cache, for example because they have just been written.</param>
    public static Limit FileRead(IReadOnlyList<string> files)
    {
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount };
        return new Limit("file read", files.Sum(file => new FileInfo(file).Length), () =>
        {
            foreach (var file in files)
            {
                using var handle = File.OpenHandle(file);
                var length = RandomAccess.GetLength(handle);
                Parallel.For(0, (length + FileBuffer - 1) / FileBuffer, parallel, () => new byte[FileBuffer], (index, _, buffer) =>
                {
                    ReadPiece(handle, buffer, index * FileBuffer, length);
                    return buffer;
                }, _ => { });
            }
        });
    }

    /// <summary>Frees buffers and matrices. Limits that were returned before can no longer be measured.</summary>
    public void Free()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
        foreach (var tensor in _kept) tensor.Dispose();
        _kept.Clear();
    }

    /// <inheritdoc cref="Free"/>
    public void Dispose() => Free();

    private static void ReadPiece(SafeFileHandle handle, byte[] buffer, long at, long length)
    {
        var wanted = buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - at));
        while (wanted.Length > 0)
        {
            var read = RandomAccess.Read(handle, wanted, at);
            if (read == 0) throw new EndOfStreamException("A file became shorter while it was read.");
            wanted = wanted[read..];
            at += read;
        }
    }

    private static ulong Read(byte* from, long bytes)
    {
        var (a, b, c, d) = (Vector<ulong>.Zero, Vector<ulong>.Zero, Vector<ulong>.Zero, Vector<ulong>.Zero);
        var step = Vector<byte>.Count;
        for (var at = 0L; at < bytes; at += 4 * step)
        {
            a |= Vector.LoadAligned((ulong*)(from + at));
            b |= Vector.LoadAligned((ulong*)(from + at + step));
            c |= Vector.LoadAligned((ulong*)(from + at + 2 * step));
            d |= Vector.LoadAligned((ulong*)(from + at + 3 * step));
        }

        return (a | b | c | d)[0];
    }
}
