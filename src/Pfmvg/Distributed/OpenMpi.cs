using System.Runtime.InteropServices;

namespace Pfmvg.Distributed;

/// <summary>The functions and handles of Open MPI's C library that are used, as its 4.x and 5.x binaries export them.</summary>
internal sealed unsafe class OpenMpi
{
    /// <summary>MPI_THREAD_SERIALIZED: any thread, one at a time.</summary>
    public const int ThreadSerialized = 2;

    /// <summary>MPI_COMM_TYPE_SHARED: the processes of one machine.</summary>
    public const int SharedMemory = 0;

    private static readonly string[] Names = ["libmpi.so.40", "libmpi.so.80", "libmpi.so"];

    private readonly nint _library;

    private OpenMpi(nint library)
    {
        _library = library;
        InitThread = (delegate* unmanaged<int*, byte***, int, int*, int>)Function("MPI_Init_thread");
        Finalize = (delegate* unmanaged<int>)Function("MPI_Finalize");
        Abort = (delegate* unmanaged<nint, int, int>)Function("MPI_Abort");
        CommRank = (delegate* unmanaged<nint, int*, int>)Function("MPI_Comm_rank");
        CommSize = (delegate* unmanaged<nint, int*, int>)Function("MPI_Comm_size");
        CommSplitType = (delegate* unmanaged<nint, int, int, nint, nint*, int>)Function("MPI_Comm_split_type");
        CommFree = (delegate* unmanaged<nint*, int>)Function("MPI_Comm_free");
        AllReduce = (delegate* unmanaged<void*, void*, int, nint, nint, nint, int>)Function("MPI_Allreduce");
        Broadcast = (delegate* unmanaged<void*, int, nint, int, nint, int>)Function("MPI_Bcast");
        Barrier = (delegate* unmanaged<nint, int>)Function("MPI_Barrier");
        BeginBarrier = (delegate* unmanaged<nint, nint*, int>)Function("MPI_Ibarrier");
        Test = (delegate* unmanaged<nint*, int*, void*, int>)Function("MPI_Test");
        Send = (delegate* unmanaged<void*, int, nint, int, int, nint, int>)Function("MPI_Send");
        Receive = (delegate* unmanaged<void*, int, nint, int, int, nint, void*, int>)Function("MPI_Recv");
        LibraryVersion = (delegate* unmanaged<byte*, int*, int>)Function("MPI_Get_library_version");
        (World, Info) = (Function("ompi_mpi_comm_world"), Function("ompi_mpi_info_null"));
        (Byte, Float, Double, Sum) = (Function("ompi_mpi_byte"), Function("ompi_mpi_float"), Function("ompi_mpi_double"),
            Function("ompi_mpi_op_sum"));
    }

    public readonly delegate* unmanaged<int*, byte***, int, int*, int> InitThread;
    public readonly delegate* unmanaged<int> Finalize;
    public readonly delegate* unmanaged<nint, int, int> Abort;
    public readonly delegate* unmanaged<nint, int*, int> CommRank, CommSize;
    public readonly delegate* unmanaged<nint, int, int, nint, nint*, int> CommSplitType;
    public readonly delegate* unmanaged<nint*, int> CommFree;
    public readonly delegate* unmanaged<void*, void*, int, nint, nint, nint, int> AllReduce;
    public readonly delegate* unmanaged<void*, int, nint, int, nint, int> Broadcast;
    public readonly delegate* unmanaged<nint, int> Barrier;
    public readonly delegate* unmanaged<nint, nint*, int> BeginBarrier;
    public readonly delegate* unmanaged<nint*, int*, void*, int> Test;
    public readonly delegate* unmanaged<void*, int, nint, int, int, nint, int> Send;
    public readonly delegate* unmanaged<void*, int, nint, int, int, nint, void*, int> Receive;
    public readonly delegate* unmanaged<byte*, int*, int> LibraryVersion;

    /// <summary>MPI_COMM_WORLD, MPI_INFO_NULL, the types and the operation: addresses of exported objects.</summary>
    public readonly nint World, Info, Byte, Float, Double, Sum;

    /// <summary>MPI_IN_PLACE.</summary>
    public static void* InPlace => (void*)1;

    /// <summary>Loads the library; null where none is installed.</summary>
    /// <exception cref="InputException">There is an MPI library, but another one than Open MPI.</exception>
    public static OpenMpi? Load()
    {
        foreach (var name in Names)
        {
            if (!NativeLibrary.TryLoad(name, out var library)) continue;
            return NativeLibrary.TryGetExport(library, "ompi_mpi_comm_world", out _)
                ? new OpenMpi(library)
                : throw new InputException($"The MPI library {name} is not Open MPI; MPICH and its relatives have another "
                    + "binary interface and are not supported. Load Open MPI instead (module load openmpi, or LD_LIBRARY_PATH).");
        }

        return null;
    }

    /// <summary>Name and version of the library, in one line. May be asked for before the start.</summary>
    public string Version
    {
        get
        {
            const int Longest = 1 << 10;
            var text = stackalloc byte[Longest]; // MPI_MAX_LIBRARY_VERSION_STRING is 256
            int length;
            LibraryVersion(text, &length);
            var version = Marshal.PtrToStringUTF8((nint)text) ?? "";
            return version.Split(',', 2)[0].Trim();
        }
    }

    private nint Function(string name) => NativeLibrary.GetExport(_library, name);
}
