using Pfmvg.Models.Vision;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models;

/// <summary>
/// The box head: reads one box off the hidden state behind a prompt, beside the text that follows it. Two linear layers in float32,
/// trained with the answer; the paper's model has none. Letters: B prompts, C hidden width.
/// </summary>
internal sealed class BoxRegressor : Module<Tensor, Tensor>
{
    private const double EdgeWeight = 5, GiouWeight = 2; // those of the plain network

    private static readonly Scalar Half = 0.5, Minus = -1.0, One = 1.0, Edges = EdgeWeight, Giou = GiouWeight;

    [ComponentName(Name = "inner")] private readonly Projector _inner;
    [ComponentName(Name = "box")] private readonly Projector _box; // starts at zero, which tells an untrained head

    public BoxRegressor(int width, Device device) : base(nameof(BoxRegressor))
    {
        (_inner, _box) = (new Projector(width, width, device), new Projector(width, 4, device));
        RegisterComponents();
    }

    /// <summary>Whether it ever learned.</summary>
    public bool IsTrained
    {
        get
        {
            using var scope = NewDisposeScope();
            return _box.get_parameter("weight")!.count_nonzero().item<long>() > 0;
        }
    }

    /// <summary>(B, C) of any floating type to (B, 4) in float32: left, top, right, bottom as shares of the picture.</summary>
    public override Tensor forward(Tensor hidden)
    {
        using var scope = NewDisposeScope();
        var numbers = _box.call(functional.gelu(_inner.call(hidden))).sigmoid();                           // middle and size
        var (middle, reach) = (numbers.narrow(1, 0, 2), numbers.narrow(1, 2, 2).mul(Half));
        return cat([middle.sub(reach), middle.add(reach)], 1).MoveToOuterDisposeScope();
    }

    /// <summary>The summed loss of boxes: the distance of the edges, and 1 - generalized IoU.</summary>
    /// <param name="hidden">(B, C) behind the prompts.</param>
    /// <param name="truth">(B, 4).</param>
    public Tensor Loss(Tensor hidden, Tensor truth)
    {
        using var scope = NewDisposeScope();
        var boxes = call(hidden);
        return BoxLoss.EdgeDistance(boxes, truth).mul(Edges)
            .Plus(BoxLoss.GeneralizedIou(boxes, truth).mul(Minus).Plus(One).mul(Giou)).sum().MoveToOuterDisposeScope();
    }
}
