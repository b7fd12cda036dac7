using Pfmvg.Models.Kernels;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models.Kernels;

/// <summary>A product in float32 with a matrix in bfloat16 or int8 is that of the matrix's exact values.</summary>
[Collection(nameof(Alone))]
public sealed class WideProductTests
{
    private const double Float32Sum = 1e-6; // relative to the sum of the absolute values of the terms

    public static TheoryData<int, int, int, ScalarType, bool> Sizes
    {
        get
        {
            var data = new TheoryData<int, int, int, ScalarType, bool>();
            foreach (var (rows, inputs, outputs) in new[] { (40, 33, 5), (3, 64, 96), (18, 2100, 2101) }) // the last in two chunks
                foreach (var type in new[] { ScalarType.BFloat16, ScalarType.Float32 })
                    foreach (var quantized in new[] { false, true }) data.Add(rows, inputs, outputs, type, quantized);
            return data;
        }
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Product_and_gradient_are_those_of_the_exact_values(int rows, int inputs, int outputs, ScalarType type, bool quantized)
    {
        using var scope = NewDisposeScope();
        var (weight, scale, exact) = Matrix(outputs, inputs, quantized);
        var generator = new Generator(1, CPU);
        var bias = randn([outputs], generator: generator).to(ScalarType.BFloat16);
        // Three dimensions, no row beside the next one.
        var x = randn([2, inputs, rows / 2 + 1], generator: generator).to(type).transpose(1, 2).requires_grad_();
        var actual = WideProduct.Multiply(x, weight, scale, bias, ScalarType.Float32);
        Assert.Equal(type, actual.dtype);
        Assert.Equal([2, rows / 2 + 1, outputs], actual.shape);
        var wide = x.detach().to(float64);
        Near(wide.matmul(exact.t()).add(bias.to(float64)), wide.abs().matmul(exact.abs().t()).add(bias.abs().to(float64)), actual.detach());

        var gradient = randn([2, outputs, rows / 2 + 1], generator: generator).to(type).transpose(1, 2);
        actual.backward([gradient]);
        Assert.Equal(type, x.grad!.dtype);
        Assert.Equal(x.shape, x.grad.shape);
        Near(gradient.to(float64).matmul(exact), gradient.to(float64).abs().matmul(exact.abs()), x.grad);
        Assert.True(x.grad.Same(WideProduct.InputGradient(gradient, weight, scale, ScalarType.Float32)));
    }

    [Fact]
    public void A_bfloat16_result_is_the_float32_result_rounded_once()
    {
        using var scope = NewDisposeScope();
        var (weight, _, _) = Matrix(2101, 2100, quantized: false);
        var x = randn([40, 2100], generator: new Generator(1, CPU)).to(ScalarType.BFloat16);
        var exact = WideProduct.Multiply(x.to(float32), weight, null, null, ScalarType.Float32);
        Assert.Equal(float32, exact.dtype);
        Assert.True(exact.to(ScalarType.BFloat16).Same(WideProduct.Multiply(x, weight, null, null, ScalarType.Float32)));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Both_ways_of_computing_agree_within_bfloat16(bool quantized)
    {
        using var scope = NewDisposeScope();
        var (weight, scale, exact) = Matrix(300, 512, quantized);
        var x = randn([40, 512], generator: new Generator(1, CPU)).to(ScalarType.BFloat16);
        var own = WideProduct.Multiply(x, weight, scale, null, ScalarType.Float32).to(float64);
        var native = quantized ? WideProduct.Multiply(x, weight, scale, null, ScalarType.BFloat16) : nn.functional.linear(x, weight);
        // Whole numbers of 8 bits are exact in bfloat16, too: only results are rounded, once more for the scales.
        var most = x.to(float64).abs().matmul(exact.abs().t()).mul(1e-5).add(own.abs().mul(1 / 64.0));
        Assert.True(own.sub(native.to(float64)).abs().le(most).all().item<bool>());
        var gradient = WideProduct.InputGradient(own.to(ScalarType.BFloat16), weight, scale, ScalarType.Float32).to(float64);
        var narrow = own.to(ScalarType.BFloat16);
        var other = (quantized ? WideProduct.InputGradient(narrow, weight, scale, ScalarType.BFloat16) : narrow.matmul(weight)).to(float64);
        Assert.True(gradient.sub(other).abs().le(gradient.abs().max().mul(1 / 64.0)).all().item<bool>());
    }

    [Fact]
    public void Whole_numbers_are_exact_in_bfloat16_products_whose_scales_come_before_or_after()
    {
        using var scope = NewDisposeScope();
        var (weight, scale, exact) = Matrix(2101, 4100, quantized: true); // two parts each way
        var generator = new Generator(1, CPU);
        var x = randn([2, 9, 4100], generator: generator).to(ScalarType.BFloat16).requires_grad_();
        var bias = randn([2101], generator: generator).to(ScalarType.BFloat16);
        var actual = WideProduct.Multiply(x, weight, scale, bias, ScalarType.BFloat16);
        Assert.Equal((ScalarType.BFloat16, 3), (actual.dtype, (int)actual.dim()));
        var wide = x.detach().to(float64);
        var (expected, terms) = (wide.matmul(exact.t()).add(bias.to(float64)), wide.abs().matmul(exact.abs().t()));
        // Rounded without its scale, and with scale and bias.
        Bounded(actual.detach(), expected, expected.abs().add(bias.to(float64).abs()).mul(1 / 128.0).add(terms.mul(1e-5)));

        var gradient = randn([2, 9, 2101], generator: generator).to(ScalarType.BFloat16);
        actual.backward([gradient]);
        var whole = weight.to(float64);
        var scaled = gradient.to(float32).mul(scale!.to(float32)).to(ScalarType.BFloat16).to(float64); // as a bfloat16 product takes it
        Bounded(x.grad!, scaled.matmul(whole), scaled.matmul(whole).abs().mul(1 / 256.0).add(scaled.abs().matmul(whole.abs()).mul(1e-5)));

        static void Bounded(Tensor actual, Tensor expected, Tensor most) =>
            Assert.True(actual.to(float64).sub(expected).abs().le(most).all().item<bool>());
    }

    [Fact]
    public void Autograd_keeps_no_copy_of_the_matrix()
    {
        const int Side = 4096, Products = 16; // 64 MiB each in float32
        using var scope = NewDisposeScope();
        var weight = new Parameter(zeros(Side, Side, ScalarType.BFloat16), requires_grad: false);
        var leaf = ones(4, Side, ScalarType.BFloat16).requires_grad_();
        Chain(1).backward();
        var before = ProcessMemory.Resident;
        var sum = Chain(Products);
        Assert.InRange(ProcessMemory.Resident - before, long.MinValue, 4L * Side * Side);
        sum.backward();
        Assert.Equal(0, leaf.grad!.abs().max().to(float32).item<float>());

        Tensor Chain(int count)
        {
            var x = leaf;
            for (var i = 0; i < count; i++) x = WideProduct.Multiply(x, weight, null, null, ScalarType.Float32);
            return x.sum();
        }
    }

    [Fact]
    public void Constant_collections_change_nothing_and_no_tensor_is_left()
    {
        using var scope = NewDisposeScope();
        var done = false;
        var collector = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                GC.Collect(0);
                Thread.SpinWait(5000);
            }
        });
        var (weight, scale, _) = Matrix(48, 64, quantized: true);
        var x = randn([20, 64], generator: new Generator(1, CPU)).to(ScalarType.BFloat16);
        var expected = Gradient(true).MoveToOuterDisposeScope();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        collector.Start();
        try
        {
            for (var i = 0; i < 3000; i++)
                using (var gradient = Gradient(i % 2 == 0)) Assert.True(expected.Same(gradient));
        }
        finally
        {
            Volatile.Write(ref done, true);
            collector.Join();
        }

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        // Of three products in a row; half of the time another graph is dropped without a backward pass.
        Tensor Gradient(bool also)
        {
            using var inside = NewDisposeScope();
            var leaf = x.detach().requires_grad_();
            if (also) Chain(leaf);
            Chain(leaf).backward();
            return leaf.grad!.MoveToOuterDisposeScope();
        }

