using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models;

/// <summary>Nothing trained is dropped in silence, and a checkpoint's own word on itself counts.</summary>
public sealed class StartFileTests : IDisposable
{
    private static readonly GroundingConfig Tiny = new(
        new EvaConfig(28, 14, 8, 1, 2, 16), 4, new LlamaConfig(24, 16, 3, 2, 20), new LoraConfig(2, 4, 0, ["q_proj", "v_proj"]));

    private readonly TemporaryFolder _folder = new();
    private readonly GroundingModel _model = ModelBuilder.Random(Tiny, ScalarType.Float32, CPU, 1);

    private string Start => _folder.In("start.pth");

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("llama_model.base_model.model.model.layers.0.self_attn.k_proj.lora_A.weight", "k_proj.lora_A.weight")]
    [InlineData("llama_model.base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight", "layers.0.self_attn.q_proj.lora_A.weight")]
    [InlineData("llama_model.base_model.model.lm_head.modules_to_save.default.weight", "modules_to_save")]
    [InlineData("llama_model.base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector", "lora_magnitude_vector")]
    [InlineData("llama_model.base_model.model.model.layers.0.self_attn.q_proj.base_layer.bias", "bias")]
    [InlineData("llama_model.model.embed_tokens.weight", "embed_tokens"), InlineData("llama_proj.2.weight", "llama_proj.weight")]
    [InlineData("llama_model.base_model.model.model.embed_tokens.token_adapter.trainable_tokens_delta", "trainable_tokens_delta")]
    public void A_trained_tensor_without_a_place_is_an_error_unless_a_setting_lets_it_pass(string name, string expected)
    {
        using var scope = NewDisposeScope();
        Write(tensors => tensors[name] = ones(2, 2));
        var message = Assert.Throws<InputException>(() => ModelBuilder.LoadStart(_model, Start)).Message;
        Assert.StartsWith($"{Start}: 1 trained tensors have no place in the model, the first '{name}' (nearest in the model: ", message,
            StringComparison.Ordinal);
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Contains("weights.ignore_unplaced", message, StringComparison.Ordinal);
        var note = Assert.Single(ModelBuilder.LoadStart(_model, Start, ignoreUnplaced: true).Notes);
        Assert.Contains($"1 tensors have no place among the trained ones and are left out ({name})", note, StringComparison.Ordinal);
    }

    [Fact]
    public void Copies_of_the_frozen_base_are_left_out_with_a_warning()
    {
        using var scope = NewDisposeScope();
        Write(tensors =>
        {
            foreach (var (name, value) in _model.named_parameters()) tensors.TryAdd(name, value.detach());
        });
        var note = Assert.Single(ModelBuilder.LoadStart(_model, Start).Notes);
        Assert.Contains("have no place among the trained ones and are left out", note, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_file_does_not_fill_is_named_by_part_layers_modules_and_count()
    {
        using var scope = NewDisposeScope();
        Write(tensors =>
        {
            foreach (var name in tensors.Keys.Where(name => name.Contains(".layers.1.", StringComparison.Ordinal)
                || name.Contains("v_proj", StringComparison.Ordinal) || name.StartsWith("llama_proj", StringComparison.Ordinal)).ToList())
                tensors.Remove(name);
        });
        const string Rest = "llama_proj, and v_proj of layers 0, 2, and q_proj, v_proj of layer 1 (10 tensors).";
        var part = ModelBuilder.LoadStart(_model, Start);
        Assert.Equal([$"warning: {Start} fills 6 of 16 tensors; at their start stay {Rest}"], LoadedFile.NotesOf([part]));

        // Another file may have filled the rest before, or fill it afterwards.
        Write(_ => { });
        var whole = ModelBuilder.LoadStart(_model, Start);
        Assert.Equal([$"{Start} fills 6 of 16 tensors; as the earlier file has them stay {Rest}"], LoadedFile.NotesOf([whole, part]));
        Assert.Empty(LoadedFile.NotesOf([part, whole]));
    }

    [Fact]
    public void A_whole_file_needs_no_words()
    {
        using var scope = NewDisposeScope();
        // The original code saves this buffer with what it trained.
        Write(tensors => tensors["llama_model.base_model.model.model.layers.0.self_attn.rotary_emb.inv_freq"] = ones(4));
        Assert.Empty(ModelBuilder.LoadStart(_model, Start).Notes);
    }

    [Theory]
    [InlineData("lora_alpha", 16L, "lora_alpha 16 where model.lora.alpha is 4")]
    [InlineData("lora_alpha", 4.5, "lora_alpha 4.5 where model.lora.alpha is 4")]
    [InlineData("lora_r", 8L, "lora_r 8 where model.lora.rank is 2")]
    [InlineData("lora_target_modules", "k_proj", "lora_target_modules [k_proj] where model.lora.targets is [q_proj, v_proj]")]
    public void A_checkpoint_that_says_otherwise_than_the_settings_is_an_error_that_names_both(string key, object value, string expected)
    {
        using var scope = NewDisposeScope();
        if (value is string target) value = new List<object?> { target };
        foreach (var container in new[] { "config", "hyper_parameters" })
        {
            Write(_ => { }, (container, new Dictionary<string, object?> { ["model"] = new Dictionary<string, object?> { [key] = value } }));
            var message = Assert.Throws<InputException>(() => ModelBuilder.LoadStart(_model, Start)).Message;
            Assert.StartsWith($"{Start}: its own configuration says {expected}; ", message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("lora_alpha", 16L, "lora_alpha 16 where model.lora.alpha is 4")]
    [InlineData("lora_target_modules", "k_proj", "lora_target_modules [k_proj] where model.lora.targets is [q_proj, v_proj]")]
    public void What_omegaconf_and_namespaces_hold_counts_as_well(string key, object value, string expected)
    {
        using var scope = NewDisposeScope();
        var leaf = Node("_val", value);
        var content = new Dictionary<string, object?> { [key] = value is string ? Node("_content", new List<object?> { leaf }) : leaf };
        var config = Node("_content", new Dictionary<string, object?> { ["model"] = Node("_content", content) });
        Write(_ => { }, ("config", new Dictionary<string, object?> { ["class"] = "argparse.Namespace", ["state"] = config }));
        Assert.Contains(expected, Assert.Throws<InputException>(() => ModelBuilder.LoadStart(_model, Start)).Message,
            StringComparison.Ordinal);

        static Dictionary<string, object?> Node(string inner, object value) =>
            new() { ["class"] = "omegaconf", ["state"] = new Dictionary<string, object?> { [inner] = value } };
    }

    [Fact]
    public void A_checkpoint_that_agrees_is_accepted_and_another_picture_size_is_said()
    {
        using var scope = NewDisposeScope();
        Write(_ => { }, ("config", new Dictionary<string, object?>
        {
            ["lora_r"] = 2L, ["lora_alpha"] = 4L, ["image_size"] = 448L,
            ["lora_target_modules"] = new List<object?> { "v_proj", "q_proj" },
        }));
        var note = Assert.Single(ModelBuilder.LoadStart(_model, Start).Notes);
        Assert.Contains("image_size 448, but model.image_size is 28", note, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_with_more_adapters_than_the_checkpoint_begins_them_as_nothing_and_says_so()
    {
        using var scope = NewDisposeScope();
        Write(tensors => tensors.Where(one => one.Key.Contains(".v_proj.lora_", StringComparison.Ordinal)).ToList()
            .ForEach(one => tensors.Remove(one.Key)), ("config", new Dictionary<string, object?>
        {
            ["lora_target_modules"] = new List<object?> { "q_proj" },
        }));
        var note = Assert.Single(ModelBuilder.LoadStart(_model, Start).Notes);
        Assert.Equal($"note: {Start}: has adapters on q_proj; those on v_proj begin as nothing.", note);
        Assert.All(_model.named_parameters().Where(one => one.name.Contains("v_proj.lora_B", StringComparison.Ordinal)),
            one => Assert.Equal(0, one.parameter.abs().max().item<float>()));
    }

    private void Write(Action<Dictionary<string, Tensor>> change, params (string Key, object Value)[] beside)
    {
        var tensors = _model.named_parameters().Where(p => ParameterNames.IsTrainable(p.name) || ParameterNames.IsVisionNorm(p.name))
            .ToDictionary(p => p.name, p => p.parameter.detach());
        change(tensors);
        var content = new Dictionary<string, object> { ["model"] = tensors };
        foreach (var (key, value) in beside) content[key] = value;
        TorchPickle.Write(Start, content);
    }
}
