using Pfmvg.Geometry;
using Pfmvg.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Training.Sharing;

/// <summary>The box head's part of a step: a few rows a picture, so its own module and autograd do it. All workers share it.</summary>
/// <param name="head">The head.</param>
/// <param name="weight">Of a box's loss beside that of one answer token.</param>
internal sealed unsafe class StepBoxHead(BoxRegressor head, double weight)
{
    private readonly TorchSharp.Modules.Parameter[] _trained = [.. head.parameters()];

    /// <summary>Zeros of the size of the head's gradients, of one share of a step.</summary>
    public Tensor[] NewGradients() => [.. _trained.Select(one => zeros_like(one, requires_grad: false).DetachFromDisposeScope())];

    /// <summary>Adds the gradients of the weighted loss of some boxes.</summary>
    /// <param name="boxes">Rows of <paramref name="hidden"/>, and the box that each has to give.</param>
    /// <param name="hidden">After the final norm, C wide.</param>
    /// <param name="width">C.</param>
    /// <param name="sums">Get the head's.</param>
    /// <returns>Those towards the rows, one after the other: (boxes, C).</returns>
    public float[] Learn(IReadOnlyList<(int Row, Box Truth)> boxes, StepMatrix hidden, int width, Tensor[] sums)
    {
        using var scope = NewDisposeScope();
        using Scalar scale = weight;
        var (rows, truth) = (new float[boxes.Count * width], new float[boxes.Count * 4]);
        foreach (var (i, (row, box)) in boxes.Index())
        {
            new Span<float>(hidden.Row(row), width).CopyTo(rows.AsSpan(i * width));
            (truth[4 * i], truth[4 * i + 1], truth[4 * i + 2], truth[4 * i + 3]) =
                ((float)box.Left, (float)box.Top, (float)box.Right, (float)box.Bottom);
        }

        var from = tensor(rows, [boxes.Count, width], requires_grad: true);
        var loss = head.Loss(from, tensor(truth, [boxes.Count, 4])).mul(scale);
        var gradients = autograd.grad([loss], [from, .. _trained]); // no sum in a place that workers share
        foreach (var (sum, gradient) in sums.Zip(gradients.Skip(1))) sum.add_(gradient);
        return gradients[0].data<float>().ToArray();
    }

    /// <summary>Adds gradients to those of the head, and sets them to zero.</summary>
    public void Collect(Tensor[] gradients)
    {
        foreach (var (parameter, sum) in _trained.Zip(gradients))
        {
            StepWeights.Gradient(parameter).add_(sum);
            sum.zero_();
        }
    }
}
