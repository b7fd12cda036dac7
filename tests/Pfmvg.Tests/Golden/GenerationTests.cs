using System.Text.Json.Nodes;
using Pfmvg.Decoding;
using Pfmvg.Text;
using static Pfmvg.Tests.Support.Fixtures;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Golden;

[Trait("Category", "Golden")]
public sealed class GenerationTests(ReferenceModel reference) : IClassFixture<ReferenceModel>
{
    private static readonly JsonNode Expected = Json("generate", "expected.json");
    private static readonly int MaxNew = Expected["max_new_tokens"]!.GetValue<int>();

    [Fact]
    public void Prompts_begin_with_two_bos_and_match_segment_by_segment()
    {
        var prompts = Prompts();
        var expected = Expected["prompts"]!.AsArray();
        for (var row = 0; row < prompts.Count; row++)
        {
            var segments = expected[row]!["segments"]!.AsArray().Select(s => s!["ids"]!.AsArray().Select(i => i!.GetValue<int>()).ToArray())
                .ToArray();
            var visual = Enumerable.Repeat(SequenceBuilder.ImageToken, reference.Config.VisualTokens);
            Assert.Equal([.. segments[0], .. segments.Skip(1).SelectMany(s => visual.Concat(s))], prompts[row]);
        }
    }

    [Fact]
    public void Left_padded_embeddings_and_mask_match()
    {
        using var scope = NewDisposeScope();
        using var state = new DecodingState(reference.Model, Prompts(), Visual(), new DecodingOptions(MaxNew));
        AssertClose(Npy("generate", "inputs_embeds_left_padded.npy"), state.Embeddings, Tolerance("inputs_embeds"),
            "inputs_embeds_left_padded");
        AssertClose(Npy("generate", "attention_mask.npy"), state.AttentionMask().to(ScalarType.Int32), 0, "attention_mask");
    }

    [Theory, InlineData(true), InlineData(false)]
    public void Greedy_answers_and_logits_match_with_and_without_a_cache(bool useCache)
    {
        using var scope = NewDisposeScope();
        var logits = Npy("generate", "step_logits.npy");
        var ids = NewIds();
        var options = new DecodingOptions(MaxNew) { UseCache = useCache };
        var answers = Generator().Greedy(Prompts(), Visual(), options, observe: (step, actual) =>
        {
            for (var row = 0; row < ids.Length; row++)
                if (step < ids[row].Length)
                    AssertClose(logits[row, step], actual[row], Tolerance("generate_step_logits"), $"row {row}, step {step}");
        });
        AssertAnswers(answers);
    }

    [Fact]
    public void A_prompt_alone_gives_the_same_answer_as_in_a_batch()
    {
        using var scope = NewDisposeScope();
        var visual = Visual();
        AssertAnswers([.. Prompts().Select((prompt, row) =>
            Generator().Greedy([prompt], visual.narrow(0, row, 1), new DecodingOptions(MaxNew))[0])]);
    }

    [Fact]
    public void Beam_search_matches()
    {
        using var scope = NewDisposeScope();
        var beams = int.Parse(Expected.AsObject().Single(p => p.Key.StartsWith("beam", StringComparison.Ordinal)).Key["beam".Length..]);
        var expected = Expected[$"beam{beams}"]!;
        var answers = Generator().Beam(Prompts(), Visual(), beams, new DecodingOptions(MaxNew));
        var texts = answers.Select(a => Text(a.Ids)).ToArray();
        Assert.Equal(expected["texts"]!.AsArray().Select(t => t!.GetValue<string>()), texts);
        for (var row = 0; row < answers.Count; row++)
        {
            int[] own = [reference.Tokenizer.BosId, .. answers[row].Ids];
            var wanted = expected["hf_output_ids"]![row]!.AsArray().Select(i => i!.GetValue<int>()).ToArray();
            Assert.Equal(wanted[..own.Length], own);
            Assert.All(wanted[own.Length..], id => Assert.Equal(reference.Tokenizer.EosId, id));
        }
    }

    private void AssertAnswers(IReadOnlyList<GeneratedAnswer> answers)
    {
        var greedy = Expected["greedy"]!;
        var ids = NewIds();
        for (var row = 0; row < ids.Length; row++)
        {
            Assert.Equal(ids[row], answers[row].Ended ? [.. answers[row].Ids, reference.Tokenizer.EosId] : answers[row].Ids);
            Assert.Equal(greedy["texts"]![row]!.GetValue<string>(), Text(answers[row].Ids));
        }
    }

    private static int[][] NewIds() => [.. Expected["greedy"]!["new_ids"]!.AsArray()
        .Select(row => row!.AsArray().Select(i => i!.GetValue<int>()).ToArray())];

    private AnswerGenerator Generator() => new(reference.Model, reference.Tokenizer.EosId);

    private string Text(IReadOnlyList<int> ids)
    {
        var text = reference.Tokenizer.Decode(ids);
        return text[(text.LastIndexOf("[/INST]", StringComparison.Ordinal) is var at and >= 0 ? at + "[/INST]".Length : 0)..].Trim();
    }

    private List<IReadOnlyList<int>> Prompts()
    {
        var builder = new SequenceBuilder(reference.Tokenizer, reference.Config.VisualTokens);
        return [.. Expected["prompts"]!.AsArray().Select(p => p!["text"]!.GetValue<string>())
            .Select(t => builder.Generation(ReferenceModel.Segments(t["<s>".Length..]), doubleBos: true))];
    }

    private Tensor Visual() => reference.Model.Project(reference.Model.EncodeImages(Npy("generate", "images.npy")));
}
