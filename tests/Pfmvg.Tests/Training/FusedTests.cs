using Pfmvg.Models.Kernels;
using Pfmvg.Models.Language;
using Pfmvg.Tensors;
using Pfmvg.Tests.Models;
using Pfmvg.Tests.Support;
using TorchSharp;
using static TorchSharp.torch;
using AdamW = Pfmvg.Training.AdamW;
using Parameter = TorchSharp.Modules.Parameter;

namespace Pfmvg.Tests.Training;

/// <summary>Operations that CUDA computes in few kernels, here computed on the CPU: the same as the plain ones up to rounding.</summary>
public sealed class FusedTests
{
    private static readonly (string Name, long[] Shape)[] Shapes =
        [("a.weight", [7, 5]), ("a.bias", [7]), ("b.lora_up", [6, 4]), ("silent", [3, 3]), ("c.weight", [300, 40])];

    [Fact]
    public void A_fused_step_of_the_optimizer_is_the_plain_one_with_decay_and_rates_and_across_a_restart()
    {
        using var scope = NewDisposeScope();
        var start = Shapes.ToDictionary(s => s.Name, s => randn(s.Shape));
        var gradients = Enumerable.Range(0, 6).Select(_ => Shapes.ToDictionary(s => s.Name, s => randn(s.Shape))).ToList();
        var (plain, fused) = (Train(false), Train(true));
        foreach (var (name, _) in Shapes)
        {
            Fixtures.AssertClose(plain.Values[name], fused.Values[name], 2e-6, name);
            Assert.Equal(name == "silent", plain.Values[name].Same(start[name]));
        }

        foreach (var ((name, a), (_, b)) in plain.State.Zip(fused.State)) Fixtures.AssertClose(a, b, 1e-6, name);
        Assert.True(fused.Values["silent"].Same(start["silent"])); // no gradient, so no decay either

        (Dictionary<string, Tensor> Values, List<(string, Tensor)> State) Train(bool isFused)
        {
            var parameters = Shapes.Select(s => (s.Name, new Parameter(start[s.Name].clone()))).ToList();
            using var first = New();
            foreach (var step in gradients.Take(3)) Step(first, step);
            using var second = New();
            foreach (var ((_, from), (_, to)) in first.State().Zip(second.State())) to.copy_(from);
            second.Restore(first.Steps);
            foreach (var step in gradients.Skip(3)) Step(second, step);
            Assert.Equal(6, second.Steps);
            return (parameters.ToDictionary(p => p.Name, p => p.Item2.detach()),
                [.. second.State().Select(s => (s.Name, s.Value.clone()))]);

            AdamW New() => new(parameters, 0.9, 0.999, 0.05, 1e-8, name => name == "b.lora_up" ? 4 : 1, isFused);

            void Step(AdamW optimizer, Dictionary<string, Tensor> step)
            {
                foreach (var (name, parameter) in parameters) if (name != "silent") parameter.grad = step[name].clone();
                optimizer.Step(1e-2);
                Assert.All(parameters.Where(p => p.Name != "silent"), p => Assert.Equal(0, p.Item2.grad!.abs().max().item<float>()));
            }
        }
    }

