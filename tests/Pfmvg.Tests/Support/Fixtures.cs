using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using TorchSharp;

namespace Pfmvg.Tests.Support;

/// <summary>
/// The parity data: numbers that the original projects produced. The folder is the one that PFMVG_FIXTURES names, else
/// the project's own copy. Every size is read from the files, never written into a test.
/// </summary>
internal static class Fixtures
{
    public static string Root { get; } = Environment.GetEnvironmentVariable("PFMVG_FIXTURES") is { Length: > 0 } folder
        ? System.IO.Path.GetFullPath(folder)
        : System.IO.Path.Combine(SourceFolder(), "..", "Fixtures");

    /// <summary>The folder of the checkout that holds PFMVG.sln.</summary>
    public static string Repository { get; } = System.IO.Path.GetFullPath(System.IO.Path.Combine(SourceFolder(), "..", "..", ".."));

    public static string Path(params string[] parts) => System.IO.Path.Combine([Root, .. parts]);

    public static JsonNode Json(params string[] parts) => JsonNode.Parse(File.ReadAllText(Path(parts)))!;

    public static torch.Tensor Npy(params string[] parts) => Support.Npy.Read(Path(parts));

    /// <summary>The suggested absolute tolerance of a quantity: 10 x the measured difference, at least 2e-6 x its scale.</summary>
    public static double Tolerance(string quantity)
    {
        var f64 = Json("tolerances.json")[quantity]?["f64"] ?? throw new InvalidOperationException($"tolerances.json has no '{quantity}'.");
        return TestDevice.Loose(Math.Max(10 * f64["max_abs"]!.GetValue<double>(), 2e-6 * f64["scale"]!.GetValue<double>()));
    }

    /// <summary>Fails with the largest difference when two tensors differ by more than the tolerance anywhere.</summary>
    public static void AssertClose(torch.Tensor expected, torch.Tensor actual, double tolerance, string what)
    {
        Assert.Equal(expected.shape, actual.shape);
        using var scope = torch.NewDisposeScope();
        var difference = (expected.cpu().to(torch.float64) - actual.detach().cpu().to(torch.float64)).abs();
        var largest = difference.numel() == 0 ? 0 : difference.max().item<double>();
        Assert.True(largest <= tolerance, $"{what}: differs by {largest:g3}, allowed {tolerance:g3}"); // NaN fails, too
    }

    private static string SourceFolder([CallerFilePath] string path = "") => System.IO.Path.GetDirectoryName(path)!;
}
