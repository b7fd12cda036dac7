using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Pfmvg.Distributed;
using Pfmvg.Tensors;
using Pfmvg.Training;
using static TorchSharp.torch;
using Parameter = TorchSharp.Modules.Parameter;

namespace Pfmvg.Tests.Distributed;

/// <summary>The calls to NCCL, answered by functions that stand in for it; NCCL itself needs GPUs.</summary>
public sealed unsafe class NcclTests
{
    private static readonly List<string> Calls = [];
    private static int _refuses;

    public NcclTests()
    {
        Calls.Clear();
        _refuses = 0;
    }

    [Fact]
    public void Types_and_operations_have_the_numbers_of_nccl_h()
    {
        Assert.Equal(7, Nccl.Float32); // ncclInt8 0, Uint8 1, Int32 2, Uint32 3, Int64 4, Uint64 5, Float16 6, Float32 7
        Assert.Equal(0, Nccl.Sum);
        Assert.Equal(128, sizeof(Nccl.Id)); // NCCL_UNIQUE_ID_BYTES
    }

    [Fact]
    public void Rank_0_makes_the_id_that_all_ranks_join_with()
    {
        using (var first = new Nccl(Find, () => 0))
        {
            first.Join(new Pair(0));
            Assert.Equal(["id", "join 0 of 2: 3 4"], Calls);
        }

        Assert.Equal("leave", Calls[^1]);
        Calls.Clear();
        using var second = new Nccl(Find, () => 0);
        second.Join(new Pair(1) { Received = 9 }); // what rank 0 sent
        Assert.Equal(["join 1 of 2: 9 9"], Calls);
    }

    [Theory, InlineData(0), InlineData(1)]
    public void Gradients_and_numbers_are_summed_in_one_call_where_they_lie(int rank)
    {
        using var scope = NewDisposeScope();
        var world = new Pair(rank);
        using var joined = (NcclCommunicator)NcclCommunicator.Over(world, () => new Nccl(Find, () => 0x55), _ => { });
        using var parameter = new Parameter(ones(3, 4));
        using var gradients = new GradientBuffer([parameter], 2, staged: true);
        parameter.mul(5).sum().backward();
        Calls.Clear();
        float[] numbers = [1.5f, 2];
        gradients.SumOverRanks(joined, numbers);
        Assert.Equal([$"sum 14 of type 7 by 0 in group 77, stream 85, at {TensorMemory.DeviceAddress(gradients.Views[0])}"], Calls);
        Assert.Equal([3f, 4], numbers);
        Assert.All(parameter.grad!.data<float>().ToArray(), value => Assert.Equal(10, value));
        Assert.Equal(0, world.FloatSums); // MPI had no part in it
    }

    [Theory, InlineData(true, false), InlineData(false, true), InlineData(true, true)]
    public void Where_a_rank_lacks_the_library_all_take_MPI_and_say_so(bool here, bool there)
    {
        var lines = new List<string>();
        var world = new Pair(0) { OtherLacks = there };
        Assert.Same(world, NcclCommunicator.Over(world, () => here ? null : new Nccl(Find, () => 0), lines.Add));
        Assert.Contains("MPI sums the gradients", Assert.Single(lines), StringComparison.Ordinal);
        Assert.Empty(Calls);
    }

    [Fact]
    public void One_process_needs_no_library()
    {
        using var alone = new SingleProcess();
        Assert.Same(alone, NcclCommunicator.Over(alone, () => throw new InvalidOperationException(), _ => { }));
    }

    [Fact]
    public void What_the_library_refuses_is_an_error_in_its_own_words()
    {
        using var nccl = new Nccl(Find, () => 0);
        _refuses = 3;
        var refused = Assert.Throws<InvalidOperationException>(() => nccl.Join(new Pair(1)));
        Assert.Equal("ncclCommInitRank: internal error", refused.Message);
    }

    [Fact]
    public void The_address_on_the_device_is_that_of_the_values()
    {
        using var values = arange(5, ScalarType.Float32);
        Assert.Equal((nint)TensorMemory.Address(values), TensorMemory.DeviceAddress(values));
    }

    private static nint Find(string name) => name switch
    {
        "ncclGetErrorString" => (nint)(delegate* unmanaged<int, byte*>)&ErrorText,
        "ncclGetUniqueId" => (nint)(delegate* unmanaged<Nccl.Id*, int>)&NewId,
        "ncclCommInitRank" => (nint)(delegate* unmanaged<nint*, int, Nccl.Id, int, int>)&Join,
        "ncclAllReduce" => (nint)(delegate* unmanaged<float*, float*, nuint, int, int, nint, nint, int>)&AllReduce,
        "ncclCommDestroy" => (nint)(delegate* unmanaged<nint, int>)&Leave,
        _ => throw new EntryPointNotFoundException(name),
    };

    [UnmanagedCallersOnly]
    private static byte* ErrorText(int code) =>
        (byte*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(code == 3 ? "internal error\0"u8 : "unknown\0"u8));

    [UnmanagedCallersOnly]
    private static int NewId(Nccl.Id* id)
    {
        Calls.Add("id");
        new Span<byte>(id, 128).Fill(3);
        ((byte*)id)[127] = 4;
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int Join(nint* group, int size, Nccl.Id id, int rank)
    {
        Calls.Add($"join {rank} of {size}: {((byte*)&id)[0]} {((byte*)&id)[127]}");
        *group = 77;
        return _refuses;
    }

    // Two ranks with the same values.
    [UnmanagedCallersOnly]
    private static int AllReduce(float* from, float* to, nuint count, int type, int operation, nint group, nint stream)
    {
        Calls.Add($"sum {count} of type {type} by {operation} in group {group}, stream {stream}, at {(nint)from}");
        for (nuint i = 0; i < count; i++) to[i] = 2 * from[i];
        return 0;
    }

    [UnmanagedCallersOnly]
    private static int Leave(nint group)
    {
        Calls.Add("leave");
        return 0;
    }

    /// <summary>One of two ranks.</summary>
    private sealed class Pair(int rank) : ICommunicator
    {
        public byte Received { get; init; }

        public bool OtherLacks { get; init; }

        public int FloatSums { get; private set; }

        public int Rank => rank;

        public int Size => 2;

        public int LocalRank => rank;

        public int LocalSize => 2;

        public void AllReduceSum(Span<double> values) => values[0] += OtherLacks ? 1 : 0;

        public void AllReduceSum(Span<float> values) => FloatSums++;

        public void AllReduceSum(nint address, long count) => FloatSums++;

        public void Broadcast(Span<byte> bytes, int root = 0)
        {
            if (rank != root) bytes.Fill(Received);
        }

        public void Barrier() => throw new NotSupportedException();

        public IReadOnlyList<byte[]> Gather(ReadOnlySpan<byte> bytes) => throw new NotSupportedException();

        public void Leave(int code, TimeSpan patience) => throw new NotSupportedException();

        [DoesNotReturn]
        public void Abort(int code, string message) => throw new NotSupportedException();

        public void Dispose() { }
    }
}
