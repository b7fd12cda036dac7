using System.Text.Json.Nodes;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Golden;

/// <summary>Every string of the parity data, for the small tokenizer and, where its file is present, for LLaMA-2's.</summary>
[Trait("Category", "Golden")]
public class TokenizerTests
{
    [Theory]
    [InlineData("tokenizer/tokenizer.model", "tokens.json")]
    [InlineData("llama2/tokenizer.model", "tokens_llama2.json")]
    public void Every_text_has_the_reference_ids_and_comes_back_as_the_reference_has_it(string model, string strings)
    {
        var tokenizer = Load(model);
        var entries = Fixtures.Json("tokenizer", strings).AsArray();
        Assert.NotEmpty(entries);
        foreach (var entry in entries)
        {
            var text = Text(entry!, "text");
            var (ids, hfIds) = (Ids(entry!, "ids"), Ids(entry!, "hf_ids"));
            var pieces = tokenizer.Model.Encode(text).Select(tokenizer.Piece);

            AssertSame(ids, tokenizer.Model.Encode(text), "ids", text);
            AssertSame(entry!["pieces"]!.AsArray().Select(piece => piece!.GetValue<string>()), pieces, "pieces", text);
            AssertSame(Text(entry, "decoded"), tokenizer.Model.Decode(ids.Select(tokenizer.Piece)), "decoded", text);
            AssertSame(hfIds, tokenizer.Encode(text), "hf_ids", text);
            AssertSame(Ids(entry, "hf_ids_with_bos"), [tokenizer.BosId, .. tokenizer.Encode(text)], "hf_ids_with_bos", text);
            AssertSame(Text(entry, "hf_decoded"), tokenizer.Decode(hfIds, skipSpecial: false), "hf_decoded", text);
            AssertSame(Text(entry, "hf_decoded_skip_special"), tokenizer.Decode(hfIds), "hf_decoded_skip_special", text);
        }
    }

    [Theory]
    [InlineData("tokenizer/tokenizer.model", "small")]
    [InlineData("llama2/tokenizer.model", "llama2")]
    public void Special_ids_are_the_reference_s(string model, string name)
    {
        var tokenizer = Load(model);
        var special = Fixtures.Json("tokenizer", "special.json")[name]!;
        int Number(string key) => special[key]!.GetValue<int>();

        Assert.Equal(Number("vocab_size"), tokenizer.VocabularySize);
        Assert.Equal((Number("bos"), Number("eos"), Number("unk")), (tokenizer.BosId, tokenizer.EosId, tokenizer.UnknownId));
        Assert.Equal(Number("pad_id"), tokenizer.PadId);
        Assert.Equal(Text(special, "pad_token"), tokenizer.Piece(tokenizer.PadId));
    }

    [Fact]
    public void Prompts_fall_into_the_reference_segments()
    {
        var tokenizer = LlamaTokenizer.Load(Fixtures.Path("tokenizer", "tokenizer.model"));
        foreach (var sample in Fixtures.Json("forward", "tokens.json")["samples"]!.AsArray())
        {
            var question = Text(sample!, "instruction").Split("</Img> ")[1];
            var split = question.IndexOf(']') + 1;
            var prompt = PromptTemplate.Build(question[..split], question[(split + 1)..]);
            string[] built = [prompt.BeforeImage, prompt.AfterImage];
            foreach (var (segment, text) in sample!["segments"]!.AsArray().Zip(built))
            {
                Assert.Equal(Text(segment!, "text"), text);
                Assert.Equal(Ids(segment!, "ids"), tokenizer.Encode(text));
            }

            Assert.Equal(Text(sample, "prompt"), $"{prompt.BeforeImage}<ImageHere>{prompt.AfterImage}");
            Assert.Equal(Ids(sample, "answer_ids"), tokenizer.Encode(Text(sample, "answer_text")));
        }
    }

    private static LlamaTokenizer Load(string model)
    {
        var path = Fixtures.Path(model.Split('/'));
        Assert.SkipUnless(File.Exists(path),
            $"{model} is not part of this parity data (LLaMA-2's licence): set PFMVG_FIXTURES to a set that has it.");
        return LlamaTokenizer.Load(path);
    }

    private static string Text(JsonNode entry, string key) => entry[key]!.GetValue<string>();

    private static int[] Ids(JsonNode entry, string key) => [.. entry[key]!.AsArray().Select(id => id!.GetValue<int>())];

    private static void AssertSame<T>(IEnumerable<T> expected, IEnumerable<T> actual, string what, string text) =>
        Assert.True(expected.SequenceEqual(actual),
            $"{what} of \"{text}\": expected {string.Join('|', expected)}, got {string.Join('|', actual)}");

    private static void AssertSame(string expected, string actual, string what, string text) =>
        Assert.True(expected == actual, $"{what} of \"{text}\": expected \"{expected}\", got \"{actual}\"");
}
