using Pfmvg.Models.Kernels;
using Pfmvg.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models.Kernels;

/// <summary>Attention of our own and its gradients are those of its formula in double precision.</summary>
[Collection(nameof(Alone))]
public sealed class FloatAttentionTests
{
    public static TheoryData<int, int, int, bool> Sizes() => new()
    {
        { 1, 1, 1, true }, { 5, 5, 8, true }, { 96, 96, 32, true }, { 97, 97, 88, true }, { 210, 210, 64, true },
        { 1, 1, 16, false }, { 3, 40, 24, false }, { 100, 17, 88, false }, { 257, 257, 20, false },
        { 140, 140, 128, true }, { 100, 260, 160, false },
    };

    [Theory, MemberData(nameof(Sizes))]
    public void Outputs_and_gradients_are_those_of_the_formula(int queries, int keys, int size, bool causal)
    {
        Skip();
        using var scope = NewDisposeScope();
        var generator = new Generator(1, CPU);
        // Heads side by side, as projections make them.
        var (q, k, v) = (Heads(queries, 3), Heads(keys, 3), Heads(keys, 1));
        var above = randn([2, 3, queries, size], generator: generator);
        var exact = new[] { q, k, v }.Select(each => each.detach().to(float64).requires_grad_()).ToList();
        var expected = Formula(exact[0], exact[1], exact[2], 0.3, causal);
        var actual = FloatAttention.Attend(q, k, v, 0.3, causal);
        Assert.Equal(float32, actual.dtype);
        Near(expected, actual);
        expected.backward([above.to(float64)]);
        actual.backward([above]);
        Near(exact[0].grad!, q.grad!);
        Near(exact[1].grad!, k.grad!);
        Near(exact[2].grad!, v.grad!);
        using (no_grad()) Assert.True(actual.Same(FloatAttention.Attend(q, k, v, 0.3, causal)));

        Tensor Heads(int length, double spread) =>
            randn([2, length, 3, size], generator: generator).mul(spread).requires_grad_().transpose(1, 2).detach().requires_grad_();
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Bfloat16_is_computed_in_float32_and_rounded_once(bool causal)
    {
        Skip();
        using var scope = NewDisposeScope();
        var generator = new Generator(2, CPU);
        var parts = Enumerable.Range(0, 3).Select(_ => randn([1, 4, 70, 32], generator: generator).to(ScalarType.BFloat16)).ToList();
        var wide = parts.ConvertAll(part => part.to(float32));
        var expected = FloatAttention.Attend(wide[0], wide[1], wide[2], null, causal);
        Assert.True(expected.to(ScalarType.BFloat16).Same(FloatAttention.Attend(parts[0], parts[1], parts[2], null, causal, wide: true)));
        Near(Formula(wide[0].to(float64), wide[1].to(float64), wide[2].to(float64), 1 / Math.Sqrt(32), causal), expected);

        foreach (var part in (Tensor[])[.. parts, .. wide]) part.requires_grad_();
        var above = randn([1, 4, 70, 32], generator: generator).to(ScalarType.BFloat16);
        FloatAttention.Attend(wide[0], wide[1], wide[2], null, causal).backward([above.to(float32)]);
        FloatAttention.Attend(parts[0], parts[1], parts[2], null, causal, wide: true).backward([above]);
        foreach (var (narrow, exact) in parts.Zip(wide)) Assert.True(exact.grad!.to(ScalarType.BFloat16).Same(narrow.grad!));
    }

    [Theory, MemberData(nameof(Sizes))]
    public void Bfloat16_products_are_those_of_the_formula_up_to_their_rounding(int queries, int keys, int size, bool causal)
    {
        Assert.SkipUnless(Bf16Kernel.IsSupported, "This processor or this libtorch has no kernel for them.");
        using var scope = NewDisposeScope();
        var generator = new Generator(5, CPU);
        var (q, k, v) = (Heads(queries, 3), Heads(keys, 3), Heads(keys, 1));
        var above = randn([2, queries, 3, size], generator: generator).to(ScalarType.BFloat16).transpose(1, 2);
        var exact = new[] { q, k, v }.Select(each => each.detach().to(float64).requires_grad_()).ToList();
        var expected = Formula(exact[0], exact[1], exact[2], 0.1, causal);
        var actual = FloatAttention.Attend(q, k, v, 0.1, causal);
        Close(expected, actual);
        expected.backward([above.to(float64)]);
        actual.backward([above]);
        Close(exact[0].grad!, q.grad!);
        Close(exact[1].grad!, k.grad!);
        Close(exact[2].grad!, v.grad!);
        using (no_grad()) Assert.True(actual.Same(FloatAttention.Attend(q, k, v, 0.1, causal)));
        set_num_threads(2);
        using (no_grad()) Assert.True(actual.Same(FloatAttention.Attend(q, k, v, 0.1, causal)));

        Tensor Heads(int length, double spread) => randn([2, length, 3, size], generator: generator).mul(spread).to(ScalarType.BFloat16)
            .transpose(1, 2).detach().requires_grad_();

        static void Close(Tensor exact, Tensor narrow)
        {
            var (error, most) = (narrow.to(float64).sub(exact.detach()).abs(), exact.detach().abs().max().item<double>());
            Assert.InRange(error.max().item<double>(), 0, 0.02 * most + 1e-3);
            Assert.InRange(error.mean().item<double>(), 0, 0.002 * most + 1e-3);
        }
    }

    [Fact]
    public void Large_scores_do_not_overflow_and_a_position_never_sees_a_later_one()
    {
        Skip();
        using var scope = NewDisposeScope();
        var generator = new Generator(3, CPU);
        var q = randn([1, 2, 130, 16], generator: generator).mul(100);
        var k = randn([1, 2, 130, 16], generator: generator).mul(100);
        var v = randn([1, 2, 130, 16], generator: generator);
        var all = FloatAttention.Attend(q, k, v, null, causal: true);
        Assert.True(all.isfinite().all().item<bool>());
        k.narrow(2, 100, 30).fill_(float.NaN);
        v.narrow(2, 100, 30).fill_(float.NaN);
        Assert.True(all.narrow(2, 0, 96).Same(FloatAttention.Attend(q, k, v, null, causal: true).narrow(2, 0, 96)));
    }

    [Fact]
    public void Constant_collections_change_nothing_and_no_tensor_is_left()
    {
        Skip();
        using var scope = NewDisposeScope();
        var generator = new Generator(4, CPU);
        var x = randn([2, 40, 4, 16], generator: generator);
        var weight = randn([16, 16], generator: generator).requires_grad_();
        var expected = Gradient().MoveToOuterDisposeScope();
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (var i = 0; i < 200; i++)
        {
            using var gradient = Gradient();
            Assert.True(expected.Same(gradient));
            if (i % 20 == 0) GC.Collect();
        }

        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        Tensor Gradient()
        {
            using var inside = NewDisposeScope();
            var leaf = x.detach().requires_grad_();
            var heads = FloatProduct.Own(leaf, weight, null).transpose(1, 2);
            FloatAttention.Attend(heads, heads, heads, null, causal: true).square().sum().backward();
            weight.grad!.zero_();
            return leaf.grad!.MoveToOuterDisposeScope();
        }
    }

    private static Tensor Formula(Tensor q, Tensor k, Tensor v, double scale, bool causal)
    {
        var scores = q.matmul(k.transpose(2, 3)).mul(scale);
        if (causal) scores = scores.masked_fill(ones_like(scores).triu(1).to(ScalarType.Bool), double.NegativeInfinity);
        return scores.softmax(3).matmul(v);
    }

    private static void Near(Tensor expected, Tensor actual) => Assert.InRange(
        actual.to(float64).sub(expected.detach()).abs().max().item<double>(), 0, 2e-5 * (1 + expected.detach().abs().max().item<double>()));

    private static void Skip() => Assert.SkipUnless(PanelProduct.IsSupported, "This processor has no AVX-512.");
}
