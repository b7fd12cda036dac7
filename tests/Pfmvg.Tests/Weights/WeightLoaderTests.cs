using System.Runtime.InteropServices;
using Pfmvg.Models;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

public sealed class WeightLoaderTests : IDisposable
{
    private static readonly ScalarType[] Floats = [ScalarType.Float16, ScalarType.BFloat16, ScalarType.Float32, ScalarType.Float64];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<ScalarType, ScalarType> Pairs =>
        new(Floats.SelectMany(from => Floats.Select(to => (from, to))));

    [Theory]
    [MemberData(nameof(Pairs))]
    public void Every_conversion_equals_libtorchs(ScalarType from, ScalarType to)
    {
        using var scope = NewDisposeScope();
        // All 65536 patterns of the 16-bit types; wide types around every rounding boundary and every exponent of bfloat16.
        var patterns = Enumerable.Range(0, 65536);
        var values = TypeWidth(from) == 2
            ? FromBits(patterns.Select(bits => (ushort)bits).ToArray(), from)
            : FromBits(patterns.SelectMany(high => new[] { 0, 1, 0x7FFF, 0x8000, 0x8001 }.Select(low => high << 16 | low)).ToArray(),
                ScalarType.Float32).to(from);
        var loaded = Load(values, zeros(values.shape, to), out _);
        var expected = values.to(to);
        var (mine, theirs) = (loaded.isnan(), expected.isnan());
        Assert.True(mine.eq(theirs).all().item<bool>());
        TestTensors.AssertSame(expected.nan_to_num(0, double.PositiveInfinity, double.NegativeInfinity),
            loaded.nan_to_num(0, double.PositiveInfinity, double.NegativeInfinity), $"{from} to {to}");
    }

    [Theory]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    public void The_first_value_that_is_not_finite_is_found_wherever_it_is(ScalarType type)
    {
        const long length = 600_008; // more than one piece that a thread takes
        long?[] places = [null, 0, 1, 7, 8, 33, length - 2, length - 1];
        using var scope = NewDisposeScope();
        using var file = File([.. places.Select(place =>
        {
            var values = full(length, -65000f, type);
            if (place is { } at)
            {
                values[at] = at % 2 == 0 ? float.NaN : float.NegativeInfinity;
                values[^1] = float.PositiveInfinity;
            }

            return ($"{place}", values);
        })]);
        foreach (var to in new[] { type, ScalarType.Float32, ScalarType.BFloat16 })
        {
            var targets = file.Tensors.Keys.ToDictionary(name => name, _ => zeros(length, to));
            var report = WeightLoader.Load(targets, file, name => name, LoadRules.All);
            Assert.Equal(places.Skip(1).Select(place => $"{place}[{place}]"), report.NotFinite.Select(value => $"{value}"));
        }
    }

    [Fact]
    public void A_large_tensor_arrives_whole_in_every_layout_of_the_target()
    {
        using var scope = NewDisposeScope();
        var values = arange(0, 3_000_000, ScalarType.Int64).remainder(2039).to(ScalarType.Float32).view(1500, 2000);
        TestTensors.AssertSame(values, Load(values, zeros(1500, 2000), out _), "contiguous");
        TestTensors.AssertSame(values, Load(values, zeros(2000, 1500).t(), out _), "transposed");
        TestTensors.AssertSame(values, Load(values, zeros(1500, 4000).narrow(1, 1000, 2000), out _), "narrowed");
        TestTensors.AssertSame(values.to(ScalarType.BFloat16), Load(values, zeros(1500, 2000, ScalarType.BFloat16), out _), "bfloat16");
        TestTensors.AssertSame(values, Load(values, new TorchSharp.Modules.Parameter(zeros(1500, 2000), requires_grad: true),
            out _).detach(), "parameter");
        TestTensors.AssertSame(values.to(ScalarType.Int64), Load(values, zeros(1500, 2000, ScalarType.Int64), out _), "integers");
    }

