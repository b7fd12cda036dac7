using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Configuration;

/// <summary>The language model's folder is believed: its config.json and its tensors.</summary>
public sealed class LanguageFolderTests : IDisposable
{
    private const string Sizes = "vocabulary: 24, hidden_size: 16, layers: 2, heads: 2, intermediate_size: 20";
    private const string Head = "lm_head.weight", Embedding = "model.embed_tokens.weight";

    private static readonly GroundingConfig Tiny = new(
        new EvaConfig(28, 14, 8, 1, 2, 16), 4, new LlamaConfig(24, 16, 2, 2, 20), new LoraConfig(2, 4, 0, ["q_proj"]));

    private readonly TemporaryFolder _folder = new();

    public LanguageFolderTests() =>
        BaseWeights.WriteRandom(Tiny, Paths, ScalarType.Float32, ShardFormat.SafeTensors, 1 << 30, seed: 3);

    private WeightPaths Paths => new(_folder.In("eva.pth"), _folder.In("llama"), null);

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Settings_that_nobody_set_take_the_files_numbers()
    {
        var config = Change(("rope_theta", "500000"), ("rms_norm_eps", "1e-6"));
        var (settings, notes) = Read("{}");
        Assert.Equal((24, 16, 2, 2, 20),
            (settings.Vocabulary, settings.HiddenSize, settings.Layers, settings.Heads, settings.IntermediateSize));
        Assert.Equal((500000, 1e-6), (settings.RopeTheta, settings.RmsNormEps));
        var note = Assert.Single(notes);
        Assert.StartsWith($"{config}: sets what the configuration leaves open: vocab_size 24, hidden_size 16, ", note,
            StringComparison.Ordinal);
        Assert.EndsWith("rms_norm_eps 1e-06, rope_theta 500000.", note, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rope_theta", "500000", "rope_theta: 10000", "rope_theta 500000 where model.language.rope_theta is 10000")]
    [InlineData("rms_norm_eps", "1e-6", "rms_norm_eps: 1e-5", "rms_norm_eps 1e-06 where model.language.rms_norm_eps is 1e-05")]
    [InlineData("vocab_size", "25", "vocabulary: 24", "vocab_size 25 where model.language.vocabulary is 24")]
    [InlineData("num_hidden_layers", "3", "layers: 2", "num_hidden_layers 3 where model.language.layers is 2")]
    [InlineData("rope_parameters", """{"rope_theta": 20000.0, "rope_type": "default"}""", "rope_theta: 1e6",
        "rope_theta 20000 where model.language.rope_theta is 1000000")]
    public void A_setting_that_contradicts_the_file_is_an_error_that_names_both(string key, string value, string setting, string expected)
    {
        var path = Change((key, value), key == "rope_parameters" ? ("rope_theta", "null") : (key, value));
        var message = Assert.Throws<InputException>(() => Read($"{{ {setting} }}")).Message;
        Assert.StartsWith($"{path}: says {expected}; ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_program_s_own_value_counts_as_set()
    {
        Change(("rope_theta", "500000"));
        var configuration = Configuration("{}");
        var language = configuration.Model.Language with { RopeTheta = 20000 };
        configuration = configuration with { Model = configuration.Model with { Language = language } };
        Assert.Contains("where model.language.rope_theta is 20000",
            Assert.Throws<InputException>(() => LanguageFolder.Read(configuration)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Completing_a_configuration_twice_changes_nothing_and_its_text_is_complete()
    {
        Change(("rope_theta", "500000"), ("rms_norm_eps", "null"));
        var first = LanguageFolder.Read(Configuration("{}"));
        var once = first.Configuration;
        Assert.Equal(first.Notes, LanguageFolder.Read(once).Notes);
        Assert.Empty(ConfigurationFile.Differences(once, LanguageFolder.Read(once).Configuration));
        Assert.Equal(1e-6, once.Model.Language.RmsNormEps); // transformers' own value where the file is silent
        var again = ConfigurationFile.Parse(ConfigurationFile.ToYaml(once), "config.yaml", []);
        Assert.Empty(ConfigurationFile.Differences(once, LanguageFolder.Read(again).Configuration));
    }

    [Theory]
    [InlineData("rope_parameters", """{"rope_theta": 300000.0, "rope_type": "default"}""", 300000)]
    [InlineData("rope_scaling", """{"rope_type": "default", "rope_theta": 300000}""", 300000)]
    [InlineData("rope_scaling", """{"type": "linear", "factor": 1.0}""", 10000)]
    [InlineData("partial_rotary_factor", "1.0", 10000), InlineData("sliding_window", "4096", 10000)]
    [InlineData("eos_token_id", "[2]", 10000), InlineData("dtype", "\"bfloat16\"", 10000), InlineData("head_dim", "8", 10000)]
    [InlineData("architectures", """["LLaMAForCausalLM"]""", 10000), InlineData("model_type", "\"mistral\"", 10000)]
    [InlineData("rope_scaling", """{"type": "dynamic", "factor": 2.0}""", 10000)]
    [InlineData("rms_norm_eps", "9.999999747378752e-06", 10000), InlineData("layer_types", """["full_attention"]""", 10000)]
    public void What_is_the_same_arithmetic_is_accepted(string key, string value, double theta)
    {
        Change((key, value), ("rope_theta", theta == 10000 ? "10000" : "null"));
        var folder = LanguageFolder.Read(Configuration($"{{ {Sizes} }}"));
        folder.File!.RequireTokens(1, 2);
        Assert.Equal(theta, folder.Configuration.Model.Language.RopeTheta);
        if (key is "model_type" or "sliding_window" || value.Contains("dynamic", StringComparison.Ordinal))
            Assert.Contains(folder.Notes, note => note.Contains(value.Contains("dynamic", StringComparison.Ordinal) ? "rope_scaling"
                : key, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("rope_scaling", """{"type": "linear", "factor": 4.0}""")]
    [InlineData("rope_scaling", """{"rope_type": "yarn", "factor": 2}""")]
    [InlineData("rope_scaling", """{"rope_type": "llama3", "factor": 8.0}"""), InlineData("rope_scaling", "\"linear\"")]
    [InlineData("rope_parameters", """{"rope_theta": 10000.0, "rope_type": "longrope", "short_factor": [1]}""")]
    [InlineData("rope_parameters", """{"full_attention": {"rope_theta": 10000.0}}""")]
    [InlineData("rope_parameters", """{"rope_theta": 20000.0}"""), InlineData("rope_theta", "\"10000\"")]
    [InlineData("partial_rotary_factor", "0.5"), InlineData("num_key_value_heads", "1"), InlineData("head_dim", "4")]
    [InlineData("hidden_act", "\"relu\""), InlineData("attention_bias", "true"), InlineData("mlp_bias", "true")]
    [InlineData("model_type", "\"qwen2\""), InlineData("model_type", "\"llava\""), InlineData("sliding_window", "16")]
    [InlineData("quantization_config", """{"quant_method": "gptq"}"""), InlineData("torch_dtype", "\"int8\"")]
    [InlineData("architectures", """["Llama4ForCausalLM"]"""), InlineData("layer_types", """["sliding_attention"]""")]
    [InlineData("eos_token_id", "[2, 5]"), InlineData("eos_token_id", "7"), InlineData("bos_token_id", "0")]
    public void What_is_not_computed_is_refused_by_name(string key, string value)
    {
        var path = Change((key, value));
        var message = Assert.Throws<InputException>(
            () => LanguageFolder.Read(Configuration($"{{ {Sizes} }}")).File!.RequireTokens(1, 2)).Message;
        Assert.StartsWith(path, message, StringComparison.Ordinal);
        Assert.Contains(value.Contains("llava", StringComparison.Ordinal) ? "LLaVA" : key, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void Dynamic_scaling_that_begins_within_a_sample_is_refused()
    {
        Change(("rope_scaling", """{"type": "dynamic", "factor": 2.0}"""), ("max_position_embeddings", "100"));
        var message = Assert.Throws<InputException>(() => Read($"{{ {Sizes} }}")).Message;
        Assert.Contains("rope_scaling dynamic", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_config_json_there_is_a_warning_that_names_what_is_not_checked()
    {
        File.Delete(Path.Combine(Paths.Language, "config.json"));
        var (settings, notes) = Read($"{{ {Sizes} }}");
        Assert.Equal(10000, settings.RopeTheta);
        var warning = Assert.Single(notes);
        Assert.Contains("no config.json", warning, StringComparison.Ordinal);
        Assert.Contains("rope_theta", warning, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{"), InlineData("[]"), InlineData("{\"vocab_size\": 1.5}"), InlineData("{\"hidden_size\": -1}"), InlineData("")]
    public void A_broken_file_is_refused_in_a_sentence(string text)
    {
        var path = Path.Combine(Paths.Language, "config.json");
        File.WriteAllText(path, text);
        Assert.StartsWith(path, Assert.Throws<InputException>(() => Read("{}")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tied_head_takes_the_embedding_by_the_setting_or_by_the_alias_in_the_file()
    {
        using var scope = NewDisposeScope();
        Rewrite(tensors => tensors.Remove(Head));
        Assert.Contains("tie_word_embeddings", Refusal(), StringComparison.Ordinal);
        Change(("tie_word_embeddings", "true"));
        AssertTied();
        Change(("tie_word_embeddings", "false"));
        Rewrite(_ => { }, (Head, Embedding));
        AssertTied();
        Rewrite(tensors =>
        {
            tensors[Head] = tensors[Embedding];
            tensors.Remove(Embedding);
        }, (Embedding, Head));
        AssertTied();

        void AssertTied()
        {
            using var model = ModelBuilder.Load(Tiny, Paths, ScalarType.Float32, CPU, 1).Model;
            var (head, embedding) = (model.get_parameter($"llama_model.{Head}")!, model.get_parameter($"llama_model.{Embedding}")!);
            Assert.True(head.eq(embedding).all().item<bool>());
            Assert.NotEqual(0, head.abs().sum().item<float>());
        }
    }

    [Fact]
    public void A_trained_head_beside_a_setting_that_ties_it_is_refused()
    {
        Change(("tie_word_embeddings", "true"));
        Assert.Contains("tie_word_embeddings", Refusal(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.layers.0.self_attn.q_proj.bias", "attention_bias"), InlineData("model.layers.1.mlp.up_proj.bias", "mlp_bias")]
    [InlineData("model.layers.0.mlp.up_proj.SCB", "bitsandbytes"), InlineData("model.layers.0.mlp.up_proj.weight.absmax", "bitsandbytes")]
    [InlineData("model.layers.0.mlp.up_proj.weight.quant_state.bitsandbytes__nf4", "bitsandbytes")]
    [InlineData("model.layers.0.mlp.up_proj.qweight", "GPTQ or AWQ"), InlineData("model.layers.0.mlp.up_proj.weight_scale", "float8")]
    [InlineData("model.layers.0.mlp.up_proj.weight:_data", "torchao"), InlineData("model.layers.2.mlp.up_proj.weight", "num_hidden_layers")]
    [InlineData("model.layers.0.self_attn.q_proj.lora_A.weight", "lora_"), InlineData("model.mm_projector.0.weight", "LLaVA")]
    [InlineData("language_model.lm_head.weight", "LLaVA"), InlineData("model.layers.0.self_attn.q_norm.weight", "nearest")]
    [InlineData("layers.0.self_attn.q_proj.weight", "bare LlamaModel"), InlineData("layers.0.attention.wq.weight", "Meta's own layout")]
    public void A_tensor_of_another_kind_of_model_is_refused_by_name(string tensor, string expected)
    {
        using var scope = NewDisposeScope();
        Rewrite(tensors => tensors[tensor] = ones(3));
        Assert.Contains(expected, Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void Whole_numbers_are_never_read_as_weights()
    {
        using var scope = NewDisposeScope();
        const string Weight = "model.layers.0.mlp.up_proj.weight";
        Rewrite(tensors => tensors[Weight] = ones(tensors[Weight].shape, ScalarType.Int8));
        Assert.Contains($"whole numbers (int8 or the like) for llama_model.{Weight}", Refusal(), StringComparison.Ordinal);
    }

    private string Refusal()
    {
        var message = Assert.Throws<InputException>(() => ModelBuilder.Load(Tiny, Paths, ScalarType.Float32, CPU, 1)).Message;
        Assert.StartsWith(Paths.Language, message, StringComparison.Ordinal);
        return message;
    }

    private PfmvgConfiguration Configuration(string language) => ConfigurationFile.Parse(
        $"weights: {{ vision: eva.pth, language: llama, start: null }}\nworkspace: {_folder.Path}\n"
        + $"model: {{ image_size: 28, vision: {{ width: 8, depth: 1, heads: 2, mlp_hidden: 16 }}, language: {language} }}", "a.yaml", []);

    private (LanguageSettings Settings, IReadOnlyList<string> Notes) Read(string language)
    {
        var folder = LanguageFolder.Read(Configuration(language));
        return (folder.Configuration.Model.Language, folder.Notes);
    }

    private string Change(params (string Key, string Value)[] changes)
    {
        var path = Path.Combine(Paths.Language, "config.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!;
        foreach (var (key, value) in changes) json[key] = JsonNode.Parse(value);
        File.WriteAllText(path, json.ToJsonString());
        return path;
    }

    private void Rewrite(Action<Dictionary<string, Tensor>> change, params (string Name, string Value)[] metadata)
    {
        var path = Path.Combine(Paths.Language, "model.safetensors");
        Dictionary<string, Tensor> tensors;
        using (var file = WeightFile.Open(path)) tensors = file.Tensors.Keys.ToDictionary(name => name, file.Read);
        change(tensors);
        SafeTensors.Write(path, tensors, metadata.ToDictionary(pair => pair.Name, pair => pair.Value));
    }
}
