using System.Diagnostics.CodeAnalysis;
using Pfmvg.Distributed;
using Pfmvg.Tensors;
using Pfmvg.Training;
using TorchSharp;
using static TorchSharp.torch;
using AdamW = Pfmvg.Training.AdamW;
using Parameter = TorchSharp.Modules.Parameter;

namespace Pfmvg.Tests.Training;

public sealed class GradientBufferTests : IDisposable
{
    private readonly Parameter[] _parameters = [new(ones(3, 4)), new(ones(5)), new(ones(2, 2, 2))];

    [Fact]
    public void Backward_passes_add_into_the_buffer_in_place()
    {
        using var scope = NewDisposeScope();
        using var buffer = new GradientBuffer(_parameters, 4, staged: false);
        Backward();
        Backward();
        Assert.Equal(12 + 5 + 8, buffer.Count);
        foreach (var (parameter, view, i) in _parameters.Zip(buffer.Views, Enumerable.Range(1, 3)))
        {
            Assert.Equal(parameter.shape, view.shape);
            Assert.All(Values(view), value => Assert.Equal(2 * i, value));
            Assert.Equal(First(view), First(parameter.grad!));
        }
    }

    [Fact]
    public void The_gradients_lie_one_behind_the_other_without_gaps()
    {
        using var scope = NewDisposeScope();
        using var buffer = new GradientBuffer(_parameters, 4, staged: false);
        for (var i = 1; i < _parameters.Length; i++)
            Assert.Equal(First(buffer.Views[i - 1]) + sizeof(float) * (nint)_parameters[i - 1].numel(), First(buffer.Views[i]));
    }

    [Fact]
    public void The_optimizer_and_clearing_set_the_gradients_to_zero_where_they_are()
    {
        using var scope = NewDisposeScope();
        using var buffer = new GradientBuffer(_parameters, 4, staged: false);
        using var optimizer = new AdamW(_parameters.Select((parameter, i) => ($"{i}", parameter)), 0.9, 0.999, 0.05);
        nint[] places = [.. buffer.Views.Select(First)];
        foreach (var clear in (Action[])[() => optimizer.Step(1e-3), buffer.Clear])
        {
            Backward();
            Assert.DoesNotContain(0f, buffer.Views.SelectMany(Values));
            clear();
            Assert.All(buffer.Views.SelectMany(Values), value => Assert.Equal(0, value));
            Assert.Equal(places, _parameters.Select(parameter => First(parameter.grad!)));
        }
    }

    [Fact]
    public void Norms_and_scaling_are_those_of_the_single_gradients()
    {
        using var scope = NewDisposeScope();
        using var buffer = new GradientBuffer(_parameters, 4, staged: false);
        Backward();
        buffer.Scale(0.5);
        Assert.Equal(_parameters.Select(parameter => parameter.grad!.norm().item<float>()), Values(buffer.Norms()));
        Assert.Equal(MathF.Sqrt(12) / 2, Values(buffer.Norms())[0]);
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Gradients_and_numbers_are_summed_over_the_ranks_in_one_exchange(bool staged)
    {
        using var scope = NewDisposeScope();
        using var buffer = new GradientBuffer(_parameters, 4, staged);
        using var world = new Twins();
        for (var step = 1; step <= 2; step++) // the second time in memory that was used before
        {
            Backward();
            float[] numbers = [0.1f, 2, 3, 1];
            buffer.SumOverRanks(world, numbers);
            Assert.Equal(step, world.Exchanges);
            Assert.Equal([0.1f + 0.1f, 4, 6, 2], numbers);
            foreach (var (parameter, i) in _parameters.Zip(Enumerable.Range(1, 3)))
                Assert.All(Values(parameter.grad!), value => Assert.Equal(2 * i, value));
            buffer.Clear();
        }
    }

    [Theory, InlineData(false), InlineData(true)]
    public void An_exchange_of_any_size_leaves_no_garbage_worth_mentioning(bool staged)
    {
        using var parameter = new Parameter(zeros(3_000_000));
        using var buffer = new GradientBuffer([parameter], 4, staged);
        using var world = new Twins();
        var numbers = new float[4];
        buffer.SumOverRanks(world, numbers);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 10; i++) buffer.SumOverRanks(world, numbers);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10 * 1024);
    }

    [Fact]
    public void Disposing_frees_every_tensor_and_leaves_the_parameters_without_gradients()
    {
        Make();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        Make();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.All(_parameters, parameter => Assert.Null(parameter.grad));

        void Make()
        {
            using var scope = NewDisposeScope();
            using var world = new Twins();
            using var buffer = new GradientBuffer(_parameters, 4, staged: true);
            Backward();
            buffer.SumOverRanks(world, new float[4]);
        }
    }

    public void Dispose()
    {
        foreach (var parameter in _parameters) parameter.Dispose();
    }

    // The gradient of parameter i, counted from 1, is i everywhere.
    private void Backward()
    {
        using var scope = NewDisposeScope();
        for (var i = 0; i < _parameters.Length; i++)
        {
            using Scalar factor = i + 1;
            _parameters[i].mul(factor).sum().backward();
        }
    }

    private static float[] Values(Tensor tensor) => tensor.contiguous().data<float>().ToArray();

    private static unsafe nint First(Tensor tensor) => (nint)TensorMemory.Address(tensor);

    /// <summary>Two ranks that always have the same values.</summary>
    private sealed class Twins : ICommunicator
    {
        public int Exchanges { get; private set; }

        public int Rank => 0;

        public int Size => 2;

        public int LocalRank => 0;

        public int LocalSize => 2;

        public unsafe void AllReduceSum(nint address, long count)
        {
            Exchanges++;
            for (var i = 0L; i < count; i++) ((float*)address)[i] *= 2;
        }

        public void AllReduceSum(Span<float> values) => throw new NotSupportedException();

        public void AllReduceSum(Span<double> values) => throw new NotSupportedException();

        public void Broadcast(Span<byte> bytes, int root = 0) => throw new NotSupportedException();

        public void Barrier() => throw new NotSupportedException();

        public IReadOnlyList<byte[]> Gather(ReadOnlySpan<byte> bytes) => throw new NotSupportedException();

        public void Leave(int code, TimeSpan patience) => throw new NotSupportedException();

        [DoesNotReturn]
        public void Abort(int code, string message) => throw new NotSupportedException();

        public void Dispose() { }
    }
}
