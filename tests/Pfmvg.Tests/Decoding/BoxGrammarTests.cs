using Pfmvg.Decoding;
using Pfmvg.Pretraining;
using Pfmvg.Tests.Golden;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Decoding;

public sealed class BoxGrammarTests(ReferenceModel reference) : IClassFixture<ReferenceModel>
{
    /// <summary>LLaMA's own pieces, and those of the tiny base, which cut the notation otherwise.</summary>
    public static TheoryData<string> Tokenizers => ["llama", "tiny"];

    private LlamaTokenizer Tokenizer(string name)
    {
        if (name == "llama") return reference.Tokenizer;
        using var folder = new TemporaryFolder();
        TinyTokenizer.Write(folder.In("tokenizer.model"));
        return LlamaTokenizer.Load(folder.In("tokenizer.model"));
    }

    private static bool Accepts(string text)
    {
        BoxState? state = BoxState.Start;
        foreach (var character in text)
            if ((state = state?.After(character)) is null) return false;
        return state!.Value.MayEnd;
    }

    [Fact]
    public void The_grammar_is_the_boxes_with_ordered_corners_and_nothing_else()
    {
        for (var low = 0; low <= 101; low++)
            for (var high = 0; high <= 101; high++)
            {
                var sound = low < high && high <= 100;
                Assert.Equal(sound, Accepts($"{{<{low}><3><{high}><4>}}"));
                Assert.Equal(sound, Accepts($"{{<3><{low}><4><{high}>}}"));
            }

        Assert.True(Accepts("\u2581{<0><0><1><1>}<delim>{<98><99><99><100>}<delim>{<0><0><100><100>}"));
        Assert.All((string[])["", "\u2581", "{<0><0><1><1>", "{<0><0><1><1>}<delim>", "{<00><0><1><1>}", "{<0><0><01><1>}",
            "{<0><0><1><1>}\u2581", "{<0><0><1>}",
            "{<0><0><1><1><1>}", "{<0><0><1><1>}{<0><0><1><1>}", "{<0><0><1000><1>}", "{<-1><0><1><1>}", "no box", "{<><0><1><1>}"],
                text => Assert.False(Accepts(text), text));
    }

    [Theory, MemberData(nameof(Tokenizers))]
    public void Whatever_is_chosen_becomes_sound_boxes_in_time(string name)
    {
        var tokenizer = Tokenizer(name);
        var grammar = new BoxGrammar(tokenizer);
        Assert.InRange(grammar.ShortestAnswer, 10, 15);
        for (var trial = 0; trial < 600; trial++)
        {
            var random = new CounterRandom(3, "grammar", trial);
            var longest = grammar.ShortestAnswer + trial % 60;
            var (state, ids) = (BoxState.Start, new List<int>());
            while (state != BoxState.Ended)
            {
                var allowed = grammar.Allowed(state, longest - ids.Count);
                ids.Add(allowed[random.Next(allowed.Count)]);
                state = grammar.Next(state, ids[^1]);
            }

            Assert.InRange(ids.Count, grammar.ShortestAnswer, longest);
            AssertSound(tokenizer.Decode(ids));
        }

        Assert.Throws<ArgumentException>(() => grammar.Allowed(BoxState.Start, grammar.ShortestAnswer - 1));
    }

    [Theory, MemberData(nameof(Tokenizers))]
    public void Every_way_to_cut_a_sound_answer_is_allowed_at_every_token(string name)
    {
        var tokenizer = Tokenizer(name);
        var grammar = new BoxGrammar(tokenizer);
        foreach (var text in (string[])["{<12><34><56><78>}", "{<0><0><1><100>}<delim>{<9><99><10><100>}"])
        {
            int[][] ways = [tokenizer.Encode(text), [.. text.Select(c => tokenizer.IdOf(c.ToString())!.Value)]];
            foreach (var ids in ways)
            {
                var state = BoxState.Start;
                foreach (var id in ids.Append(tokenizer.EosId))
                {
                    Assert.Contains(id, grammar.Allowed(state, 64));
                    state = grammar.Next(state, id);
                }
            }
        }
    }

