using System.Diagnostics;
using System.Runtime.Intrinsics.X86;
using Pfmvg.Tests.Decoding;
using Pfmvg.Tests.Training.Sharing;

namespace Pfmvg.Tests.Models.Kernels;

/// <summary>The tests of products and of decoding again, in a process that must do without AVX-512.</summary>
public sealed class NarrowVectorTests
{
    [Fact]
    public async Task Products_and_decoding_pass_the_same_tests()
    {
        Assert.SkipUnless(Avx512F.IsSupported, "AVX-512 to be switched off: this processor's own road is what the other tests take");
        Type[] classes = [typeof(VectorWidthTests), typeof(ProductTests), typeof(TileProductTests), typeof(DecoderStepTests),
            typeof(FusedStepTests), typeof(SharedStepTests)];
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { [VectorWidthTests.Switch] = "0" },
        };
        if (Path.GetFileNameWithoutExtension(start.FileName) == "dotnet")
            start.ArgumentList.Add(typeof(VectorWidthTests).Assembly.Location);
        else start.FileName = Path.Combine(AppContext.BaseDirectory, "Pfmvg.Tests");
        foreach (var tests in classes)
        {
            start.ArgumentList.Add("-class");
            start.ArgumentList.Add(tests.FullName!);
        }

        using var child = Process.Start(start)!;
        var stop = TestContext.Current.CancellationToken;
        var errors = child.StandardError.ReadToEndAsync(stop);
        var output = await child.StandardOutput.ReadToEndAsync(stop);
        await child.WaitForExitAsync(stop);
        Assert.True(child.ExitCode == 0, output + await errors);
        Assert.Matches(@"Total: [1-9]\d*", output);
    }
}
