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
    private static readonly ConcurrentDictionary<double, jit.CompilationUnit> Norms = new();
    private static readonly ConcurrentDictionary<(double, double, double, double), jit.CompilationUnit> Optimizers = new();
    private static readonly Lazy<jit.CompilationUnit> Counters = new(CompileCounters);
    private static readonly Lazy<jit.CompilationUnit> Lists = new(CompileLists);

    /// <summary>softmax(q k^T x scale) v without a mask; (B, H, T, D) each.</summary>
    public static Tensor Attention(Tensor q, Tensor k, Tensor v, double scale) =>
        (Tensor)Attentions.GetOrAdd(scale, CompileAttention).invoke("attention", q, k, v)!;

    /// <summary>x / sqrt(mean(x^2) + eps) times the weight over the last dimension, in one kernel where a device has one.</summary>
    public static Tensor RmsNorm(Tensor x, Tensor weight, double eps) =>
        (Tensor)Norms.GetOrAdd(eps, CompileNorm).invoke("norm", x, weight)!;

    /// <summary>The norm of each tensor of a list, in few kernels where a device has them.</summary>
    public static Tensor NormsOf(Tensor[] tensors) => (Tensor)Lists.Value.invoke("norms", (object)tensors)!;

    /// <summary>A step of AdamW on all parameters of a list, after which their gradients are zero; in few kernels on CUDA.</summary>
    /// <param name="parameters">Changed in place, as are the moments and the gradients.</param>
    /// <param name="gradients">Of the parameters.</param>
    /// <param name="first">Moments.</param>
    /// <param name="second">Moments.</param>
    /// <param name="steps">For each parameter the number of steps with this one: a float32 number on its device.</param>
    /// <param name="rate">A number on the CPU.</param>
    /// <param name="settings">Both betas, the weight decay and epsilon.</param>
    public static void AdamW(Tensor[] parameters, Tensor[] gradients, Tensor[] first, Tensor[] second, Tensor[] steps, Tensor rate,
        (double Beta1, double Beta2, double WeightDecay, double Eps) settings) =>
        Optimizers.GetOrAdd(settings, CompileAdamW).invoke("step", parameters, gradients, first, second, steps, rate);

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

    private static jit.CompilationUnit CompileNorm(double eps) => jit.compile($"""
        def norm(x: Tensor, weight: Tensor) -> Tensor:
            return torch.rms_norm(x, [x.size(-1)], weight, float({Number(eps)}))

        """);

    private static jit.CompilationUnit CompileLists() => jit.compile("""
        def norms(tensors: List[Tensor]) -> Tensor:
            return torch.stack(torch._foreach_norm(tensors, 2))

        """);

    private static jit.CompilationUnit CompileAdamW((double Beta1, double Beta2, double Decay, double Eps) settings) => jit.compile($"""
        def step(parameters: List[Tensor], gradients: List[Tensor], first: List[Tensor], second: List[Tensor], steps: List[Tensor],
                 rate: Tensor) -> int:
            torch._fused_adamw_(parameters, gradients, first, second, [], steps, lr=rate, beta1=float({Number(settings.Beta1)}),
                beta2=float({Number(settings.Beta2)}), weight_decay=float({Number(settings.Decay)}), eps=float({Number(settings.Eps)}),
                amsgrad=False, maximize=False)
            torch._foreach_zero_(gradients)
            return 0

        """);

    private static string Number(double value) => value.ToString("R", CultureInfo.InvariantCulture);

    private static string Signed(uint bits) => unchecked((int)bits).ToString(CultureInfo.InvariantCulture);

    private static jit.CompilationUnit CompileAttention(double scale) => jit.compile($"""
        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return torch.scaled_dot_product_attention(q, k, v, scale=float({Number(scale)}))

        """);
}
