using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models;

/// <summary>How far boxes are from the true ones. Boxes are rows of left, top, right, bottom as shares of the picture.</summary>
internal static class BoxLoss
{
    private static readonly Scalar Zero = 0.0, Least = 1e-9, Minus = -1.0;

    /// <summary>(B): the generalized IoU of each pair (Rezatofighi et al. 2019), from -1 to 1.</summary>
    /// <param name="boxes">(B, 4).</param>
    /// <param name="truth">(B, 4).</param>
    public static Tensor GeneralizedIou(Tensor boxes, Tensor truth)
    {
        using var scope = NewDisposeScope();
        var (iou, union) = IouAndUnion(boxes, truth);
        var hull = Area(minimum(Corner(boxes, 0), Corner(truth, 0)), maximum(Corner(boxes, 2), Corner(truth, 2)));
        var outside = hull.sub(union).div(hull.clamp_min(Least));
        return iou.sub(outside).MoveToOuterDisposeScope();
    }

    /// <summary>(B): the IoU of each pair.</summary>
    public static Tensor Iou(Tensor boxes, Tensor truth)
    {
        using var scope = NewDisposeScope();
        return IouAndUnion(boxes, truth).Iou.MoveToOuterDisposeScope();
    }

    /// <summary>(B): the summed distance of the four edges.</summary>
    public static Tensor EdgeDistance(Tensor boxes, Tensor truth)
    {
        using var scope = NewDisposeScope();
        return boxes.sub(truth).abs().sum(1).MoveToOuterDisposeScope();
    }

    private static (Tensor Iou, Tensor Union) IouAndUnion(Tensor boxes, Tensor truth)
    {
        var common = Area(maximum(Corner(boxes, 0), Corner(truth, 0)), minimum(Corner(boxes, 2), Corner(truth, 2)));
        var union = Area(Corner(boxes, 0), Corner(boxes, 2)).Plus(Area(Corner(truth, 0), Corner(truth, 2))).Plus(common.mul(Minus));
        return (common.div(union.clamp_min(Least)), union);
    }

    private static Tensor Corner(Tensor boxes, long first) => boxes.narrow(1, first, 2);

    private static Tensor Area(Tensor start, Tensor end)
    {
        var sides = end.sub(start).clamp_min(Zero);
        return sides.select(1, 0).mul(sides.select(1, 1));
    }
}
