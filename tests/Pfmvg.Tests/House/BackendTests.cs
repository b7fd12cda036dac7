using System.Text.Json.Nodes;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.House;

/// <summary>The native backend is a property of the build.</summary>
public class BackendTests
{
    [Theory]
    [InlineData("cpu", "libtorch-cpu-linux-x64", "TorchSharp-cuda-linux")]
    [InlineData("cuda", "TorchSharp-cuda-linux", "libtorch-cpu-linux-x64")]
    [InlineData("system", "SkiaSharp.NativeAssets.Linux.NoDependencies", "libtorch-cpu-linux-x64")]
    [InlineData("system", "SkiaSharp.NativeAssets.Linux.NoDependencies", "TorchSharp-cuda-linux")]
    public void The_property_selects_the_package(string backend, string wanted, string unwanted)
    {
        var project = Path.Combine(Fixtures.Repository, "src", "Pfmvg.Cli");
        var result = Shell.Run("dotnet", ["msbuild", project, $"-p:TorchBackend={backend}", "-getItem:PackageReference"]);
        Assert.True(result.ExitCode == 0, $"{result}");
        var packages = JsonNode.Parse(result.Output)!["Items"]!["PackageReference"]!.AsArray().Select(item => (string)item!["Identity"]!)
            .ToArray();
        Assert.Contains(wanted, packages);
        Assert.DoesNotContain(unwanted, packages);
    }

    [Fact]
    public void The_library_itself_references_no_native_package()
    {
        var result = Shell.Run("dotnet", ["msbuild", Path.Combine(Fixtures.Repository, "src", "Pfmvg"), "-getItem:PackageReference"]);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.DoesNotContain("libtorch", result.Output, StringComparison.OrdinalIgnoreCase);
    }
}
