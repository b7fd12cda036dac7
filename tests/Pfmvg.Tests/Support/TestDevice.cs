using static TorchSharp.torch;

namespace Pfmvg.Tests.Support;

/// <summary>
/// The device of the tests whose numbers hold on any device: PFMVG_TEST_DEVICE, `cpu` (the default) or `cuda`. Tests that compare bits, or
/// what only a CPU does, stay on the CPU.
/// </summary>
internal static class TestDevice
{
    private const string Variable = "PFMVG_TEST_DEVICE";

    /// <summary>The device's name, as the setting `device` takes it.</summary>
    public static string Name { get; } = Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } named ? named : "cpu";

    /// <summary>Whether the device is there.</summary>
    public static bool IsThere => Name == "cpu" || (Name == "cuda" && cuda.is_available());

    /// <summary>The device; skips the test where it is not there.</summary>
    public static Device Here
    {
        get
        {
            if (Name == "cpu") return CPU;
            Assert.True(Name == "cuda", $"{Variable} is {Name}; it can be cpu or cuda.");
            Assert.SkipUnless(cuda.is_available(), $"{Variable} is cuda, but libtorch sees no CUDA device here.");
            return CUDA;
        }
    }

    /// <summary>A tensor on the device.</summary>
    public static Tensor ToTestDevice(this Tensor tensor) => tensor.to(Here);

    /// <summary>A tolerance that was measured on the CPU; another device adds in another order, over wider blocks.</summary>
    public static double Loose(double tolerance) => Name == "cpu" ? tolerance : 20 * tolerance;
}
