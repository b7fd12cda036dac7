using System.Diagnostics.CodeAnalysis;

namespace Pfmvg.Distributed;

/// <summary>
/// The processes that compute together, and what they exchange. Every member but the properties and
/// <see cref="Abort"/> is collective: all ranks call it in the same order, with buffers of the same length, from one
/// thread at a time.
/// </summary>
/// <remarks>
/// Disposing is collective, too, and belongs to the end of the work. After a failure call <see cref="Abort"/> instead:
/// the other ranks may be waiting in another operation and would wait for ever.
/// </remarks>
public interface ICommunicator : IDisposable
{
    /// <summary>Number of this process, from 0.</summary>
    int Rank { get; }

    /// <summary>Processes in all.</summary>
    int Size { get; }

    /// <summary>Number of this process among those on its machine, from 0: it picks the GPU.</summary>
    int LocalRank { get; }

    /// <summary>Processes on this machine: they share its cores.</summary>
    int LocalSize { get; }

    /// <summary>Replaces every value by its sum over the ranks; all ranks get the same bits.</summary>
    void AllReduceSum(Span<float> values);

    /// <summary>Replaces every value by its sum over the ranks; all ranks get the same bits.</summary>
    void AllReduceSum(Span<double> values);

    /// <summary>
    /// The same for float32 values in native memory, which may be more than a span holds. They are summed where they lie.
    /// </summary>
    /// <param name="address">The first value, in the memory of the host.</param>
    /// <param name="count">How many; the same on all ranks.</param>
    void AllReduceSum(nint address, long count);

    /// <summary>Whether values in the memory of a GPU are summed where they lie.</summary>
    internal bool SumsOnDevice => false;

    /// <summary>As <see cref="AllReduceSum(nint, long)"/>, in the memory of this rank's GPU, behind all work queued before.</summary>
    internal void AllReduceSumOnDevice(nint address, long count) => throw new NotSupportedException();

    /// <summary>Replaces the bytes of every rank by those of one.</summary>
    void Broadcast(Span<byte> bytes, int root = 0);

    /// <summary>Waits until every rank is here.</summary>
    void Barrier();

    /// <summary>Brings the bytes of every rank, of any length each, to rank 0.</summary>
    /// <returns>One array per rank on rank 0; nothing elsewhere.</returns>
    IReadOnlyList<byte[]> Gather(ReadOnlySpan<byte> bytes);

    /// <summary>Meets the other ranks and leaves together; when they do not come in time, ends them all.</summary>
    /// <param name="code">Exit code in case they do not come.</param>
    /// <param name="patience">How long to wait for them.</param>
    void Leave(int code, TimeSpan patience);

    /// <summary>Ends the whole job at once, on every rank.</summary>
    /// <param name="code">Exit code.</param>
    /// <param name="message">Printed to standard error with the number of this rank; several lines are allowed.</param>
    [DoesNotReturn]
    void Abort(int code, string message);
}
