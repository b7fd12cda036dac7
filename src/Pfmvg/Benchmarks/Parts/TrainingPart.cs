using Pfmvg.Models;
using Pfmvg.Text;
using Pfmvg.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>A training step: forward pass, backward pass and optimizer, with and without recomputation.</summary>
internal static class TrainingPart
{
    public static IEnumerable<BenchmarkLine> Measure(Workbench bench, GroundingModel model, ModelBenchmarkOptions options, int stage)
    {
        using var scope = NewDisposeScope();
        var settings = bench.Configuration.Stage(stage);
        var answer = stage == 1 ? TypicalLengths.Caption : TypicalLengths.Box;
        var rows = options.Batch ?? settings.BatchSize;
        long length = bench.Sizes.VisualTokens + TypicalLengths.Prompt + answer;
        var ids = bench.Ids(rows, length);
        var targets = ids.clone();
        using Scalar ignored = GroundingModel.NoTarget;
        targets.narrow(1, 0, length - answer).fill_(ignored);
        var batch = new MicroBatch(ids, targets, bench.Features(rows));
        var work = bench.Flops.TrainingStep(rows, length, (long)rows * answer);
        var limit = options.Plain ? new PlainDecoder(bench, rows, length).Step(work, answer) : bench.LayerProducts(rows * length);
        using var optimizer = new AdamW(model.Trainables(), settings.Beta1, settings.Beta2, settings.WeightDecay);
        var dropout = Enumerable.Range(0, rows).Select(row => ((long)row, (int)length)).ToArray();
        foreach (var recompute in options.Recompute is { } only ? [only] : (bool[])[false, true])
        {
            var name = $"stage {stage} step, {rows} x {length}{(recompute ? ", recomputing" : "")}";
            yield return bench.Rounds.Measure(name, "GFLOP/s", work, limit, () =>
            {
                using var inside = NewDisposeScope();
                model.Dropout.Begin(dropout);
                Backpropagation.Accumulate(model, batch, 1.0 / (rows * answer), recompute);
                model.Dropout.End();
                optimizer.Step(1e-9); // so small that the model stays as it is
                bench.Synchronize();
            }, seconds => Workbench.Text($"{rows * length / seconds:f0} positions/s"));
        }
    }
}
