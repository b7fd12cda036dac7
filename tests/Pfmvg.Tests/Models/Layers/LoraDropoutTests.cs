using System.Numerics;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models.Layers;

public sealed class LoraDropoutTests
{
    [Theory, InlineData(0.05, 3, 41, 96), InlineData(0.5, 2, 7, 33), InlineData(0.999, 1, 300, 64), InlineData(1e-12, 2, 5, 8)]
    public void Masks_drawn_by_tensor_operations_are_the_processor_s_bit_for_bit(double probability, int rows, int length, int width)
    {
        using var scope = NewDisposeScope();
        var dropout = new LoraDropout(probability);
        for (var adapter = 0; adapter < 3; adapter++) dropout.Register();
        dropout.Begin([.. Enumerable.Range(0, rows).Select(row => (77L * row - 5, length - 2 * row))]);
        var ones = torch.ones(rows, length, width);
        for (var adapter = 0; adapter < 3; adapter++)
            Assert.True(dropout.Apply(ones, adapter).Same(dropout.ApplyOnDevice(ones, adapter)));
        dropout.End();
    }

    [Theory, InlineData(0UL), InlineData(0x8000000080000000UL), InlineData(ulong.MaxValue), InlineData(0x0123456789ABCDEFUL)]
    public void Tensor_operations_make_the_counter_s_bits(ulong key)
    {
        using var scope = NewDisposeScope();
        var counter = new CounterBits(key);
        const int places = 100 * 1000;
        var expected = new int[places];
        for (var at = 0; at < places; at += Vector<uint>.Count)
        {
            var bits = counter.At((uint)at) ^ new Vector<uint>(CounterBits.TopBit);
            for (var lane = 0; lane < Math.Min(Vector<uint>.Count, places - at); lane++) expected[at + lane] = (int)bits[lane];
        }

        var (first, second) = counter.Offsets;
        var actual = Scripted.OrderedCounterBits(zeros(2, 100, 1000), tensor([1, 2, first, second], [2, 2]));
        Assert.Equal(ScalarType.Int32, actual.dtype);
        Assert.Equal(expected, actual[1].contiguous().data<int>().ToArray());
    }

    [Fact]
    public void The_gradient_passes_where_the_value_passed()
    {
        using var scope = NewDisposeScope();
        var dropout = new LoraDropout(0.3);
        dropout.Register();
        dropout.Begin([(1, 20), (2, 15)]);
        var (a, b) = (rand(2, 20, 12).requires_grad_(), rand(2, 20, 12).requires_grad_());
        dropout.Apply(a, 0).sum().backward();
        dropout.ApplyOnDevice(b, 0).sum().backward();
        Assert.True(a.grad!.Same(b.grad!));
        dropout.End();
    }

    [Fact]
    public void Keys_on_a_device_are_freed_at_the_end()
    {
        using var scope = NewDisposeScope();
        var dropout = new LoraDropout(0.3);
        dropout.Register();
        var x = rand(1, 4, 4);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        dropout.Begin([(1, 4)]);
        dropout.ApplyOnDevice(x, 0).Dispose();
        dropout.End();
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }
}
