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
    private static readonly Lazy<jit.CompilationUnit> Counters = new(CompileCounters);

    /// <summary>softmax(q k^T x scale) v without a mask; (B, H, T, D) each.</summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, double scale) =>
        (Tensor)Attentions.GetOrAdd(scale, CompileAttention).invoke("attention", q, k, v)!;

    /// <summary>
    /// The bits of <see cref="CounterBits"/> by operations on the device of x: for each row those of its places 0, 1, ... in order. The top
    /// bit is changed, so that comparing them as numbers with a sign compares the bits.
    /// </summary>
    /// <param name="x">(B, T, I), which gives the shape and the device.</param>
    /// <param name="keys">(B, 2) int32, of each row its <see cref="CounterBits.Offsets"/>.</param>
    /// <returns>(B, T, I) int32.</returns>
    public static Tensor OrderedCounterBits(Tensor x, Tensor keys) => (Tensor)Counters.Value.invoke("bits", x, keys)!;

    // A shift to the right repeats the sign, so the repeated bits are cleared.
    private static jit.CompilationUnit CompileCounters() => jit.compile($"""
        def mix(bits: Tensor, shift: int) -> Tensor:
            return bits.bitwise_xor_(torch.bitwise_right_shift(bits, shift).bitwise_and_((1 << (32 - shift)) - 1))

        def bits(x: Tensor, keys: Tensor) -> Tensor:
            places = torch.arange(x.size(1) * x.size(2), dtype={(int)ScalarType.Int32}, device=x.device).mul_({Signed(CounterBits.First)})
            bits = mix(places.unsqueeze(0) + keys[:, 0:1], 16)
            bits = mix(bits.mul_({Signed(CounterBits.Second)}).add_(keys[:, 1:2]), 13)
            bits = mix(bits.mul_({Signed(CounterBits.Third)}), 16)
            return bits.bitwise_xor_({Signed(CounterBits.TopBit)}).view(x.size(0), x.size(1), x.size(2))

        """);

    private static string Signed(uint bits) => unchecked((int)bits).ToString(CultureInfo.InvariantCulture);

    private static jit.CompilationUnit CompileAttention(double scale) => jit.compile($"""
        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return torch.scaled_dot_product_attention(q, k, v, scale=float({scale.ToString("R", CultureInfo.InvariantCulture)}))

        """);
}