    [Fact]
    public void A_fused_step_leaves_no_tensor_behind()
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(ones(4, 4));
        using var optimizer = new AdamW([("a", parameter)], 0.9, 0.999, 0.05, 1e-8, null, fused: true);
        parameter.grad = ones(4, 4);
        optimizer.Step(1e-3);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        for (var i = 0; i < 5; i++) optimizer.Step(1e-3);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Theory, InlineData(ScalarType.Float32, 1e-6), InlineData(ScalarType.BFloat16, 0.03)] // two roundings of the plain norm against one
    public void The_fused_norm_and_its_gradient_are_the_plain_ones(ScalarType type, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var norm = new RmsNorm(48, 1e-5, type, CPU);
        var values = randn(3, 5, 48);
        using (no_grad()) norm.Weight.copy_(rand(48) + 0.5);
        var (plain, plainGradient) = Run(norm.call);
        var (fused, fusedGradient) = Run(norm.Fused);
        Assert.Equal(type, fused.dtype);
        Fixtures.AssertClose(plain.to(ScalarType.Float32), fused.to(ScalarType.Float32), tolerance * plain.abs().max().ToDouble(), "norm");
        Fixtures.AssertClose(plainGradient, fusedGradient, tolerance * plainGradient.abs().max().ToDouble(), "gradient");

        (Tensor Result, Tensor Gradient) Run(Func<Tensor, Tensor> apply)
        {
            var x = values.to(type).detach().requires_grad_();
            var y = apply(x);
            y.to(ScalarType.Float32).mul(values).sum().backward();
            return (y.detach(), x.grad!.to(ScalarType.Float32));
        }
    }

    [Theory, InlineData(64), InlineData(1024)]
    public void The_norm_in_one_pass_and_its_gradient_are_the_plain_ones(int width)
    {
        using var scope = NewDisposeScope();
        using var norm = new RmsNorm(width, 1e-5, ScalarType.BFloat16, CPU);
        using (no_grad()) norm.Weight.copy_(rand(width) + 0.5);
        Assert.True(NarrowNorm.Fits(norm.Weight, norm.Weight));
        var (values, above) = (randn(3, 35, width).mul(7), randn(3, 35, width).to(ScalarType.BFloat16));
        var (own, ownGradient) = Run(norm.call);
        var (plain, plainGradient) = Run(norm.Plain);
        Assert.InRange(own.eq(plain).to(ScalarType.Float32).mean().ToDouble(), 0.99, 1); // the sum is added in another order
        Fixtures.AssertClose(plain.to(ScalarType.Float32), own.to(ScalarType.Float32), 0.01 * plain.abs().max().ToDouble(), "norm");
        Fixtures.AssertClose(plainGradient, ownGradient, 0.02 * plainGradient.abs().max().ToDouble(), "gradient");

        (Tensor Result, Tensor Gradient) Run(Func<Tensor, Tensor> apply)
        {
            var x = values.to(ScalarType.BFloat16).transpose(0, 1).detach().requires_grad_();
            var y = apply(x);
            y.backward([above.transpose(0, 1)]);
            return (y.detach(), x.grad!.to(ScalarType.Float32));
        }
    }

    [Fact]
    public void A_large_parameter_is_stepped_in_pieces_with_the_same_bits()
    {
        using var scope = NewDisposeScope();
        var (values, gradient) = (randn(700, 801), randn(700, 801));
        var large = Parameter(values, gradient);
        using var whole = new AdamW([("a", large)], 0.9, 0.999, 0.05);
        var parts = values.split(7).Zip(gradient.split(7)).Select((part, i) => ($"{i}", Parameter(part.First, part.Second))).ToList();
        using var many = new AdamW(parts, 0.9, 0.999, 0.05);
        whole.Step(1e-2);
        many.Step(1e-2);
        var moments = many.State().ToList();
        foreach (var (start, end) in (ReadOnlySpan<(string, int)>)[("first.", 0), ("second.", 1)])
            Assert.True(whole.State().ElementAt(end).Value.Same(
                cat([.. moments.Where(m => m.Name.StartsWith(start, StringComparison.Ordinal)).Select(m => m.Value)])));
        Assert.True(large.detach().Same(cat([.. parts.Select(part => part.Item2.detach())])));

        static Parameter Parameter(Tensor value, Tensor slope) => new(value.clone()) { grad = slope.clone() };
    }

    [Fact]
    public void Norms_of_a_list_are_those_of_its_tensors()
    {
        using var scope = NewDisposeScope();
        Tensor[] list = [randn(3, 4), zeros(2), randn(1000)];
        Fixtures.AssertClose(stack(list.Select(one => one.norm())), Scripted.NormsOf(list), 1e-5, "norms");
    }
}
