using Pfmvg.Models;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>What the box head is taught of a micro-batch: the true box of each target that is one box.</summary>
/// <param name="Places">(Q) where the last position of each prompt is in the flattened (B T).</param>
/// <param name="Truth">(Q, 4) left, top, right, bottom as shares of the picture.</param>
/// <param name="Weight">Of a box's loss beside that of one answer token.</param>
internal sealed record BoxTargets(Tensor Places, Tensor Truth, double Weight)
{
    /// <summary>The boxes of some examples, in the caller's dispose scope; null where no target is a single box.</summary>
    /// <param name="micro">The examples, a row each.</param>
    /// <param name="length">T, the length of the padded rows.</param>
    /// <param name="weight">Of a box.</param>
    /// <param name="device">Where the hidden state is.</param>
    public static BoxTargets? Of(TrainingExample[] micro, long length, double weight, Device device)
    {
        List<long> places = [];
        List<float> truth = [];
        foreach (var (row, example) in micro.Index())
        {
            var first = example.Sequence.Targets.Index().FirstOrDefault(target => target.Item != GroundingModel.NoTarget).Index;
            if (example.Box is not { } box || first == 0) continue; // an answer that was cut away entirely has no place before it
            places.Add(row * length + first - 1);
            truth.AddRange([(float)box.Left, (float)box.Top, (float)box.Right, (float)box.Bottom]);
        }

        return places.Count == 0 ? null : new BoxTargets(
            tensor(places.ToArray()).Send(device), tensor(truth.ToArray(), [places.Count, 4]).Send(device), weight);
    }

    /// <summary>The weighted sum of the boxes' losses.</summary>
    /// <param name="model">Has a box head.</param>
    /// <param name="hidden">(B, T, C) after the final norm.</param>
    public Tensor Loss(GroundingModel model, Tensor hidden)
    {
        using var scope = NewDisposeScope();
        using Scalar weight = Weight;
        return model.BoxHead!.Loss(hidden.flatten(0, 1).index_select(0, Places), Truth).mul(weight).MoveToOuterDisposeScope();
    }
}