    [Fact]
    public void A_model_that_knows_nothing_answers_sound_boxes()
    {
        using var scope = NewDisposeScope();
        var grammar = new BoxGrammar(reference.Tokenizer);
        var (prompts, generator) = (Prompts(), new AnswerGenerator(reference.Model, reference.Tokenizer.EosId));
        var visual = reference.Model.Project(reference.Model.EncodeImages(Fixtures.Npy("generate", "images.npy"))).narrow(
            0, 0, prompts.Count);
        foreach (var longest in (int[])[grammar.ShortestAnswer, 20, 64])
        {
            var options = new DecodingOptions(longest) { Grammar = grammar };
            IReadOnlyList<GeneratedAnswer>[] all =
            [
                generator.Greedy(prompts, visual, options),
                generator.Beam(prompts, visual, 3, options),
                generator.Greedy(prompts, visual, options,
                    sampling: new Sampling(2, 0.95, [.. prompts.Select((_, row) => new CounterRandom(longest, "test", row))])),
            ];
            Assert.All(all.SelectMany(answers => answers), answer =>
            {
                Assert.True(answer.Ended);
                Assert.InRange(answer.Ids.Count + 1, grammar.ShortestAnswer, longest);
                Assert.Equal(answer.Ids.Count + 1, answer.LogProbabilities.Count);
                AssertSound(reference.Tokenizer.Decode(answer.Ids));
            });
        }
    }

    [Fact]
    public void A_model_that_answers_soundly_is_not_disturbed()
    {
        using var scope = NewDisposeScope();
        var (tokenizer, random) = (reference.Tokenizer, new CounterRandom(2, "logits"));
        var grammar = new BoxGrammar(tokenizer);
        foreach (var answer in (string[])["{<12><34><56><78>}", "{<0><0><1><100>}<delim>{<9><99><10><100>}"])
        {
            var choice = new TokenChoice(1, grammar, null);
            var left = 64;
            foreach (var id in tokenizer.Encode(answer).Append(tokenizer.EosId))
            {
                using var step = NewDisposeScope();
                var noise = Enumerable.Range(0, tokenizer.VocabularySize).Select(i => i == id ? 1f : (float)random.NextDouble() * 0.99f)
                    .ToArray();
                Assert.Equal(id, choice.Next(tensor(noise).unsqueeze(0), left--).item<long>());
                choice.Accept([id]);
            }
        }
    }

    [Fact]
    public void A_vocabulary_without_the_notation_s_characters_is_refused()
    {
        using var folder = new TemporaryFolder();
        var path = folder.In("tokenizer.model");
        TinyTokenizer.Write(path);
        var bytes = File.ReadAllBytes(path);
        byte[] brace = [0x0A, 1, (byte)'}']; // the piece's text, one byte long, in the model file
        bytes[bytes.AsSpan().IndexOf(brace) + 2] = 1;
        File.WriteAllBytes(path, bytes);
        var refused = Assert.Throws<InputException>(() => new BoxGrammar(LlamaTokenizer.Load(path)));
        Assert.Contains("has no piece '}'", refused.Message, StringComparison.Ordinal);
    }

    private List<IReadOnlyList<int>> Prompts()
    {
        var builder = new SequenceBuilder(reference.Tokenizer, reference.Config.VisualTokens);
        return [.. ((string[])["edema", "a very small pneumothorax on the left"]).Select(text =>
            builder.Generation(PromptTemplate.Build(PromptTemplate.ReferTask, InstructionPool.Fill(InstructionPool.Refer[0], text)),
                doubleBos: true))];
    }

    private static void AssertSound(string answer)
    {
        var parsed = BoxCodec.Parse(answer);
        Assert.Equal(Flaw.None, parsed.Failure);
        Assert.All(parsed.Boxes, box => Assert.Equal(Flaw.None, box.Flaw));
        Assert.Equal(answer, string.Join(BoxCodec.Delimiter, parsed.Boxes));
    }
}
