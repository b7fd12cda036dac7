using System.Runtime.InteropServices;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Tensors;

public class HalfToBFloat16Tests
{
    private const int Patterns = 1 << 16;

    /// <summary>Shifts of one element make targets that are aligned to no vector; lengths leave every remainder.</summary>
    [Fact]
    public void Every_float16_becomes_the_bfloat16_that_libtorch_makes_of_it_at_any_place_and_length()
    {
        var source = Enumerable.Range(0, Patterns).Select(bits => (ushort)bits).ToArray();
        using var scope = NewDisposeScope();
        var halves = zeros(Patterns, ScalarType.Float16);
        MemoryMarshal.AsBytes(source.AsSpan()).CopyTo(halves.bytes);
        var expected = new ushort[Patterns];
        MemoryMarshal.Cast<byte, ushort>(halves.to(ScalarType.BFloat16).bytes).CopyTo(expected);

        for (var shift = 0; shift < 40; shift++)
        {
            var target = new ushort[Patterns + 2];
            HalfToBFloat16.Convert(source.AsSpan(shift), target.AsSpan(shift + 1, Patterns - shift));
            Assert.Equal(expected[shift..], target[(shift + 1)..^1]);
            Assert.Equal((0, 0), (target[shift], target[^1]));
        }
    }

    [Theory]
    [InlineData(0x0001, 0x3380)] // 2^-24
    [InlineData(0x3C04, 0x3F80)] // 1 + 4/1024, half way, to the even one below
    [InlineData(0x3C0C, 0x3F82)] // 1 + 12/1024, half way, to the even one above
    [InlineData(0x7BFF, 0x4780)] // 65504, up to 65536
    [InlineData(0xFC00, 0xFF80)] // -infinity
    [InlineData(0xFE01, 0x7FC0)] // NaN
    [InlineData(0x8000, 0x8000)] // -0
    public void Edges_round_as_IEEE_says(int half, int bfloat)
    {
        var target = new ushort[1];
        HalfToBFloat16.Convert([(ushort)half], target);
        Assert.Equal(bfloat, target[0]);
    }
}
