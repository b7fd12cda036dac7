using Pfmvg.Models;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>The vision tower on one picture.</summary>
internal static class VisionPart
{
    /// <param name="bench">Sizes.</param>
    /// <param name="model">The model.</param>
    /// <param name="plain">Whether the limit is the same work in plain libtorch.</param>
    public static BenchmarkLine Measure(Workbench bench, GroundingModel model, bool plain)
    {
        using var scope = NewDisposeScope();
        var vision = bench.Sizes.Vision;
        var images = randn(1, 3, vision.ImageSize, vision.ImageSize, device: bench.Device);
        var work = bench.Flops.Vision(1);
        var limit = plain ? new PlainVision(bench).Pass(images, work)
            : bench.Limits.Products(bench.Type, vision.Patches + 1, vision.Width, vision.MlpHidden);
        return bench.Rounds.Measure("vision tower", "GFLOP/s", work, limit, () =>
        {
            using var inside = NewDisposeScope();
            model.EncodeImages(images);
            bench.Synchronize();
        }, seconds => Workbench.Text($"{1 / seconds:f2} pictures/s"));
    }
}
