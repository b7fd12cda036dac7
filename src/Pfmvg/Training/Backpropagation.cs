using Pfmvg.Models;
using Pfmvg.Models.Language;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>Token sequences and pictures of one micro-batch; all but the targets on the model's device.</summary>
/// <param name="Ids">(B, T) int64 token ids, <see cref="GroundingModel.ImageToken"/> for visual tokens, padded on the right.</param>
/// <param name="Targets">(B, T) int64 on the CPU, <see cref="GroundingModel.NoTarget"/> outside the answers.</param>
/// <param name="Features">(B, N, 4V) frozen features of the pictures.</param>
public sealed record MicroBatch(Tensor Ids, Tensor Targets, Tensor? Features)
{
    /// <summary>What the box head learns; null where there is none to be taught.</summary>
    internal BoxTargets? Boxes { get; init; }

    /// <summary>How the answers' loss is made up; null for the plain sum.</summary>
    internal LossTerms? Terms { get; init; }
}

/// <summary>Forward and backward pass of one micro-batch.</summary>
public static class Backpropagation
{
    /// <summary>Adds the gradients of (summed answer loss x weight) to the trainables.</summary>
    /// <param name="model">The model; dropout is begun by the caller.</param>
    /// <param name="batch">The micro-batch.</param>
    /// <param name="weight">One over the number of answer tokens of the whole global batch, so that micro-batches and ranks add up.</param>
    /// <param name="recompute">
    /// True keeps only the inputs of each layer's two halves and computes the rest again in the backward pass: less memory,
    /// 0.7 of a forward pass more, the same numbers up to the order of float32 sums. A model in int8 always does on CUDA, where autograd
    /// would otherwise keep a copy of every matrix in floating point.
    /// </param>
    /// <returns>The summed loss of the micro-batch's answer tokens.</returns>
    public static double Accumulate(GroundingModel model, MicroBatch batch, double weight, bool recompute)
    {
        using var loss = AccumulateUnread(model, batch, weight, recompute);
        return loss.item<float>();
    }

    /// <summary>The same, with the loss as a tensor: reading it would wait for the device.</summary>
    internal static Tensor AccumulateUnread(GroundingModel model, MicroBatch batch, double weight, bool recompute)
    {
        using var scope = NewDisposeScope();
        using Scalar scale = weight;
        var language = model.Language;
        var pass = new DecoderPass(language.RotaryAt(HeldScalars.Range(0, batch.Ids.shape[1], model.Device)));
        var embeddings = model.Embed(batch.Ids, batch.Features is { } features ? model.Project(features) : null); // (B, T, C)
        if (!recompute && !(language.Config.Quantized && model.Device.type == DeviceType.CUDA))
        {
            var output = language.call(embeddings, pass);                                                    // (B, T, C)
            var (sum, trained) = Answers(output);
            WithBoxes(trained, output).mul(scale).backward();
            return sum.detach().MoveToOuterDisposeScope();
        }

        var kept = new List<(Tensor Hidden, Tensor Attended)>();
        var hidden = embeddings.detach();
        using (no_grad())
        {
            foreach (var layer in language.Layers)
            {
                var attended = layer.Attend(hidden, pass);
                kept.Add((hidden, attended));
                hidden = layer.Transform(attended);
            }
        }

        var last = hidden.detach().requires_grad_();
        var final = language.FinalNorm(last);
        var (loss, learned) = Answers(final);
        WithBoxes(learned, final).mul(scale).backward();
        var gradient = last.grad!;
        for (var i = kept.Count - 1; i >= 0; i--)
        {
            var (input, attended) = kept[i];
            var next = language.Layers[i].Backward(input, attended, pass, gradient);
            foreach (var done in (Tensor[])[gradient, input, attended]) done.Dispose();
            gradient = next;
        }

        if (embeddings.requires_grad) embeddings.backward([gradient]);
        return loss.detach().MoveToOuterDisposeScope();

        (Tensor Reported, Tensor Trained) Answers(Tensor hidden)
        {
            if (batch.Terms is { } terms) return terms.Rules.Loss(model, hidden, batch.Targets, terms.Terms);
            var (sum, _) = model.AnswerLoss(hidden, batch.Targets);
            return (sum, sum);
        }

        // The answer's loss is what is reported: it stays comparable, whatever else is learned.
        Tensor WithBoxes(Tensor answers, Tensor hidden) => batch.Boxes is { } boxes ? answers.Plus(boxes.Loss(model, hidden)) : answers;
    }

    /// <summary>The summed loss and the number of answer tokens, without gradients.</summary>
    public static (double Sum, long Tokens) Evaluate(GroundingModel model, MicroBatch batch)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var pass = new DecoderPass(model.Language.RotaryAt(HeldScalars.Range(0, batch.Ids.shape[1], model.Device)));
        var embeddings = model.Embed(batch.Ids, batch.Features is { } features ? model.Project(features) : null);
        var (sum, tokens) = model.AnswerLoss(model.Language.call(embeddings, pass), batch.Targets);
        return (sum.item<float>(), tokens);
    }
}