        Tensor Chain(Tensor leaf)
        {
            var first = WideProduct.Multiply(leaf, weight, scale, null, ScalarType.Float32);
            var second = nn.functional.pad(first, [0, 16]).mul(leaf);
            return WideProduct.Multiply(second, weight, scale, null, ScalarType.Float32).to(float32).sum();
        }
    }

    [Fact]
    public void The_processor_decides_and_the_variable_overrules_it()
    {
        const int Amx = 1 << 22, Bf16 = 1 << 5;
        Assert.False(Fast("GenuineIntel", amx: 0, bf16: Bf16, state: 2696));
        Assert.True(Fast("GenuineIntel", Amx, Bf16, state: 11008));
        Assert.False(Fast("GenuineIntel", Amx, Bf16, state: 2696)); // the system has not switched its registers on
        Assert.True(Fast("AuthenticAMD", amx: 0, Bf16, state: 2696));
        Assert.False(Fast("AuthenticAMD", amx: 0, bf16: 0, state: 832));
        Assert.False(Bf16Products.Fast((_, _) => (6, 0, 0, 0)));

        Assert.True(Bf16Products.Choose("native", () => false));
        Assert.False(Bf16Products.Choose("float32", () => true));
        Assert.True(Bf16Products.Choose(null, () => true));
        Assert.False(Bf16Products.Choose("", () => false));
        Assert.Contains("PFMVG_BF16_PRODUCTS is 'fast'",
            Assert.Throws<InputException>(() => Bf16Products.Choose("fast", () => true)).Message, StringComparison.Ordinal);
        Assert.Equal(Bf16Products.Description, RunInfo.DescribeEnvironment()["bf16_products"]);

        static bool Fast(string vendor, int amx, int bf16, int state) => Bf16Products.Fast((leaf, part) => (leaf, part) switch
        {
            (0, _) => (0x1F, Part(vendor, 0), Part(vendor, 8), Part(vendor, 4)),
            (7, 0) => (1, 0, 0, amx),
            (7, 1) => (bf16, 0, 0, 0),
            (0xD, 0) => (0, state, 0, 0),
            _ => (0, 0, 0, 0),
        });

        static int Part(string vendor, int at) => BitConverter.ToInt32(System.Text.Encoding.ASCII.GetBytes(vendor), at);
    }

    private static (Tensor Weight, Tensor? Scale, Tensor Exact) Matrix(int outputs, int inputs, bool quantized)
    {
        var values = randn([outputs, inputs], generator: new Generator(2, CPU));
        if (!quantized)
        {
            var narrow = values.to(ScalarType.BFloat16);
            return (narrow, null, narrow.to(float64));
        }

        var (weight, scale) = (empty(outputs, inputs, ScalarType.Int8), empty(outputs, ScalarType.BFloat16));
        FrozenMatrix.Store(values, weight, scale);
        return (weight, scale, weight.to(float64).mul(scale.to(float64).unsqueeze(1)));
    }

    /// <summary>Float32 rounding of the sums, and once that of the result's type.</summary>
    private static void Near(Tensor expected, Tensor magnitude, Tensor actual)
    {
        var most = magnitude.mul(Float32Sum).add(expected.abs().mul(actual.dtype == ScalarType.BFloat16 ? 1 / 256.0 : 1e-7));
        Assert.True(actual.to(float64).sub(expected).abs().le(most).all().item<bool>());
    }
}
