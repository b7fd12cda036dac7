using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models.Kernels;

public sealed class ProductTests
{
    [Theory, InlineData(1, 32, 5), InlineData(1, 96, 7), InlineData(3, 64, 9), InlineData(2, 4096, 300), InlineData(8, 64, 97),
        InlineData(11, 96, 100), InlineData(16, 11008, 40)]
    public void A_thin_product_is_the_product_summed_in_float32(int rows, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        var generator = new Generator(1, CPU);
        var x = randn([rows, inputs], generator: generator).to(ScalarType.BFloat16);
        var weight = randn([outputs, inputs], generator: generator).to(ScalarType.BFloat16);
        Assert.True(ThinProduct.Fits(rows, x, weight));
        var expected = x.to(float64).matmul(weight.to(float64).t());
        var actual = ThinProduct.Multiply(x, weight, null);
        Assert.Equal(ScalarType.BFloat16, actual.dtype);
        // Half a unit of bfloat16's last place, and what float32 sums lose.
        Assert.True(actual.to(float64).sub(expected).abs().le(
            expected.abs().mul(1 / 256.0 + 1e-6).add(1e-4 * Math.Sqrt(inputs))).all().item<bool>());
        Assert.True(actual.Same(FrozenMatrix.Product(x.view(rows, 1, inputs), weight, null, null).view(rows, outputs)));
    }

    [Theory, InlineData(1, 32, 5), InlineData(1, 4096, 300), InlineData(3, 64, 97), InlineData(16, 96, 100)]
    public void A_thin_product_with_whole_numbers_is_that_of_the_matrix_they_stand_for(int rows, int inputs, int outputs)
    {
        using var scope = NewDisposeScope();
        var generator = new Generator(2, CPU);
        var x = randn([rows, inputs], generator: generator);
        var weight = randint(-127, 128, [outputs, inputs], dtype: ScalarType.Int8, generator: generator);
        var scale = rand([outputs], generator: generator).to(ScalarType.BFloat16);
        var expected = x.to(float64).matmul(weight.to(float64).mul(scale.to(float64).unsqueeze(1)).t());
        foreach (var (input, tolerance) in new[] { (x, 1e-6), (x.to(ScalarType.BFloat16), 1 / 128.0) })
        {
            Assert.True(ThinProduct.Fits(rows, input, weight));
            var actual = ThinProduct.Multiply(input, weight, scale);
            Assert.Equal(input.dtype, actual.dtype);
            var error = actual.to(float64).sub(expected).norm().item<double>() / expected.norm().item<double>();
            Assert.InRange(error, 0, tolerance);
        }
    }

    [Fact]
    public void Other_shapes_and_types_are_left_to_libtorch()
    {
        using var scope = NewDisposeScope();
        Assert.False(ThinProduct.Fits(1, zeros(1, 33, ScalarType.BFloat16), zeros(5, 33, ScalarType.BFloat16)));
        Assert.False(ThinProduct.Fits(1, zeros(1, 32), zeros(5, 32)));
        Assert.False(ThinProduct.Fits(100, zeros(100, 32, ScalarType.BFloat16), zeros(5, 32, ScalarType.BFloat16)));
        Assert.False(ThinProduct.Fits(1, zeros(1, 32, ScalarType.BFloat16), zeros(32, 64, ScalarType.BFloat16).t().narrow(1, 0, 32)));
    }

    [Fact]
    public void Dropout_keeps_its_share_and_the_mean_and_spares_padding()
    {
        using var scope = NewDisposeScope();
        var dropout = new LoraDropout(0.2);
        dropout.Begin([(7, 900), (8, 1000)]);
        var ones = torch.ones(2, 1000, 333);
        var dropped = dropout.Apply(ones, 3);
        var real = dropped[1];
        Assert.Equal(1, real.mean().item<float>(), 0.005);
        Assert.Equal(0.8, real.ne(0).to(float32).mean().item<float>(), 0.004);   // 333 k values: 6 standard errors
        Assert.Equal(1.25, real.max().item<float>(), 1e-6);
        Assert.Equal(0, dropped[0].narrow(0, 900, 100).abs().max().item<float>());
        Assert.False(dropped[0].narrow(0, 0, 900).Same(dropped[1].narrow(0, 0, 900)));
        Assert.True(dropped.Same(dropout.Apply(ones, 3)));
        Assert.False(dropped.Same(dropout.Apply(ones, 4)));
    }
}
