using System.Runtime.Intrinsics.X86;
using Pfmvg.Models.Kernels;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models.Kernels;

/// <summary>The kernels with vectors of every width that the processor has.</summary>
public sealed unsafe class VectorWidthTests
{
    internal const string Switch = "DOTNET_EnableAVX512";

    public static TheoryData<int, ScalarType, int, int> Cases() => [.. from lanes in (int[])[16, 8, 4]
        from type in (ScalarType[])[ScalarType.BFloat16, ScalarType.Int8, ScalarType.Float32]
        from rows in Enumerable.Range(1, 17)
        from inputs in rows < 3 ? (int[])[2080, 4096, 6176] : [2080] // a row alone is read in an order of its width
        select new TheoryDataRow<int, ScalarType, int, int>(lanes, type, rows, inputs)];

    [Theory, MemberData(nameof(Cases))]
    public void A_product_is_that_of_double_precision_and_a_row_does_not_depend_on_others(
        int lanes, ScalarType type, int rows, int inputs)
    {
        Assert.SkipUnless(lanes <= ThinVectors.Lanes, $"vectors of {lanes} lanes");
        const int outputs = 101;
        using var scope = NewDisposeScope();
        var generator = new Generator(3, CPU);
        var x = randn([rows, inputs], generator: generator);
        var weight = type == ScalarType.Int8 ? randint(-127, 128, [outputs, inputs], dtype: type, generator: generator)
            : randn([outputs, inputs], generator: generator).to(type);
        var scale = type == ScalarType.Int8 ? rand([outputs], generator: generator) : null;
        var exact = weight.to(float64).mul(scale is null ? ones(1, 1, float64) : scale.to(float64).unsqueeze(1));
        var actual = Multiply(x);
        // Float32 sums of numbers whose absolute products add up to this much.
        var limit = x.to(float64).abs().matmul(exact.abs().t()).mul(2e-7);
        Assert.True(actual.to(float64).sub(x.to(float64).matmul(exact.t())).abs().le(limit).all().item<bool>());
        for (var row = 0; row < rows; row++) Assert.True(actual.narrow(0, row, 1).Same(Multiply(x.narrow(0, row, 1))));

        Tensor Multiply(Tensor rowsOfX)
        {
            using var matrix = new ThinMatrix(weight, scale, lanes);
            var count = rowsOfX.shape[0];
            var (plain, laidOut, result) = (rowsOfX.contiguous(), zeros(count, inputs), zeros(count, outputs));
            matrix.LayOut((float*)TensorMemory.Address(plain), (float*)TensorMemory.Address(laidOut), count);
            for (var piece = 0L; piece < matrix.Pieces; piece++)
                matrix.Multiply(piece, (float*)TensorMemory.Address(laidOut), (float*)TensorMemory.Address(result), count);
            GC.KeepAlive(plain);
            return result;
        }
    }

    [Theory, InlineData(16), InlineData(8), InlineData(4)]
    public void Attention_norm_and_gates_are_those_of_libtorch(int lanes)
    {
        Assert.SkipUnless(lanes <= ThinVectors.Lanes, $"vectors of {lanes} lanes");
        const int size = 48, count = 21;
        using var scope = NewDisposeScope();
        var generator = new Generator(4, CPU);
        var (query, gate, up, result) = (randn([size], generator: generator), randn([size], generator: generator).mul_(8),
            randn([size], generator: generator), zeros(size));
        var to = (float*)TensorMemory.Address(result);
        var scores = stackalloc float[count + ThinVectors.MostLanes];
        foreach (var type in (ScalarType[])[ScalarType.Float32, ScalarType.BFloat16])
        {
            var (keys, values) = (randn([count, size], generator: generator).to(type), randn([count, size], generator: generator).to(type));
            new ThinAttention(type, size, lanes).Attend((float*)TensorMemory.Address(query), TensorMemory.Address(keys),
                TensorMemory.Address(values), count, (3, 6), scores, to);
            var weights = keys.to(float64).mv(query.to(float64)).div(Math.Sqrt(size));
            weights[3..6] = double.NegativeInfinity;
            Assert.True(result.to(float64).allclose(weights.softmax(0).matmul(values.to(float64)), 1e-5, 1e-6));
            GC.KeepAlive(keys);
            GC.KeepAlive(values);
        }

        var vectors = new ThinVectors(lanes);
        vectors.MultiplyGates((float*)TensorMemory.Address(gate), (float*)TensorMemory.Address(up), to, size);
        Assert.True(result.allclose(nn.functional.silu(gate).mul(up), 1e-5, 1e-6));
        vectors.Normalise((float*)TensorMemory.Address(query), up.data<float>().ToArray(), 1e-5f, to);
        Assert.True(result.allclose(query.div(query.square().mean().add(1e-5).sqrt()).mul(up), 1e-5, 1e-6));
        GC.KeepAlive(gate);
    }

    [Fact]
    public void The_widest_vectors_are_taken_that_the_runtime_allows()
    {
        if (Environment.GetEnvironmentVariable(Switch) == "0") Assert.False(Avx512F.IsSupported);
        if (Avx512F.IsSupported) Assert.Equal((16, "AVX-512"), (ThinVectors.Lanes, ThinVectors.Describe(ThinVectors.Lanes)));
        else if (Avx2.IsSupported) Assert.Equal((8, "AVX2"), (ThinVectors.Lanes, ThinVectors.Describe(ThinVectors.Lanes)));
    }
}
