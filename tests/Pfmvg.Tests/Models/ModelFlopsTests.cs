using Pfmvg.Models;

namespace Pfmvg.Tests.Models;

public sealed class ModelFlopsTests
{
    private static readonly GroundingConfig Full = new(
        new EvaConfig(448, 14, 1408, 39, 16, 6144), 4, new LlamaConfig(32000, 4096, 32, 32, 11008),
        new LoraConfig(64, 16, 0.05, ["q_proj", "v_proj"]));

    private readonly ModelFlops _flops = new(Full);

    [Fact]
    public void Matrix_weights_are_those_of_the_published_models()
    {
        // 6,738,415,616 parameters of LLaMA-2-7B less the embedding and the 65 norms.
        Assert.Equal(6_738_415_616 - 32000L * 4096 - 65 * 4096, _flops.DecodedWeights);
        Assert.Equal(4L * 1408 * 1408 + 2L * 1408 * 6144, _flops.BlockWeights);
    }

    [Fact]
    public void A_prompt_and_then_its_continuation_cost_what_both_at_once_cost()
    {
        var parts = _flops.Layers(2, 300) + _flops.Layers(2, 30, seen: 300);
        Assert.Equal(1, parts / _flops.Layers(2, 330), 1e-12);
    }

    [Fact]
    public void Training_costs_two_to_three_forward_passes()
    {
        var forward = _flops.Layers(1, 330) + _flops.Head(12) + _flops.Projector(1);
        Assert.InRange(_flops.TrainingStep(1, 330, 12) / forward, 2, 3);
        Assert.Equal(2, _flops.TrainingStep(4, 330, 48) / _flops.TrainingStep(2, 330, 24), 1e-12);
    }

    [Fact]
    public void An_adapter_costs_both_its_factors_in_every_layer()
    {
        var plain = new ModelFlops(Full with { Lora = Full.Lora with { Targets = [] } });
        Assert.Equal(32 * 2.0 * 64 * (2 * 4096 + 4096 + 11008), new ModelFlops(
            Full with { Lora = Full.Lora with { Targets = ["q_proj", "up_proj"] } }).Layers(1, 1) - plain.Layers(1, 1), 1.0);
    }
}
