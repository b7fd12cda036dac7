using Pfmvg.Models;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models;

public class BoxLossTests
{
    // Fractions by Python's fractions.Fraction from the definition: IoU - (hull - union) / hull.
    [Theory]
    [InlineData(0.1f, 0.2f, 0.5f, 0.6f, 0.3f, 0.4f, 0.7f, 0.9f, 1.0 / 8, -19.0 / 168)]
    [InlineData(0.1f, 0.1f, 0.2f, 0.2f, 0.6f, 0.7f, 0.9f, 0.8f, 0.0, -13.0 / 14)]
    [InlineData(0.2f, 0.2f, 0.8f, 0.8f, 0.4f, 0.4f, 0.5f, 0.6f, 1.0 / 18, 1.0 / 18)]
    [InlineData(0.1f, 0.1f, 0.4f, 0.4f, 0.1f, 0.1f, 0.4f, 0.4f, 1.0, 1.0)]
    public void The_generalized_iou_is_that_of_its_definition(
        float l, float t, float r, float b, float left, float top, float right, float bottom, double iou, double generalized)
    {
        using var scope = NewDisposeScope();
        var (box, other) = (tensor([l, t, r, b], [1, 4]), tensor([left, top, right, bottom], [1, 4]));
        Assert.Equal(iou, BoxLoss.Iou(box, other).item<float>(), 1e-6);
        Assert.Equal(generalized, BoxLoss.GeneralizedIou(box, other).item<float>(), 1e-6);
        Assert.Equal(generalized, BoxLoss.GeneralizedIou(other, box).item<float>(), 1e-6);
    }

    [Fact]
    public void Boxes_apart_are_drawn_together()
    {
        using var scope = NewDisposeScope();
        var box = tensor([0.1f, 0.1f, 0.2f, 0.2f], [1, 4], requires_grad: true);
        BoxLoss.GeneralizedIou(box, tensor([0.6f, 0.7f, 0.9f, 0.8f], [1, 4])).sum().backward();
        Assert.True(box.grad![0, 2].item<float>() > 0); // the right edge nearer to the other box
        Assert.True(box.grad![0, 3].item<float>() > 0);
    }
}