    [Fact]
    public void Nothing_is_copied_when_a_tensor_is_missing_or_would_be_broadcast()
    {
        using var scope = NewDisposeScope();
        using var file = File(("a", ones(1, 2)), ("b", ones(3)));
        var targets = Targets(("a", zeros(2, 2)), ("b", zeros(3)));
        var report = WeightLoader.Load(targets, file, name => name, LoadRules.All);
        Assert.Equal("a", Assert.Single(report.WrongShape).Name);
        Assert.Empty(report.Loaded);
        Assert.Contains("a ((1, 2) in the file, (2, 2) in the model)",
            Assert.Throws<InputException>(() => report.ThrowIfUnusable("f")).Message, StringComparison.Ordinal);

        targets = Targets(("b", zeros(3)), ("c", zeros(3)));
        report = WeightLoader.Load(targets, file, name => name, LoadRules.All);
        Assert.Equal(["c"], report.Missing);
        Assert.Equal(["a"], report.Unexpected);
        Assert.Contains("lacks c", Assert.Throws<InputException>(() => report.ThrowIfUnusable("f")).Message, StringComparison.Ordinal);
        Assert.Equal(0, targets["b"].sum().item<float>());
    }

    [Fact]
    public void What_may_be_missing_keeps_its_values()
    {
        using var scope = NewDisposeScope();
        using var file = File(("a", ones(2)), ("extra", ones(1)), ("ignored", ones(1)));
        var targets = Targets(("a", zeros(2)), ("b", full(2, 5f)));
        var report = WeightLoader.Load(targets, file, name => name == "ignored" ? null : name, LoadRules.WhatIsThere);
        report.ThrowIfUnusable("f");
        Assert.Equal("1 loaded; 1 kept: b; 1 unexpected: extra", report.ToString());
        Assert.Equal(10, targets["b"].sum().item<float>());
        Assert.Throws<InputException>(() => WeightLoader.Load(Targets(("z", zeros(2))), file, name => name, LoadRules.WhatIsThere)
            .ThrowIfUnusable("f"));
    }

    [Fact]
    public void A_tensor_of_another_shape_goes_through_the_callers_resize()
    {
        using var scope = NewDisposeScope();
        using var file = File(("positions", arange(0, 6, ScalarType.Float32).view(2, 3)), ("other", ones(4)));
        var rules = LoadRules.All with { Resize = (name, stored) => name == "positions" ? stored.mean([0]) : null };
        var targets = Targets(("positions", zeros(3)), ("other", zeros(4)));
        var report = WeightLoader.Load(targets, file, name => name, rules);
        report.ThrowIfUnusable("f");
        Assert.Equal("positions", Assert.Single(report.Resized).Name);
        Assert.Equal([1.5f, 2.5f, 3.5f], targets["positions"].data<float>().ToArray());

        targets = Targets(("positions", zeros(5)), ("other", zeros(4))); // the result does not fit, either
        Assert.Single(WeightLoader.Load(targets, file, name => name, rules).WrongShape);
    }

    [Fact]
    public void Two_tensors_for_one_place_are_refused()
    {
        using var scope = NewDisposeScope();
        using var file = File(("q.lora_A.weight", ones(2)), ("q.lora_A.default.weight", ones(2)));
        var message = Assert.Throws<InputException>(
            () => WeightLoader.Load(Targets(("q.lora_A.weight", zeros(2))), file, ParameterNames.FromPeft, LoadRules.All)).Message;
        Assert.Contains("two tensors for q.lora_A.weight", message, StringComparison.Ordinal);
    }

    private static Tensor FromBits<T>(T[] bits, ScalarType type) where T : unmanaged
    {
        var tensor = empty(bits.Length, type);
        MemoryMarshal.AsBytes(bits.AsSpan()).CopyTo(tensor.bytes);
        return tensor;
    }

    private static int TypeWidth(ScalarType type) => type switch { ScalarType.Float64 => 8, ScalarType.Float32 => 4, _ => 2 };

    private static Dictionary<string, Tensor> Targets(params (string Name, Tensor Value)[] tensors) =>
        tensors.ToDictionary(t => t.Name, t => t.Value);

    private ITensorFile File(params (string Name, Tensor Value)[] tensors)
    {
        var path = _folder.In($"{Guid.NewGuid():N}.safetensors");
        SafeTensors.Write(path, Targets(tensors));
        return WeightFile.Open(path);
    }

    private Tensor Load(Tensor values, Tensor target, out LoadReport report)
    {
        using var file = File(("x", values));
        report = WeightLoader.Load(Targets(("x", target)), file, name => name, LoadRules.All);
        return target;
    }
}
