using Pfmvg.Models;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models;

public sealed class ParameterNamesTests
{
    [Theory]
    [InlineData("llama_model.base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight",
        "llama_model.model.layers.0.self_attn.q_proj.lora_A.weight")]
    [InlineData("llama_model.base_model.model.model.layers.0.self_attn.q_proj.lora_B.default.weight",
        "llama_model.model.layers.0.self_attn.q_proj.lora_B.weight")]
    [InlineData("base_model.model.lm_head.base_layer.weight", "lm_head.weight")]
    [InlineData("llama_proj.weight", "llama_proj.weight")]
    [InlineData("my_base_model.model.x", "my_base_model.model.x")]
    public void Peft_names_become_the_models_names(string stored, string model) => Assert.Equal(model, ParameterNames.FromPeft(stored));

    [Theory, InlineData(false), InlineData(true)]
    public void Every_parameter_of_a_model_is_of_one_kind(bool quantized)
    {
        string[] adapted = ["q_proj", "down_proj"];
        var config = new GroundingConfig(
            new EvaConfig(28, 14, 32, 2, 2, 64), 4, new LlamaConfig(50, 64, 2, 2, 96, Quantized: quantized),
            new LoraConfig(4, 8, 0, adapted));
        using var model = new GroundingModel(config, ScalarType.BFloat16, META);
        var names = model.named_parameters().Select(p => p.name).ToList();

        Assert.Equal(2 + 2 * 2 * adapted.Length, names.Count(ParameterNames.IsTrainable)); // projector; two factors in each of two layers
        Assert.Equal(2 * adapted.Length, names.Count(ParameterNames.IsLoraUp));
        Assert.Equal(quantized ? 2 * 7 + 1 : 0, names.Count(ParameterNames.IsScale));      // seven projections a layer, and the head
        Assert.All(names.Where(ParameterNames.IsScale), scale => Assert.Contains(names, name => ParameterNames.ScaleOf(name) == scale));
        Assert.Equal(1 + 2 * 2 + 1 + 2 * 2, names.Count(ParameterNames.IsNormWeight));      // ln_vision, blocks, final norm, layers
        Assert.Contains(ParameterNames.PositionEmbedding, names);
        Assert.All(names, name => Assert.Single(
            (string[])[ParameterNames.VisionTower, ParameterNames.VisionNorm, ParameterNames.Projector, ParameterNames.Language],
            part => ParameterNames.IsPartOf(part, name)));
    }
}
