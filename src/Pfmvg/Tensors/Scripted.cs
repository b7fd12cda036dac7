using System.Collections.Concurrent;
using System.Globalization;
using static TorchSharp.torch;

namespace Pfmvg.Tensors;

/// <summary>
/// Operations of libtorch that TorchSharp does not wrap, reached through TorchScript; autograd knows them. Only tensors are
/// passed: for a number TorchSharp makes a scalar, which a garbage collection may free in the middle of the call.
/// </summary>
internal static class Scripted
{
    // The text of a script must end its last line.
    private static readonly ConcurrentDictionary<double, jit.CompilationUnit> Attentions = new();

    /// <summary>softmax(q k^T x scale) v without a mask; (B, H, T, D) each.</summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, double scale) =>
        (Tensor)Attentions.GetOrAdd(scale, CompileAttention).invoke("attention", q, k, v)!;

    private static jit.CompilationUnit CompileAttention(double scale) => jit.compile($"""
        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return torch.scaled_dot_product_attention(q, k, v, scale=float({scale.ToString("R", CultureInfo.InvariantCulture)}))

        """);
}
