using Pfmvg.Pretraining;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Pretraining;

public class MuonTests
{
    [Theory]
    [InlineData(24, 40)]
    [InlineData(40, 24)]
    [InlineData(16, 16)]
    public void An_update_keeps_the_singular_vectors_and_evens_out_the_singular_values(int rows, int columns)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3, CPU);
        var (left, _) = linalg.qr(empty(rows, rows).normal_(0, 1, generator));
        var (right, _) = linalg.qr(empty(columns, columns).normal_(0, 1, generator));
        var rank = Math.Min(rows, columns);
        // Singular values from 1 down to 1/20: five iterations lift them all near 1.
        var values = logspace(0, -1.3, rank);
        var (u, v) = (left.narrow(1, 0, rank), right.narrow(1, 0, rank));
        using var muon = new Muon([], 0);
        var update = muon.Orthogonalize(u.mul(values).mm(v.t()).mul(7.0));

        var seen = u.t().mm(update).mm(v);
        var diagonal = seen.diagonal();
        Assert.InRange(diagonal.min().item<float>(), 0.5f, 1.3f);
        Assert.InRange(diagonal.max().item<float>(), 0.5f, 1.3f);
        Assert.True(seen.sub(diag(diagonal)).abs().max().item<float>() < 1e-3);
    }

    [Fact]
    public void A_step_in_shares_is_the_step()
    {
        var results = new List<float[]>();
        foreach (var shares in new[] { 1, 3 })
        {
            using var scope = NewDisposeScope();
            using var generator = new Generator(4, CPU);
            var parameters = Enumerable.Range(0, 5)
                .Select(i => ($"layers.{i}.attn.qkv.weight", new TorchSharp.Modules.Parameter(empty(12, 6).normal_(0, 1, generator))))
                    .ToList();
            using var muon = new Muon(parameters, 0.1);
            for (var step = 0; step < 3; step++)
            {
                foreach (var (_, parameter) in parameters) parameter.grad = empty(12, 6).normal_(0, 1, generator);
                for (var share = 0; share < shares; share++) muon.Step(0.01, share, shares);
            }

            results.Add([.. parameters.SelectMany(p => p.Item2.detach().data<float>().ToArray())]);
            Assert.All(parameters, p => Assert.Equal(0, p.Item2.grad!.abs().sum().item<float>()));
        }

        Assert.Equal(results[0], results[1]);
    }
}
