using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// Whether larger float32 products are computed here (<see cref="FloatProduct"/>, <see cref="HeadAttention"/>) or by libtorch. Its library
/// for them is Intel's, which takes kernels of AVX2 on other makers' processors and so reaches half of what AVX-512 can do there. The
/// processor decides, never a measurement, so that a machine computes the same in every run.
/// </summary>
internal static class Float32Products
{
    /// <summary>Name of the environment variable that overrules the rule, for measuring: own or libtorch.</summary>
    public const string Variable = "PFMVG_FLOAT32_PRODUCTS";

    private static readonly Lazy<bool> Chosen = new(() => Choose(Environment.GetEnvironmentVariable(Variable), Recognised));

    /// <summary>Whether they are computed here.</summary>
    /// <exception cref="InputException">The environment variable has another value, or the processor has no AVX-512.</exception>
    public static bool Own => Chosen.Value;

    /// <summary>The way that was chosen, for the records of a run.</summary>
    public static string Description => Own ? "own" : "libtorch";

    /// <summary>The rule, unless the environment variable overrules it.</summary>
    internal static bool Choose(string? wanted, Func<bool> rule) => wanted switch
    {
        null or "" => rule(),
        "own" when PanelProduct.IsSupported => true,
        "own" => throw new InputException($"The environment variable {Variable} is own, but this processor has no AVX-512; "
            + "remove it to let the processor decide."),
        "libtorch" => false,
        _ => throw new InputException($"The environment variable {Variable} is '{wanted}'; "
            + "set it to own or libtorch, or remove it to let the processor decide."),
    };

    /// <summary>The rule, whatever the environment variable says.</summary>
    internal static bool Recognised() => PanelProduct.IsSupported && Fast((leaf, part) => X86Base.CpuId(leaf, part));

    /// <summary>Of processors with AVX-512 those of other makers than Intel.</summary>
    internal static bool Fast(Func<int, int, (int Eax, int Ebx, int Ecx, int Edx)> cpuId) =>
        Bf16Products.Maker(cpuId(0, 0)) != "GenuineIntel";
}
