using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Language;

/// <summary>
/// Rotary position embedding in Hugging Face's half-split convention: element i of the first half is rotated together with
/// element i of the second half by position x theta^(-2i / D). Kept outside modules: it is not a weight.
/// </summary>
public sealed class Rotary
{
    private static readonly Scalar One = 1;

    private readonly Tensor _cos; // (B or 1, 1, T, D), both halves alike
    private readonly Tensor _sin; // the same, the first half negative

    private Rotary(Tensor cos, Tensor sin) => (_cos, _sin) = (cos, sin);

    /// <summary>The rotations for the given positions. The tables belong to the caller's dispose scope.</summary>
    /// <param name="positions">(B, T) or (T), whole numbers.</param>
    /// <param name="headSize">D; even.</param>
    /// <param name="theta">Base of the frequencies; 10000 in LLaMA-2.</param>
    /// <param name="type">Type of the tensors that will be rotated. Angles are computed in float32.</param>
    public static Rotary At(Tensor positions, int headSize, double theta, ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var device = positions.device;
        using Scalar two = 2, size = headSize, logTheta = -Math.Log(theta), first = 0, end = headSize / 2, step = 1;
        var exponent = arange(first, end, step, ScalarType.Float32, device).mul(two).div(size);
        var inverseFrequency = exponent.to(ScalarType.Float64).mul(logTheta).exp().to(ScalarType.Float32);   // (D / 2)
        var rows = positions.dim() == 1 ? positions.unsqueeze(0) : positions;
        var angle = rows.to(ScalarType.Float32).unsqueeze(-1).mul(inverseFrequency).unsqueeze(1);             // (B, 1, T, D / 2)
        var (cos, sin) = (angle.cos(), angle.sin());
        return new Rotary(cat([cos, cos], 3).to(type).MoveToOuterDisposeScope(),
            cat([sin.neg(), sin], 3).to(type).MoveToOuterDisposeScope());
    }

    /// <summary>Cosines and sines (B or 1, 1, T, D): both halves alike, the first half of the sines negative.</summary>
    internal (Tensor Cos, Tensor Sin) Tables => (_cos, _sin);

    /// <summary>Rotates every head.</summary>
    /// <param name="x">(B, H, T, D).</param>
    public Tensor Rotate(Tensor x)
    {
        using var scope = NewDisposeScope();
        var halves = x.chunk(2, 3);
        return x.mul(_cos).addcmul_(cat([halves[1], halves[0]], 3), _sin, One).MoveToOuterDisposeScope();
    }
}
