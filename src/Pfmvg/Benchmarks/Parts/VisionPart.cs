using Pfmvg.Models;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>The vision tower on one picture.</summary>
internal static class VisionPart
{
    public static BenchmarkLine Measure(Workbench bench, GroundingModel model)
    {
        using var scope = NewDisposeScope();
        var vision = bench.Sizes.Vision;
        var images = randn(1, 3, vision.ImageSize, vision.ImageSize, device: bench.Device);
        var limit = bench.Limits.Products(bench.Type, vision.Patches + 1, vision.Width, vision.MlpHidden);
        return bench.Rounds.Measure("vision tower", "GFLOP/s", bench.Flops.Vision(1), limit, () =>
        {
            using var inside = NewDisposeScope();
            model.EncodeImages(images);
            bench.Synchronize();
        }, seconds => Workbench.Text($"{1 / seconds:f2} pictures/s"));
    }
}
