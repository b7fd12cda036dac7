using Pfmvg.Decoding;
using Pfmvg.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>Decoding token after token, which reads all weights for each token.</summary>
internal static class DecodingPart
{
    public static BenchmarkLine Measure(Workbench bench, GroundingModel model, int rows, int tokens)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var visual = model.Project(bench.Features(rows));
        var capacity = tokens * (bench.Rounds.Count + 2);
        using var state = new DecodingState(model, bench.Prompts(rows), visual, new DecodingOptions(capacity));
        state.Next();
        var bytes = (double)bench.Flops.DecodedWeights * (bench.Sizes.Language.Quantized ? 1 : bench.Type.ElementSize());
        var name = $"decode, {rows} row{(rows > 1 ? "s" : "")}";
        return bench.Rounds.Measure(name, "GB/s", bytes * tokens, bench.Limits.MemoryRead(), () =>
        {
            for (var token = 0; token < tokens; token++)
            {
                using var inside = NewDisposeScope();
                state.Append([.. Enumerable.Repeat((long)token, rows)]);
                state.Next().argmax(1).cpu();
            }
        }, seconds => Workbench.Text($"{rows * tokens / seconds:f1} tokens/s"));
    }
}
