using Pfmvg.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Training;

/// <summary>Token sequences and pictures of one micro-batch, on the model's device.</summary>
/// <param name="Ids">(B, T) int64 token ids, <see cref="GroundingModel.ImageToken"/> for visual tokens, padded on the right.</param>
/// <param name="Targets">(B, T) int64, -100 outside the answers.</param>
/// <param name="Features">(B, N, 4V) frozen features of the pictures.</param>
public sealed record MicroBatch(Tensor Ids, Tensor Targets, Tensor? Features);

/// <summary>Forward and backward pass of one micro-batch.</summary>
public static class Backpropagation
{
    /// <summary>Adds the gradients of (summed answer loss x weight) to the trainables.</summary>
    /// <param name="model">The model; dropout is begun by the caller.</param>
    /// <param name="batch">The micro-batch.</param>
    /// <param name="weight">One over the number of answer tokens of the whole global batch, so that micro-batches and ranks add up.</param>
    /// <param name="recompute">
    /// True keeps only each layer's input and runs the layer again in the backward pass: less memory, one more forward pass,
    /// the same numbers.
    /// </param>
    /// <returns>The summed loss of the micro-batch's answer tokens.</returns>
    public static double Accumulate(GroundingModel model, MicroBatch batch, double weight, bool recompute)
    {
        using var scope = NewDisposeScope();
        using Scalar scale = weight;
        var language = model.Language;
        var pass = new DecoderPass(language.RotaryAt(HeldScalars.Range(0, batch.Ids.shape[1], model.Device)));
        var embeddings = model.Embed(batch.Ids, batch.Features is { } features ? model.Project(features) : null); // (B, T, C)
        if (!recompute)
        {
            var (sum, _) = model.AnswerLoss(language.call(embeddings, pass), batch.Targets);
            sum.mul(scale).backward();
            return sum.item<float>();
        }

        var inputs = new List<Tensor>();
        var hidden = embeddings.detach();
        using (no_grad())
        {
            foreach (var layer in language.Layers)
            {
                inputs.Add(hidden);
                hidden = layer.call(hidden, pass);
            }
        }

        var last = hidden.detach().requires_grad_();
        var (loss, _) = model.AnswerLoss(language.FinalNorm(last), batch.Targets);
        loss.mul(scale).backward();
        var gradient = last.grad!;
        for (var i = inputs.Count - 1; i >= 0; i--)
        {
            using var layerScope = NewDisposeScope();
            var input = inputs[i].detach().requires_grad_();
            language.Layers[i].call(input, pass).backward([gradient]);
            gradient = input.grad!.MoveToOuterDisposeScope();
        }

        if (embeddings.requires_grad) embeddings.backward([gradient]);
        return loss.item<float>();
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
