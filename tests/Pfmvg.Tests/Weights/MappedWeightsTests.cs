using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

/// <summary>Weights that stay in their file: the values of a copy, none of its memory, and a file that nothing can change.</summary>
public sealed class MappedWeightsTests : IDisposable
{
    private static readonly LoadRules Mapped = LoadRules.All with { Map = true };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string, ScalarType, ScalarType> Cases => new(
        from format in (string[])["safetensors", "odd", "torch"]
        from stored in (ScalarType[])[ScalarType.Float32, ScalarType.BFloat16, ScalarType.Float16]
        from type in (ScalarType[])[ScalarType.Float32, ScalarType.BFloat16]
        select (format, stored, type));

    [Theory]
    [MemberData(nameof(Cases))]
    public void Mapped_weights_are_the_copied_ones(string format, ScalarType stored, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var (path, values) = Write(format, stored);
        var copied = Load(path, type, LoadRules.All);
        var mapped = Load(path, type, Mapped);
        foreach (var name in values.Keys)
        {
            TestTensors.AssertSame(values[name].to(type), copied[name], $"{name} copied");
            TestTensors.AssertSame(copied[name], mapped[name], $"{name} mapped");
        }
    }

    [Theory]
    [InlineData("safetensors")]
    [InlineData("odd")]
    [InlineData("torch")]
    public void A_file_is_mapped_as_long_as_one_of_its_tensors_lives(string format)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "files are mapped on Linux only");
        var (path, _) = Write(format, ScalarType.BFloat16);
        var tensors = Load(path, ScalarType.BFloat16, Mapped);
        Assert.True(IsMapped(path));
        tensors["first"].Dispose();
        Assert.True(IsMapped(path));
        tensors["second"].Dispose();
        Assert.False(IsMapped(path));
        foreach (var copied in Load(path, ScalarType.Float32, Mapped).Values)
        {
            Assert.False(IsMapped(path)); // converted, thus copied
            copied.Dispose();
        }
    }

    [Fact]
    public void Writing_into_a_mapped_tensor_leaves_the_file_and_other_models_alone()
    {
        using var scope = NewDisposeScope();
        var (path, values) = Write("safetensors", ScalarType.Float32);
        var bytes = File.ReadAllBytes(path);
        var (changed, other) = (Load(path, ScalarType.Float32, Mapped), Load(path, ScalarType.Float32, Mapped));
        changed["first"].zero_();
        Assert.Equal(bytes, File.ReadAllBytes(path));
        TestTensors.AssertSame(values["first"], other["first"], "another model's");
        Assert.Equal(0, changed["first"].abs().sum().item<float>());
    }

    [Fact]
    public void A_file_that_is_replaced_and_removed_keeps_the_values_that_were_loaded()
    {
        using var scope = NewDisposeScope();
        var (path, values) = Write("safetensors", ScalarType.Float32);
        var loaded = Load(path, ScalarType.Float32, Mapped);
        SafeTensors.Write(path, values.ToDictionary(v => v.Key, v => zeros_like(v.Value)));
        File.Delete(path);
        foreach (var (name, value) in values) TestTensors.AssertSame(value, loaded[name], name);
    }

    [Fact]
    public void A_value_that_is_not_finite_is_found_in_a_mapped_tensor()
    {
        using var scope = NewDisposeScope();
        var path = _folder.In("nan.safetensors");
        var values = zeros(1100, 1000);
        values[777, 77] = float.NaN;
        SafeTensors.Write(path, new Dictionary<string, Tensor> { ["x"] = values });
        using var file = WeightFile.Open(path);
        var report = WeightLoader.Load(new Dictionary<string, Tensor> { ["x"] = zeros(1100, 1000) }, file, name => name, Mapped);
        Assert.Equal("x[777,77]", $"{Assert.Single(report.NotFinite)}");
    }

    private (string Path, Dictionary<string, Tensor> Values) Write(string format, ScalarType type)
    {
        var path = _folder.In($"{Guid.NewGuid():N}.weights");
        var values = new Dictionary<string, Tensor>
        {
            ["first"] = randn(700, 900).to(type), // more than one piece that a thread takes
            ["second"] = randn(3, 5, 7).to(type),
        };
        if (format == "torch") TorchPickle.Write(path, values);
        else SafeTensors.Write(path, values);
        if (format == "odd") MoveData(path);
        return (path, values);
    }

    // As other writers leave it: data that begin at a multiple of 2, but of nothing larger.
    private static void MoveData(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var header = (int)BitConverter.ToInt64(bytes, 0);
        File.WriteAllBytes(path, [.. BitConverter.GetBytes(header + 2L), .. bytes.AsSpan(8, header), (byte)' ', (byte)' ',
            .. bytes.AsSpan(8 + header)]);
    }

    private static Dictionary<string, Tensor> Load(string path, ScalarType type, LoadRules rules)
    {
        using var file = WeightFile.Open(path);
        var targets = file.Tensors.ToDictionary(stored => stored.Key, stored => zeros(stored.Value.Shape, type));
        Assert.Equal(targets.Count, WeightLoader.Load(targets, file, name => name, rules).Loaded.Count);
        return targets;
    }

    private static bool IsMapped(string path) =>
        File.ReadLines("/proc/self/maps").Any(line => line.EndsWith(path, StringComparison.Ordinal));
}
