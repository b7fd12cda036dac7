using System.Runtime.Intrinsics.X86;
using System.Text;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// Whether a CPU's own bfloat16 products are worth using. Without matrix units libtorch's take as long as float32 products or
/// longer: with AVX512-BF16 Intel's cores do half as many as in float32, and others must convert. Then products of bfloat16 are computed
/// in float32 (<see cref="WideProduct"/>). The processor decides, never a measurement, so that a machine computes the same in every run.
/// </summary>
internal static class Bf16Products
{
    /// <summary>Name of the environment variable that overrides the rule, for measuring: native or float32.</summary>
    public const string Variable = "PFMVG_BF16_PRODUCTS";

    private static readonly Lazy<bool> Chosen = new(() => Choose(Environment.GetEnvironmentVariable(Variable), Recognised));

    /// <summary>Whether products of bfloat16 tensors on the CPU are left to libtorch.</summary>
    /// <exception cref="InputException">The environment variable has another value.</exception>
    public static bool Native => Chosen.Value;

    /// <summary>The way that was chosen, for the records of a run.</summary>
    public static string Description => Native ? "native" : "float32";

    /// <summary>The type to compute in with tensors of this type.</summary>
    internal static ScalarType Compute(ScalarType type) => type == ScalarType.BFloat16 && !Native ? ScalarType.Float32 : type;

    /// <summary>
    /// The tensor in the type to compute in: itself, or a float32 copy of a bfloat16 tensor on a CPU without fast
    /// products.
    /// </summary>
    internal static Tensor ForProducts(this Tensor x) => x.to(x.device_type == TorchSharp.DeviceType.CPU ? Compute(x.dtype) : x.dtype);

    /// <summary>The rule, unless the environment variable overrules it.</summary>
    internal static bool Choose(string? wanted, Func<bool> rule) => wanted switch
    {
        null or "" => rule(),
        "native" => true,
        "float32" => false,
        _ => throw new InputException($"The environment variable {Variable} is '{wanted}'; "
            + "set it to native or float32, or remove it to let the processor decide."),
    };

    // Nothing changes on other architectures: libtorch has kernels of its own for Arm's bfloat16 instructions.
    private static bool Recognised() => !X86Base.IsSupported || Fast((leaf, part) => X86Base.CpuId(leaf, part));

    /// <summary>AMX with bfloat16, where the system has switched it on, or AVX512-BF16 on AMD, whose cores gain by it.</summary>
    internal static bool Fast(Func<int, int, (int Eax, int Ebx, int Ecx, int Edx)> cpuId)
    {
        const int Features = 7, States = 0xD, AmxBf16 = 1 << 22, Avx512Bf16 = 1 << 5, TileBytes = 8192;
        var (last, b, c, d) = cpuId(0, 0);
        if (last < Features) return false;
        // Only with tiles enabled by the system is the memory for the registers' states larger than the tiles themselves.
        if ((cpuId(Features, 0).Edx & AmxBf16) != 0 && last >= States && cpuId(States, 0).Ebx > TileBytes) return true;
        return Maker((last, b, c, d)) == "AuthenticAMD" && cpuId(Features, 0).Eax >= 1 && (cpuId(Features, 1).Eax & Avx512Bf16) != 0;
    }

    /// <summary>The processor's maker, as leaf 0 names it.</summary>
    internal static string Maker((int Eax, int Ebx, int Ecx, int Edx) leaf)
    {
        var name = new byte[12];
        foreach (var (at, part) in ((int, int)[])[(0, leaf.Ebx), (4, leaf.Edx), (8, leaf.Ecx)])
            BitConverter.TryWriteBytes(name.AsSpan(at), part);
        return Encoding.ASCII.GetString(name);
    }
}
