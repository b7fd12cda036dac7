using Pfmvg.Models.Building;
using Pfmvg.Models.Kernels;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Vision;

/// <summary>Joins neighbouring patch tokens into one, without weights.</summary>
public static class TokenConcat
{
    /// <summary>Four consecutive tokens in row-major order become one, not a 2x2 window (paper, section 2.1).</summary>
    /// <param name="patches">(B, P, V) without the class token.</param>
    /// <param name="count">How many tokens are joined; divides P.</param>
    /// <returns>(B, P / count, count V), a view where possible.</returns>
    /// <exception cref="ArgumentException">P is not a multiple of the count.</exception>
    public static Tensor Join(Tensor patches, int count)
    {
        var (batch, length, width) = (patches.shape[0], patches.shape[1], patches.shape[2]);
        if (length % count != 0) throw new ArgumentException($"{length} patches cannot be joined {count} by {count}.", nameof(patches));
        return patches.reshape(batch, length / count, count * width);
    }

    /// <summary>As the configuration says: consecutive tokens, or the squares of the grid in row-major order.</summary>
    /// <param name="patches">(B, P, V) without the class token.</param>
    /// <param name="config">How many are joined, and which.</param>
    /// <returns>(B, P / count, count V), a view where possible.</returns>
    /// <exception cref="ArgumentException">The grid of patches is not made of such squares.</exception>
    public static Tensor Join(Tensor patches, GroundingConfig config)
    {
        var (side, grid) = ((int)Math.Sqrt(config.Concat), config.Vision.Grid);
        if (config.Join == TokenJoin.Row) return Join(patches, config.Concat);
        if (side * side != config.Concat || grid % side != 0)
            throw new ArgumentException($"{grid} x {grid} patches are not made of squares of {config.Concat}.", nameof(config));
        using var scope = NewDisposeScope();
        return patches.reshape(patches.shape[0], grid / side, side, grid / side, side, patches.shape[2]).transpose(2, 3)
            .reshape(patches.shape[0], config.VisualTokens, config.FeatureWidth).MoveToOuterDisposeScope();
    }
}

/// <summary>`llama_proj`: the trainable linear layer from joined patch tokens to the language model's width, in float32.</summary>
public sealed class Projector : Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")] private readonly Parameter _weight; // (C, 4V)
    [ComponentName(Name = "bias")] private readonly Parameter _bias;     // (C)

    /// <summary>Creates the layer with zeros; <see cref="ModelBuilder"/> draws start values.</summary>
    public Projector(int inputs, int outputs, Device device) : base(nameof(Projector))
    {
        _weight = new Parameter(zeros(outputs, inputs, ScalarType.Float32, device), requires_grad: true);
        _bias = new Parameter(zeros(outputs, ScalarType.Float32, device), requires_grad: true);
        RegisterComponents();
    }

    /// <summary>(B, N, 4V) of any floating type to (B, N, C) in float32.</summary>
    public override Tensor forward(Tensor features)
    {
        using var scope = NewDisposeScope();
        return FloatProduct.Linear(features.to(ScalarType.Float32), _weight, _bias).MoveToOuterDisposeScope();
    }
}
