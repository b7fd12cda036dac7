using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;

namespace Pfmvg.Distributed;

/// <summary>The processes that `mpirun` or `srun` started, connected by Open MPI.</summary>
/// <remarks>MPICH has another binary interface and is not supported.</remarks>
public sealed unsafe class Mpi : ICommunicator
{
    // MPI counts in int, and copies what it works on: pieces bound both.
    private const int PieceBytes = 64 << 20;

    private readonly OpenMpi _mpi;
    private bool _left;

    private Mpi(OpenMpi mpi)
    {
        _mpi = mpi;
        int provided, rank, size;
        mpi.InitThread(null, null, OpenMpi.ThreadSerialized, &provided);
        mpi.CommRank(mpi.World, &rank);
        mpi.CommSize(mpi.World, &size);
        (Rank, Size) = (rank, size);

        nint machine;
        int localRank, localSize;
        mpi.CommSplitType(mpi.World, OpenMpi.SharedMemory, rank, mpi.Info, &machine);
        mpi.CommRank(machine, &localRank);
        mpi.CommSize(machine, &localSize);
        mpi.CommFree(&machine);
        (LocalRank, LocalSize) = (localRank, localSize);
    }

    /// <inheritdoc/>
    public int Rank { get; }

    /// <inheritdoc/>
    public int Size { get; }

    /// <inheritdoc/>
    public int LocalRank { get; }

    /// <inheritdoc/>
    public int LocalSize { get; }

    /// <summary>Name and version of the MPI library; null where none is installed.</summary>
    /// <exception cref="InputException">There is an MPI library, but another one than Open MPI.</exception>
    public static string? Library() => OpenMpi.Load()?.Version;

    /// <summary>Connects this process to the others. May be called once in the life of a process.</summary>
    /// <param name="expected">Processes that the launcher says it started.</param>
    /// <exception cref="InputException">Open MPI is missing, or it does not see the others.</exception>
    public static Mpi Start(int expected)
    {
        var library = OpenMpi.Load() ?? throw new InputException(
            $"{expected} processes were started together, but the library of Open MPI (libmpi.so.40) is not found: install it "
            + "(Debian: apt-get install openmpi-bin libopenmpi-dev; RHEL: dnf install openmpi; a cluster: module load openmpi), "
            + "or start one process.");
        var world = new Mpi(library);
        if (world.Size == expected) return world;
        var size = world.Size;
        world.Dispose();
        throw new InputException(
            $"{expected} processes were started together, but {library.Version} sees {size}: start them with the mpirun of the "
                + "same Open MPI, or with srun --mpi=pmix.");
    }

    /// <inheritdoc/>
    public void AllReduceSum(Span<float> values)
    {
        fixed (float* start = values) AllReduceSum((nint)start, values.Length);
    }

    /// <inheritdoc/>
    public void AllReduceSum(nint address, long count)
    {
        foreach (var (at, length) in Pieces(count, sizeof(float)))
            _mpi.AllReduce(OpenMpi.InPlace, (float*)address + at, length, _mpi.Float, _mpi.Sum, _mpi.World);
    }

    /// <inheritdoc/>
    public void AllReduceSum(Span<double> values)
    {
        fixed (double* start = values)
            foreach (var (at, count) in Pieces(values.Length, sizeof(double)))
                _mpi.AllReduce(OpenMpi.InPlace, start + at, count, _mpi.Double, _mpi.Sum, _mpi.World);
    }

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes, int root = 0)
    {
        fixed (byte* start = bytes)
            foreach (var (at, count) in Pieces(bytes.Length, 1))
                _mpi.Broadcast(start + at, count, _mpi.Byte, root, _mpi.World);
    }

    /// <inheritdoc/>
    public void Barrier() => _mpi.Barrier(_mpi.World);

    /// <inheritdoc/>
    public IReadOnlyList<byte[]> Gather(ReadOnlySpan<byte> bytes)
    {
        if (Rank != 0)
        {
            Send(BitConverter.GetBytes(bytes.Length));
            Send(bytes);
            return [];
        }

        var all = new byte[Size][];
        all[0] = bytes.ToArray();
        for (var rank = 1; rank < Size; rank++)
        {
            var length = new byte[sizeof(int)];
            Receive(length, rank);
            all[rank] = new byte[BitConverter.ToInt32(length)];
            Receive(all[rank], rank);
        }

        return all;
    }

    /// <inheritdoc/>
    public void Leave(int code, TimeSpan patience)
    {
        if (_left) return;
        nint request;
        var met = 0;
        _mpi.BeginBarrier(_mpi.World, &request);
        for (var clock = Stopwatch.StartNew(); met == 0 && clock.Elapsed < patience;)
        {
            _mpi.Test(&request, &met, null);
            if (met == 0) Thread.Sleep(10);
        }

        if (met == 0) Abort(code, $"the other ranks did not come to the end within {patience.TotalSeconds:f0} s");
        Dispose();
    }

    /// <inheritdoc/>
    [DoesNotReturn]
    public void Abort(int code, string message)
    {
        Console.Error.WriteLine(string.Join('\n', message.Split('\n').Select(line => $"rank {Rank}: {line}")));
        Console.Error.Flush();
        Thread.Sleep(200); // mpirun drops what a process wrote just before its end
        _mpi.Abort(_mpi.World, code);
        Environment.Exit(code);
        throw new InvalidOperationException(message);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_left) return;
        _left = true;
        _mpi.Finalize();
    }

    private void Send(ReadOnlySpan<byte> bytes)
    {
        fixed (byte* start = bytes)
            foreach (var (at, count) in Pieces(bytes.Length, 1))
                _mpi.Send(start + at, count, _mpi.Byte, 0, 0, _mpi.World);
    }

    private void Receive(Span<byte> bytes, int rank)
    {
        fixed (byte* start = bytes)
            foreach (var (at, count) in Pieces(bytes.Length, 1))
                _mpi.Receive(start + at, count, _mpi.Byte, rank, 0, _mpi.World, null);
    }

    private static IEnumerable<(long At, int Count)> Pieces(long length, int size)
    {
        var most = PieceBytes / size;
        for (var at = 0L; at < length;)
        {
            var count = (int)Math.Min(most, length - at);
            yield return (at, count);
            at += count;
        }
    }
}
