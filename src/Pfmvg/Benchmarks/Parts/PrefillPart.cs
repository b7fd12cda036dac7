using Pfmvg.Decoding;
using Pfmvg.Models;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>Reading one prompt into the cache of keys and values.</summary>
internal static class PrefillPart
{
    /// <param name="bench">Sizes.</param>
    /// <param name="model">The model.</param>
    /// <param name="plain">Whether the limit is the same work in plain libtorch.</param>
    public static BenchmarkLine Measure(Workbench bench, GroundingModel model, bool plain)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var length = bench.PromptPositions;
        var visual = model.Project(bench.Features(1));
        var prompts = bench.Prompts(1);
        var work = bench.Flops.Layers(1, length) + bench.Flops.Head(1);
        var limit = plain ? new PlainDecoder(bench, 1, length).Prefill(work) : bench.LayerProducts(length);
        return bench.Rounds.Measure($"prefill, {length} positions", "GFLOP/s", work, limit, () =>
        {
            using var state = new DecodingState(model, prompts, visual, new DecodingOptions(1));
            state.Next();
            bench.Synchronize();
        }, seconds => Workbench.Text($"{length / seconds:f0} tokens/s"));
    }
}
