using System.Diagnostics.CodeAnalysis;

namespace Pfmvg.Distributed;

/// <summary>Sums gradients between GPUs by NCCL; everything else, and the start, is MPI's.</summary>
/// <param name="mpi">The processes.</param>
/// <param name="nccl">Joined with all of them.</param>
internal sealed class NcclCommunicator(ICommunicator mpi, Nccl nccl) : ICommunicator
{
    /// <summary>The same processes with NCCL between their GPUs, where all of them find it; else as they are. All ranks call it.</summary>
    /// <param name="mpi">The processes.</param>
    /// <param name="load">Loads the library.</param>
    /// <param name="tell">Gets a line that says which it is.</param>
    public static ICommunicator Over(ICommunicator mpi, Func<Nccl?> load, Action<string> tell)
    {
        if (mpi.Size == 1) return mpi;
        var library = load();
        if (mpi.OnAnyRank(library is null))
        {
            tell("nccl  libnccl.so.2 is not found on every rank, so MPI sums the gradients");
            return mpi;
        }

        library!.Join(mpi);
        tell("nccl  gradients are summed between the GPUs by NCCL, which was never tried; nccl: false takes MPI");
        return new NcclCommunicator(mpi, library);
    }

    public int Rank => mpi.Rank;

    public int Size => mpi.Size;

    public int LocalRank => mpi.LocalRank;

    public int LocalSize => mpi.LocalSize;

    bool ICommunicator.SumsOnDevice => true;

    void ICommunicator.AllReduceSumOnDevice(nint address, long count) => nccl.AllReduceSum(address, count);

    public void AllReduceSum(Span<float> values) => mpi.AllReduceSum(values);

    public void AllReduceSum(Span<double> values) => mpi.AllReduceSum(values);

    public void AllReduceSum(nint address, long count) => mpi.AllReduceSum(address, count);

    public void Broadcast(Span<byte> bytes, int root = 0) => mpi.Broadcast(bytes, root);

    public void Barrier() => mpi.Barrier();

    public IReadOnlyList<byte[]> Gather(ReadOnlySpan<byte> bytes) => mpi.Gather(bytes);

    public void Leave(int code, TimeSpan patience) => mpi.Leave(code, patience);

    [DoesNotReturn]
    public void Abort(int code, string message) => mpi.Abort(code, message);

    /// <summary>Leaves NCCL's group; the processes stay connected.</summary>
    public void Dispose() => nccl.Dispose();
}
