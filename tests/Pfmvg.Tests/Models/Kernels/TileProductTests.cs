using Pfmvg.Models.Kernels;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models.Kernels;

/// <summary>Products of matrices in the cache, with vectors of every width that the processor has.</summary>
public sealed unsafe class TileProductTests
{
    public static TheoryData<int, int, int, int> Cases() => [.. from lanes in (int[])[16, 8, 4]
        from size in ((int, int, int)[])[(1, 16, 1), (5, 32, 7), (6, 48, 64), (13, 112, 33), (31, 352, 129)]
        select new TheoryDataRow<int, int, int, int>(lanes, size.Item1, size.Item2, size.Item3)];

    [Theory, MemberData(nameof(Cases))]
    public void A_product_is_that_of_double_precision_plain_transposed_and_added(int lanes, int rows, int columns, int depth)
    {
        Assert.SkipUnless(lanes <= ThinVectors.Lanes, $"vectors of {lanes} lanes");
        using var scope = NewDisposeScope();
        var generator = new Generator((ulong)rows, CPU);
        var (a, b, c) = (randn([rows, depth], generator: generator), randn([depth, columns], generator: generator),
            randn([rows, columns + 16], generator: generator)); // the last columns of C belong to someone else
        var transposed = a.t().contiguous();
        var exact = a.to(float64).matmul(b.to(float64));
        var limit = a.to(float64).abs().matmul(b.to(float64).abs()).mul(6e-8 * (depth + 1)).add(1e-6); // of float32 sums in any order
        foreach (var add in (bool[])[false, true])
        {
            var expected = add ? exact.add(c.narrow(1, 0, columns).to(float64)) : exact;
            foreach (var (matrix, row, step) in ((Tensor, long, long)[])[(a, depth, 1), (transposed, 1, rows)])
            {
                var result = c.clone();
                Multiply(matrix, row, step, result, add);
                Assert.True(result.narrow(1, 0, columns).to(float64).sub(expected).abs().le(limit).all().item<bool>());
                Assert.True(result.narrow(1, columns, 16).Same(c.narrow(1, columns, 16)));
            }
        }

        void Multiply(Tensor matrix, long row, long step, Tensor result, bool add)
        {
            float* from = (float*)TensorMemory.Address(matrix), by = (float*)TensorMemory.Address(b);
            var to = (float*)TensorMemory.Address(result);
            if (lanes == 16) TileProduct.Multiply<Float16Lanes>(rows, columns, depth, from, row, step, by, columns, to, columns + 16, add);
            else if (lanes == 8)
                TileProduct.Multiply<Float8Lanes>(rows, columns, depth, from, row, step, by, columns, to, columns + 16, add);
            else TileProduct.Multiply<Float4Lanes>(rows, columns, depth, from, row, step, by, columns, to, columns + 16, add);
            GC.KeepAlive(matrix);
        }
    }
}
