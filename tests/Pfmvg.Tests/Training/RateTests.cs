using Pfmvg.Tests.Models;
using TorchSharp.Modules;
using static TorchSharp.torch;
using AdamW = Pfmvg.Training.AdamW;

namespace Pfmvg.Tests.Training;

/// <summary>Rates that differ between parameters.</summary>
public sealed class RateTests
{
    [Fact]
    public void A_factor_multiplies_the_rate_and_the_decay_of_the_parameters_that_it_names_and_of_no_other()
    {
        using var scope = NewDisposeScope();
        var start = randn(3, 4);
        var gradients = Enumerable.Range(0, 3).Select(_ => randn(3, 4)).ToList();
        var (usual, fast) = (Train(1e-2, null, "a")[0], Train(8e-2, null, "b")[0]);
        var both = Train(1e-2, name => name == "b" ? 8 : 1, "a", "b");
        Assert.True(usual.Same(both[0]));
        Assert.True(fast.Same(both[1]));
        Assert.False(usual.Same(fast));

        List<Tensor> Train(double rate, Func<string, double>? rateOf, params string[] names)
        {
            var parameters = names.Select(name => (name, new Parameter(start.clone(), requires_grad: true))).ToList();
            using var optimizer = new AdamW(parameters, 0.9, 0.999, weightDecay: 0.05, rateOf: rateOf);
            foreach (var gradient in gradients)
            {
                foreach (var (_, parameter) in parameters) parameter.grad = gradient.clone();
                optimizer.Step(rate);
            }

            return [.. parameters.Select(p => p.Item2.detach())];
        }
    }
}
