using System.Diagnostics;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Tests.Weights;

/// <summary>Whatever happens to the bytes of a weight file, it is read or refused: no other exception, no memory beyond its size.</summary>
public sealed class MutationTests
{
    private const int Mutants = 60;

    public static TheoryData<string> Files =>
        [.. Directory.EnumerateFiles(Fixtures.Path("weights"), "*", SearchOption.AllDirectories)
            .Where(path => Path.GetExtension(path) is ".pth" or ".bin" or ".safetensors")
            .Select(path => Path.GetRelativePath(Fixtures.Path("weights"), path)).Order(StringComparer.Ordinal), .. Foreign];

    // Files with much beside the weights.
    private static readonly string[] Foreign =
    [
        "t20_lavis_omegaconf.pth", "t20_numpy_state.pth", "t20_whole_module.pth", "t214_numpy2_array.pth", "t214_dtensor.pth",
        "t214_lightning.ckpt", "t24_misc.pth", "t24_sparse.pth", "t24_float8.pth",
    ];

    [Theory]
    [MemberData(nameof(Files))]
    public void A_truncated_file_is_read_or_refused(string name) =>
        Mutate(name, (bytes, random) => bytes[
            ..(random.Next(3) == 0 ? Math.Max(0, bytes.Length - random.Next(1, 2000)) : random.Next(bytes.Length + 1))]);

    [Theory]
    [MemberData(nameof(Files))]
    public void A_file_with_changed_bytes_is_read_or_refused(string name) => Mutate(name, (bytes, random) =>
    {
        for (var change = random.Next(1, 5); change > 0 && bytes.Length > 0; change--)
        {
            // Most of the structure is near the beginning and the end; most of the middle is values.
            var near = Math.Min(bytes.Length, 6000);
            var at = random.Next(3) switch { 0 => random.Next(near), 1 => bytes.Length - 1 - random.Next(near),
                _ => random.Next(bytes.Length) };
            bytes[at] = random.Next(3) switch { 0 => (byte)(bytes[at] ^ (1 << random.Next(8))), 1 => (byte)random.Next(256),
                _ => (byte)(random.Next(2) * 255) };
        }

        return bytes;
    });

    private static void Mutate(string name, Func<byte[], Random, byte[]> change)
    {
        var original = File.ReadAllBytes(Foreign.Contains(name)
            ? Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Weights", "Written", "torch", name)
            : Fixtures.Path("weights", name));
        using var folder = new TemporaryFolder();
        var random = new Random(name.Length * 7919 + original.Length);
        for (var mutant = 0; mutant < Mutants; mutant++)
        {
            var path = folder.In($"{mutant}{Path.GetExtension(name)}");
            var bytes = change((byte[])original.Clone(), random);
            File.WriteAllBytes(path, bytes);
            var before = GC.GetAllocatedBytesForCurrentThread();
            var clock = Stopwatch.StartNew();
            try
            {
                using var file = WeightFile.Open(path);
                Assert.All(TestTensors.All(file), info => Assert.InRange(info.Bytes, 0, bytes.Length));
                TestTensors.ReadAll(file);
                WeightListing.ToText(file);
                WeightListing.ToJson(file);
            }
            catch (InputException)
            {
            }
            catch (Exception other) when (other is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"mutant {mutant} of {name}: {other}");
            }

            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < (4 << 20) + 60L * original.Length, $"mutant {mutant} of {name}: {allocated} bytes allocated");
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"mutant {mutant} of {name}: {clock.Elapsed}");
            File.Delete(path);
        }
    }
}
