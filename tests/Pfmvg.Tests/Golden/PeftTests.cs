using System.Text.Json.Nodes;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Language;
using Pfmvg.Runs;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Golden;

/// <summary>Adapters that peft 0.2 to 0.21 wrote, against peft's own logits over the same base; and the kinds that are refused.</summary>
[Trait("Category", "Golden")]
public sealed class PeftTests : IDisposable
{
    // They belong to these weights, so another set of parity data does not replace them.
    private static readonly string Own = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures");

    private static readonly Dictionary<string, string> Refused = new()
    {
        ["p11_adalora"] = "peft_type is ADALORA",
        ["p11_alpha16"] = "says lora_alpha 16 where model.lora.alpha is 8",
        ["p11_named_parent"] = "p11_named_parent/chest",
        ["p11_pissa"] = "init_lora_weights is pissa",
        ["p11_save_lm_head"] = "modules_to_save is [\"lm_head\"]",
        ["p21_all_linear"] = "target_modules",
        ["p21_dora"] = "use_dora is true",
        ["p21_trainable_tokens"] = "trainable_token_indices is [5,6,7]",
        ["p21_vera"] = "peft_type is VERA",
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    public static TheoryData<string> Computed => [.. Names().Where(name => !Refused.ContainsKey(name))];

    public static TheoryData<string> NotComputed => [.. Names().Where(Refused.ContainsKey)];

    [Theory, MemberData(nameof(Computed))]
    public void An_adapter_gives_the_logits_of_the_library_that_wrote_it(string name)
    {
        using var scope = NewDisposeScope();
        using var model = Base();
        ModelBuilder.LoadStart(model, PathOf(name));
        var sample = JsonNode.Parse(File.ReadAllText(Path.Combine(Own, "forward", "tokens.json")))!["samples"]![0]!;
        long[] ids = [1, .. sample["segments"]!.AsArray().SelectMany(segment => Ids(segment!["ids"]!)), .. Ids(sample["answer_ids"]!)];
        var pass = new DecoderPass(model.Language.RotaryAt(arange(ids.Length)));
        var hidden = model.Language.call(model.Embed(tensor(ids, [1, ids.Length]), null), pass);
        var expected = Npy.Read(Path.Combine(Own, "peft", $"{name}.logits.npy"));
        Fixtures.AssertClose(expected, model.Language.Logits(hidden)[0, ^1], 2e-5, "logits");

        static IEnumerable<long> Ids(JsonNode list) => list.AsArray().Select(id => id!.GetValue<long>());
    }

    [Theory, MemberData(nameof(Computed))]
    public void An_adapter_is_the_same_as_its_equivalent_in_a_checkpoint_of_the_original_code(string name)
    {
        using var scope = NewDisposeScope();
        using GroundingModel model = Base(), equivalent = Base();
        ModelBuilder.LoadStart(model, PathOf(name));
        ModelBuilder.LoadStart(equivalent, Path.Combine(Own, "peft", $"{name}.expected.pth"));
        foreach (var ((tensor, expected), (_, own)) in equivalent.Trainables().Zip(model.Trainables()))
            if (ParameterNames.IsLoraUp(tensor)) Fixtures.AssertClose(expected, own, 1e-6, tensor);
    }

    [Theory, MemberData(nameof(NotComputed))]
    public void An_adapter_that_is_not_computed_here_is_refused_by_name(string name)
    {
        using var model = Base();
        var message = Assert.Throws<InputException>(() => ModelBuilder.LoadStart(model, PathOf(name))).Message;
        Assert.StartsWith(PathOf(name), message, StringComparison.Ordinal);
        Assert.Contains(Refused[name], message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Theory]
    [InlineData("lora_bias", "true"), InlineData("use_dora", "true"), InlineData("use_qalora", "true"), InlineData("enable_lora", "[true]")]
    [InlineData("init_lora_weights", "\"olora\""), InlineData("init_lora_weights", "\"pissa_niter_4\"")]
    [InlineData("init_lora_weights", "\"loftq\""), InlineData("init_lora_weights", "\"corda\"")]
    [InlineData("loftq_config", """{"loftq_bits": 4}"""), InlineData("layer_replication", "[[0, 1], [0, 2]]")]
    [InlineData("modules_to_save", """["embed_tokens"]"""), InlineData("target_parameters", """["x"]""")]
    [InlineData("megatron_config", """{"a": 1}"""), InlineData("something_new", """{"on": true}""")]
    [InlineData("peft_type", "\"IA3\""), InlineData("peft_type", "\"LOHA\""), InlineData("peft_type", "\"LOKR\"")]
    [InlineData("peft_type", "\"OFT\""), InlineData("peft_type", "\"BOFT\""), InlineData("peft_type", "\"PREFIX_TUNING\"")]
    [InlineData("peft_type", "\"PROMPT_TUNING\""), InlineData("r", "8"), InlineData("lora_alpha", "4.5")]
    [InlineData("rank_pattern", """{"q_proj": 2}"""), InlineData("alpha_pattern", """{"(": 2}""")]
    public void A_setting_of_peft_that_changes_the_arithmetic_is_refused_by_name(string key, string value)
    {
        using var model = Base();
        var message = Assert.Throws<InputException>(() => ModelBuilder.LoadStart(model, Changed("p11_plain", key, value))).Message;
        Assert.Contains(key, message, StringComparison.Ordinal);
        Assert.Contains("adapter_config.json", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("bias", "\"all\""), InlineData("bias", "\"lora_only\""), InlineData("init_lora_weights", "\"gaussian\"")]
    [InlineData("init_lora_weights", "false"), InlineData("fan_in_fan_out", "true"), InlineData("qalora_group_size", "16")]
    [InlineData("auto_mapping", """{"base_model_class": "LlamaForCausalLM"}"""), InlineData("target_modules", "\".*_proj\"")]
    [InlineData("exclude_modules", "[\"lm_head\"]"), InlineData("use_dora", "false"), InlineData("lora_dropout", "0.1")]
    public void A_setting_of_peft_that_changes_nothing_is_accepted(string key, string value)
    {
        using GroundingModel model = Base(), plain = Base();
        ModelBuilder.LoadStart(model, Changed("p11_plain", key, value));
        ModelBuilder.LoadStart(plain, PathOf("p11_plain"));
        AssertSame(plain, model);
    }

    [Theory]
    [InlineData("llama_model.base_model.model.", ".weight"), InlineData("base_model.model.llama_model.", ".default.weight")]
    [InlineData("llama_model.", ".chest.weight"), InlineData("", ".weight")]
    public void Adapter_names_and_prefixes_do_not_matter(string prefix, string ending)
    {
        using GroundingModel model = Base(), plain = Base();
        var folder = Copy("p11_plain");
        Rewrite(Path.Combine(folder, "adapter_model.safetensors"), name => name
            .Replace("base_model.model.", prefix, StringComparison.Ordinal).Replace(".weight", ending, StringComparison.Ordinal));
        ModelBuilder.LoadStart(model, folder);
        ModelBuilder.LoadStart(plain, PathOf("p11_plain"));
        AssertSame(plain, model);
    }

    [Fact]
    public void A_projector_beside_the_adapter_is_read_with_it()
    {
        using var scope = NewDisposeScope();
        using var model = Base();
        var folder = Copy("p11_plain");
        File.WriteAllText(Path.Combine(folder, "optimizer.pt"), "of a trainer");
        using (var start = WeightFile.Open(Path.Combine(Own, "weights", "minigptv2_checkpoint.pth")))
            SafeTensors.Write(Path.Combine(folder, "any name.safetensors"), start.Tensors.Keys
                .Where(name => !name.Contains("lora", StringComparison.Ordinal)).ToDictionary(name => name, start.Read));
        var loaded = ModelBuilder.LoadStart(model, folder);
        Assert.Empty(loaded.Notes);
        Assert.Equal(model.Trainables().Count() + 2, loaded.Report.Loaded.Count); // ln_vision is not trained
        File.Copy(Path.Combine(folder, "any name.safetensors"), Path.Combine(folder, "other.safetensors"));
        var message = Assert.Throws<InputException>(() => ModelBuilder.LoadStart(model, folder)).Message;
        Assert.Contains("several projectors", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_projector_with_adapters_of_its_own_beside_the_adapter_is_refused()
    {
        using var model = Base();
        var folder = Copy("p11_plain");
        File.Copy(Path.Combine(Own, "weights", "minigptv2_checkpoint.pth"), Path.Combine(folder, "start.pth"));
        var message = Assert.Throws<InputException>(() => ModelBuilder.LoadStart(model, folder)).Message;
        Assert.Contains("start.pth: 8 trained tensors have no place", message, StringComparison.Ordinal);
        Assert.Contains("the adapter is in a file of its own here", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_module_without_an_adapter_gets_none_even_over_one_that_was_there_and_is_named()
    {
        using var scope = NewDisposeScope();
        using var model = Base();
        var before = ModelBuilder.LoadStart(model, Path.Combine(Own, "weights", "minigptv2_checkpoint.pth"));
        var loaded = ModelBuilder.LoadStart(model, PathOf("p11_layers"));
        Assert.Contains(loaded.Notes, note => note.Contains("q_proj, v_proj of layer 0 (4 tensors)", StringComparison.Ordinal));
        Assert.Contains(LoadedFile.NotesOf([before, loaded]), note => note.Contains("llama_proj", StringComparison.Ordinal));
        Assert.All(model.Trainables().Where(t => ParameterNames.IsLoraUp(t.Name)), t => Assert.Equal(
            t.Name.Contains(".layers.0.", StringComparison.Ordinal), t.Parameter.count_nonzero().item<long>() == 0));
    }

    [Theory]
    [InlineData("lora_B.weight", "lora_B.bias", "lora_bias"), InlineData("q_proj", "o_proj", "target_modules")]
    [InlineData("q_proj.lora_A.weight", "q_proj.lora_magnitude_vector", "lora_magnitude_vector")]
    [InlineData("layers.1", "layers.7", "layers.7"), InlineData("q_proj.lora_A.weight", "q_proj.lora_A", "q_proj.lora_A'")]
    public void A_tensor_of_an_adapter_without_a_place_is_named_with_the_nearest(string old, string now, string expected)
    {
        using var model = Base();
        var folder = Copy("p11_plain");
        Rewrite(Path.Combine(folder, "adapter_model.safetensors"), name => name.Replace(old, now, StringComparison.Ordinal));
        var message = Assert.Throws<InputException>(() => ModelBuilder.LoadStart(model, folder)).Message;
        Assert.Contains(expected, message, StringComparison.Ordinal);
        Assert.Contains("nearest in the model: llama_model.model.layers.", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Patterns_that_versions_of_peft_read_differently_are_refused()
    {
        using var model = Base();
        var folder = Changed("p11_plain", "rank_pattern", """{".*v_proj": 4}""");
        var file = Path.Combine(folder, "adapter_config.json");
        var json = JsonNode.Parse(File.ReadAllText(file))!;
        json["alpha_pattern"] = new JsonObject { ["v_proj"] = 32 };
        File.WriteAllText(file, json.ToJsonString());
        Assert.Contains("alpha_pattern", Assert.Throws<InputException>(() => ModelBuilder.LoadStart(model, folder)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_folder_of_an_adapter_is_a_model_for_from() =>
        Assert.Equal(PathOf("p11_plain"), GroundingSetup.Trained(PathOf("p11_plain")));

    private static IEnumerable<string> Names() => Directory.GetFiles(Path.Combine(Own, "peft"), "*.logits.npy")
        .Select(path => Path.GetFileName(path)[..^".logits.npy".Length]).Order(StringComparer.Ordinal);

    private static string PathOf(string name) => name switch
    {
        "p02_state_dict" => Path.Combine(Own, "peft", "p02_state_dict.pth"),
        "p03_named" => Path.Combine(Own, "peft", name, "chest"),
        _ => Path.Combine(Own, "peft", name),
    };

    private static GroundingModel Base()
    {
        var vision = new EvaConfig(112, 14, 88, 3, 4, 384);
        var language = Path.Combine(Own, "weights", "llama_safetensors");
        var config = new GroundingConfig(vision, 4, LlamaConfig.FromHuggingFace(language), new LoraConfig(4, 8, 0, ["q_proj", "v_proj"]));
        return ModelBuilder.Load(config, new WeightPaths(Path.Combine(Own, "weights", "eva_vit_g.pth"), language, null),
            ScalarType.Float32, CPU, seed: 1).Model;
    }

    private static void AssertSame(GroundingModel expected, GroundingModel actual)
    {
        foreach (var ((name, value), (_, own)) in expected.Trainables().Zip(actual.Trainables()))
            Fixtures.AssertClose(value, own, 0, name);
    }

    private string Changed(string name, string key, string value)
    {
        var folder = Copy(name);
        var file = Path.Combine(folder, "adapter_config.json");
        var json = JsonNode.Parse(File.ReadAllText(file))!;
        json[key] = JsonNode.Parse(value);
        File.WriteAllText(file, json.ToJsonString());
        return folder;
    }

    private string Copy(string name)
    {
        var folder = Directory.CreateDirectory(_folder.In(Guid.NewGuid().ToString("N"))).FullName;
        foreach (var file in Directory.GetFiles(PathOf(name))) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        return folder;
    }

    private static void Rewrite(string path, Func<string, string> rename)
    {
        using var scope = NewDisposeScope();
        Dictionary<string, Tensor> tensors;
        using (var file = WeightFile.Open(path)) tensors = file.Tensors.Keys.ToDictionary(rename, file.Read);
        SafeTensors.Write(path, tensors);
    }
}
