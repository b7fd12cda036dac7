using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Language;

/// <summary>One decoder layer: attention and a gated MLP, each behind an RMSNorm and added to its input.</summary>
public sealed class LlamaLayer : Module<Tensor, DecoderPass, Tensor>
{
    [ComponentName(Name = "self_attn")] private readonly CausalSelfAttention _attention;
    [ComponentName(Name = "mlp")] private readonly GatedMlp _mlp;
    [ComponentName(Name = "input_layernorm")] private readonly RmsNorm _attentionNorm;
    [ComponentName(Name = "post_attention_layernorm")] private readonly RmsNorm _mlpNorm;

    internal LlamaLayer(LlamaConfig config, int index, ProjectionFactory projection, ScalarType type, Device device)
        : base(nameof(LlamaLayer))
    {
        _attention = new CausalSelfAttention(config, index, projection);
        _mlp = new GatedMlp(config, index, projection);
        _attentionNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, type, device);
        _mlpNorm = new RmsNorm(config.HiddenSize, config.RmsNormEps, type, device);
        RegisterComponents();
    }

    /// <summary>The weights themselves, for <see cref="DecoderStep"/>.</summary>
    internal LlamaLayerWeights Weights => new(_attention.WeightsBehind(_attentionNorm), _mlp.WeightsBehind(_mlpNorm));

    /// <summary>(B, T, C) to (B, T, C).</summary>
    public override Tensor forward(Tensor hidden, DecoderPass pass)
    {
        using var scope = NewDisposeScope();
        return Transform(Attend(hidden, pass)).MoveToOuterDisposeScope();
    }

    /// <summary>The first half: hidden + attention(norm(hidden)).</summary>
    internal Tensor Attend(Tensor hidden, DecoderPass pass)
    {
        using var scope = NewDisposeScope();
        return hidden.Plus(_attention.call(_attentionNorm.call(hidden), pass)).MoveToOuterDisposeScope();
    }

    /// <summary>The second half: attended + mlp(norm(attended)).</summary>
    internal Tensor Transform(Tensor attended)
    {
        using var scope = NewDisposeScope();
        return attended.Plus(_mlp.call(_mlpNorm.call(attended))).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The backward pass from the inputs of both halves alone. Each half is computed again up to its last projection, whose
    /// output no gradient needs: this saves three tenths of the products of a whole layer.
    /// </summary>
    /// <param name="hidden">The layer's input.</param>
    /// <param name="attended">What <see cref="Attend"/> made of it.</param>
    /// <param name="pass">As in the forward pass.</param>
    /// <param name="gradient">Of the loss with respect to the layer's output.</param>
    /// <returns>The gradient with respect to the input; the adapters' gradients have been added to theirs.</returns>
    internal Tensor Backward(Tensor hidden, Tensor attended, DecoderPass pass, Tensor gradient)
    {
        using var scope = NewDisposeScope();
        var middle = BackwardThrough(attended, gradient, x => _mlp.Gated(_mlpNorm.call(x)), _mlp.Output);
        return BackwardThrough(hidden, middle, x => _attention.Mixed(_attentionNorm.call(x), pass), _attention.Output)
            .MoveToOuterDisposeScope();

        // One half, x + output(inner(x)).
        static Tensor BackwardThrough(Tensor input, Tensor gradient, Func<Tensor, Tensor> inner, Projection output)
        {
            using var scope = NewDisposeScope();
            var leaf = input.detach().requires_grad_();
            var last = inner(leaf);
            last.backward([OutputGradient(last, gradient, output)]);
            return gradient.Plus(leaf.grad!).MoveToOuterDisposeScope();
        }
    }

    // A frozen projection takes one product; one with an adapter must run, so that the adapter gets its gradients.
    private static Tensor OutputGradient(Tensor input, Tensor gradient, Projection output)
    {
        using var scope = NewDisposeScope();
        if (output.Weights is (var weight, var scale, null))
        {
            using var quiet = no_grad();
            return FrozenMatrix.InputGradient(gradient, weight, scale).MoveToOuterDisposeScope();
        }

        var leaf = input.detach().requires_grad_();
        output.call(leaf).backward([gradient]);
        return leaf.grad!.MoveToOuterDisposeScope();
    }
}
