using Pfmvg.Decoding;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Kernels;
using Pfmvg.Models.Language;
using Pfmvg.Tests.Models;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Decoding;

public sealed class FusedStepTests
{
    private const int Steps = 5;

    private static readonly IReadOnlyList<IReadOnlyList<int>> Prompts = [[1, 7, 31, 8], [1, 12, 5, 44], [1, 9, 9, 17]];

    private static GroundingConfig Config(int intermediate = 96) => new(
        new EvaConfig(28, 14, 32, 1, 2, 64), 4, new LlamaConfig(50, 64, 2, 4, intermediate), new LoraConfig(4, 8, 0, ["q_proj", "v_proj"]));

    [Fact]
    public void Switched_off_every_step_has_the_bits_of_the_models_modules()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var model = ModelBuilder.Random(Config(), ScalarType.Float32, CPU, seed: 1);
        var (expected, tokens) = ByModules(model);
        var off = ByState(model, tokens, fusedStep: false);
        Assert.All(expected.Zip(off), pair => Assert.True(pair.First.Same(pair.Second)));

        var auto = ByState(model, tokens, fusedStep: true);
        Assert.True(expected[0].Same(auto[0])); // the prompt itself
        Assert.All(expected.Zip(auto), pair => Assert.True(pair.First.allclose(pair.Second, 1e-4, 1e-5)));
        if (ThinVectors.Lanes > 0) Assert.Contains(expected.Zip(auto), pair => !pair.First.Same(pair.Second));
    }

    [Fact]
    public void The_recorded_way_follows_from_setting_sizes_and_rows()
    {
        using var fitting = new GroundingModel(Config(), ScalarType.Float32, CPU);
        using var odd = new GroundingModel(Config(intermediate: 100), ScalarType.Float32, CPU);
        var auto = new DecodingOptions(8);
        Assert.Equal("modules", new AnswerGenerator(fitting, 2).Describe(auto with { FusedStep = false }, rows: 8));
        Assert.Equal("modules", new AnswerGenerator(odd, 2).Describe(auto, rows: 8));
        Assert.SkipUnless(ThinVectors.Lanes > 0, "the fused step needs wide vectors");
        Assert.Equal($"fused step, {ThinVectors.Describe(ThinVectors.Lanes)}", new AnswerGenerator(fitting, 2).Describe(auto, rows: 64));
        Assert.Equal($"fused step, {ThinVectors.Describe(ThinVectors.Lanes)}, in batches of at most 64 rows; modules in larger ones",
            new AnswerGenerator(fitting, 2).Describe(auto, rows: 65));
    }

    /// <summary>The logits of every step, and the most likely tokens.</summary>
    private static (List<Tensor> Logits, List<long[]> Tokens) ByModules(GroundingModel model)
    {
        var (language, length) = (model.Language, Prompts[0].Count);
        using var cache = new KvCache(model.Config.Language, Prompts.Count, length + Steps, ScalarType.Float32, CPU);
        var embeddings = model.Embed(
            tensor(Prompts.SelectMany(prompt => prompt.Select(id => (long)id)).ToArray()).view(Prompts.Count, length), null);
        var (logits, tokens) = (new List<Tensor>(), new List<long[]>());
        for (var step = 0; step < Steps; step++)
        {
            var (first, count) = (step == 0 ? 0 : length + step - 1, embeddings.shape[1]);
            var positions = arange(first, first + count).expand(Prompts.Count, -1);
            var hidden = language.call(embeddings, new DecoderPass(language.RotaryAt(positions), null, cache));
            logits.Add(language.Logits(hidden.narrow(1, count - 1, 1)).squeeze(1));
            tokens.Add(logits[^1].argmax(1).data<long>().ToArray());
            embeddings = language.EmbedTokens(tensor(tokens[^1]).unsqueeze(1));
        }

        return (logits, tokens);
    }

    private static List<Tensor> ByState(GroundingModel model, List<long[]> tokens, bool fusedStep)
    {
        using var state = new DecodingState(model, Prompts, null, new DecodingOptions(Steps) { FusedStep = fusedStep });
        var logits = new List<Tensor>();
        foreach (var chosen in tokens)
        {
            logits.Add(state.Next().clone());
            state.Append(chosen);
        }

        return logits;
    }
}
