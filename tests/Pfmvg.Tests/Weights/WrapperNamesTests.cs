using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

public sealed class WrapperNamesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("module.", "'module.' left out")]
    [InlineData("_orig_mod.", "'_orig_mod.' left out")]
    [InlineData("model.", "'model.' left out")]
    [InlineData("module._orig_mod.", "'_orig_mod.' and 'module.' left out")]
    [InlineData("_orig_mod.module.", "'_orig_mod.' and 'module.' left out")]
    [InlineData("_fsdp_wrapped_module.", "'_fsdp_wrapped_module.' left out")]
    [InlineData("_forward_module.model.visual_encoder.", "'_forward_module.' and 'model.visual_encoder.' left out")]
    [InlineData("model.model.", "'model.model.' left out")]
    public void Wrappers_that_all_names_have_are_left_out_and_said(string prefix, string note)
    {
        foreach (var format in new[] { "safetensors", "pth" })
        {
            using var file = Open(format, [prefix + "a.weight", prefix + "a.bias", prefix + "b"], "a.weight", "a.bias", "b");
            Assert.Equal(["a.bias", "a.weight", "b"], file.Tensors.Keys.Order(StringComparer.Ordinal));
            Assert.Contains(note, Assert.Single(file.Notes), StringComparison.Ordinal);
            using var scope = NewDisposeScope();
            Assert.Equal(2, file.Read("a.bias").item<float>());
        }
    }

    [Fact]
    public void A_wrapper_inside_a_name_is_left_out_wherever_it_stands()
    {
        using var file = Open("pth", ["layers.0._orig_mod.q.weight", "layers.1._checkpoint_wrapped_module.q.weight"],
            "layers.0.q.weight", "layers.1.q.weight");
        Assert.Equal(["layers.0.q.weight", "layers.1.q.weight"], file.Tensors.Keys);
    }

    [Fact]
    public void A_prefix_that_belongs_to_the_model_or_that_not_all_names_have_stays()
    {
        string[] own = ["model.layers.0.weight", "model.norm.weight"];
        using var fits = Open("safetensors", own, own);
        Assert.Equal(own, fits.Tensors.Keys);
        Assert.Empty(fits.Notes);
        using var mixed = Open("safetensors", ["module.a.weight", "b.weight"], "a.weight", "b.weight");
        Assert.Equal(["b.weight", "module.a.weight"], mixed.Tensors.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void The_counter_of_an_averaged_model_does_not_hide_its_prefix()
    {
        using var file = Open("pth", ["n_averaged", "module.a.weight", "module.a.bias"], "a.weight", "a.bias");
        Assert.Equal(["a.bias", "a.weight", "n_averaged"], file.Tensors.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Two_names_that_are_one_without_the_wrappers_are_refused() =>
        Assert.Throws<InputException>(() => Open("pth", ["a._orig_mod.weight", "a.weight"], "a.weight"));

    [Fact]
    public void A_failure_names_the_nearest_pair_of_names()
    {
        using var scope = NewDisposeScope();
        using var file = Open("safetensors", ["tower.proj.weight", "odd.bias"], "llama_proj.weight", "proj.weight");
        var report = WeightLoader.Load(
            new Dictionary<string, Tensor> { ["big.proj.weight"] = zeros(1) }, file, name => name, LoadRules.WhatIsThere);
        Assert.Contains("(nearest names: 'tower.proj.weight' in the file and 'big.proj.weight' in the model)",
            Assert.Throws<InputException>(() => report.ThrowIfUnusable("f")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Weights_that_are_all_zero_are_refused()
    {
        using var scope = NewDisposeScope();
        TorchPickle.Write(_folder.In("zeros.pth"), new Dictionary<string, Tensor> { ["a"] = zeros(3), ["b"] = zeros(2) });
        using var file = WeightFile.Open(_folder.In("zeros.pth"));
        var targets = new Dictionary<string, Tensor> { ["a"] = ones(3), ["b"] = ones(2) };
        var report = WeightLoader.Load(targets, file, name => name, LoadRules.All);
        Assert.Contains("nothing but zeros", Assert.Throws<InputException>(() => report.ThrowIfUnusable("f")).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model")]
    [InlineData("state_dict")]
    [InlineData("module")]
    [InlineData("model_state_dict")]
    [InlineData("checkpoint/model")]
    [InlineData("model/state_dict")]
    [InlineData("state/module")]
    public void The_usual_containers_are_looked_into_and_said(string way)
    {
        using var scope = NewDisposeScope();
        object content = new Dictionary<string, Tensor> { ["a.weight"] = ones(2) };
        foreach (var key in way.Split('/').Reverse()) content = new Dictionary<string, object> { ["epoch"] = 3, [key] = content };
        TorchPickle.Write(_folder.In("x.pth"), (Dictionary<string, object>)content);
        using var file = WeightFile.Open(_folder.In("x.pth"));
        Assert.Equal("a.weight", Assert.Single(file.Tensors.Keys));
        Assert.Equal(way, file.Container);
        Assert.Equal(3L, file.Metadata["epoch"]);
        var report = WeightLoader.Load(new Dictionary<string, Tensor> { ["a.weight"] = zeros(2) }, file, name => name, LoadRules.All);
        Assert.Contains($"from '{way}' in the file", report.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_container_without_tensors_is_no_container()
    {
        using var scope = NewDisposeScope();
        TorchPickle.Write(_folder.In("x.pth"), new Dictionary<string, object>
        {
            ["model"] = new Dictionary<string, object> { ["arch"] = "eva" },
            ["state_dict"] = new Dictionary<string, Tensor> { ["a"] = ones(1) },
        });
        using var file = WeightFile.Open(_folder.In("x.pth"));
        Assert.Equal("state_dict", file.Container);
        Assert.Equal("a", Assert.Single(file.Tensors.Keys));
    }

    private ITensorFile Open(string format, string[] names, params string[] targets)
    {
        using var scope = NewDisposeScope();
        var path = _folder.In($"{Guid.NewGuid():N}.{format}");
        var tensors = names.Select((name, index) => (name, value: full(1, index + 1f))).ToDictionary(t => t.name, t => t.value);
        if (format == "pth") TorchPickle.Write(path, tensors);
        else SafeTensors.Write(path, tensors);
        return WrapperNames.Open(path, targets, name => name);
    }
}
