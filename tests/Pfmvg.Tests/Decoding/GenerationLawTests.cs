using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Decoding;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Tests.Golden;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Decoding;

public sealed class GenerationLawTests(ReferenceModel reference) : IClassFixture<ReferenceModel>
{
    private const double Rounding = 2e-4;

    private static readonly string[] Phrases =
        ["edema", "a very small pneumothorax on the left", "right effusion", "cardiomegaly with an enlarged heart", "left", "nodule"];
    private static readonly int[] Pictures = [0, 0, 1, 1, 0, 2];

    [Theory, InlineData(false), InlineData(true)]
    public void A_shared_beginning_changes_no_answer(bool constrained)
    {
        using var scope = NewDisposeScope();
        var (prompts, visual, generator) = (Prompts(), Visual(), Generator());
        var own = visual.index_select(0, tensor([.. Pictures.Select(p => (long)p)]).ToTestDevice());
        var options = new DecodingOptions(20) { Grammar = constrained ? new BoxGrammar(reference.Tokenizer) : null };
        AssertSame(generator.Greedy(prompts, own, options), generator.Greedy(prompts, visual, options, Pictures));
        AssertSame(generator.Beam(prompts, own, 3, options), generator.Beam(prompts, visual, 3, options, Pictures));

        static void AssertSame(IReadOnlyList<GeneratedAnswer> expected, IReadOnlyList<GeneratedAnswer> actual)
        {
            Assert.Equal(expected.Select(a => a.Ids), actual.Select(a => a.Ids));
            Assert.Equal(expected.Select(a => a.Ended), actual.Select(a => a.Ended));
            Assert.All(expected.Zip(actual), pair => Assert
                .All(pair.First.LogProbabilities.Zip(pair.Second.LogProbabilities), p => Assert.Equal(p.First, p.Second, Rounding)));
        }
    }

    [Theory, InlineData(0), InlineData(0.8)]
    public void How_often_the_host_looks_for_the_end_changes_no_answer_and_leaks_no_tensor(double temperature)
    {
        using var scope = NewDisposeScope();
        var (prompts, visual, generator) = (Prompts(), Visual(), Generator());
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var expected = Answers(1);
        Assert.Contains(expected, answer => answer.Ended && answer.Ids.Count < 19);
        foreach (var steps in new[] { 2, 3, 8, 50 })
            Assert.All(expected.Zip(Answers(steps)), pair =>
            {
                Assert.Equal(pair.First.Ids, pair.Second.Ids);
                Assert.Equal(pair.First.Ended, pair.Second.Ended);
                Assert.Equal(pair.First.LogProbabilities, pair.Second.LogProbabilities);
            });
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);

        IReadOnlyList<GeneratedAnswer> Answers(int steps) => generator.Greedy(
            prompts, visual, new DecodingOptions(40) { StepsPerLook = steps }, Pictures, temperature == 0 ? null
                : new Sampling(temperature, 0.95, [.. Phrases.Select((_, row) => new CounterRandom(5, "look", row))]));
    }

    [Fact]
    public void Sharing_leaks_no_tensor()
    {
        using var scope = NewDisposeScope();
        var (prompts, visual, generator) = (Prompts(), Visual(), Generator());
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var options = new DecodingOptions(18) { Grammar = new BoxGrammar(reference.Tokenizer) };
        generator.Greedy(prompts, visual, options, Pictures);
        generator.Beam(prompts, visual, 2, options, Pictures);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Fact]
    public void Settings_of_the_evaluation_reach_the_decoder_and_order_does_not_matter()
    {
        using var scope = NewDisposeScope();
        var samples = Phrases.Select((phrase, i) => Sample(i, phrase)).ToList();
        var settings = new EvalSettings { BatchSize = 4, MaxNewTokens = 16, Constrain = AnswerConstraint.Boxes };
        var answers = Ask(settings, samples);
        Assert.Equal(samples.Select(s => s.Id), answers.Select(a => a.Id));
        Assert.All(answers, answer =>
        {
            Assert.Equal(Flaw.None, BoxCodec.Parse(answer.Answer!).Failure);
            Assert.InRange(Assert.Single(answer.Confidence!), 0, 1);
        });
        Assert.Equal(answers.Select(a => a.Answer),
            Ask(settings with { SharePrefix = false, BatchSize = 3 }, samples).Select(a => a.Answer));
        Assert.Equal(answers.Select(a => a.Answer).Reverse(), Ask(settings, [.. Enumerable.Reverse(samples)]).Select(a => a.Answer));

        var refused = Assert.Throws<InputException>(() => Ask(settings with { MaxNewTokens = 9 }, samples));
        Assert.Contains("eval.max_new_tokens is 9, but a box takes at least", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Draws_depend_on_seed_sample_and_attempt_and_not_on_the_batch()
    {
        using var scope = NewDisposeScope();
        var samples = Phrases.Select((phrase, i) => Sample(i, phrase)).ToList();
        var settings = new EvalSettings { BatchSize = 6, MaxNewTokens = 12, Temperature = 1, TopP = 0.9 };
        var answers = Ask(settings, samples).Select(a => a.Answer).ToList();
        Assert.Equal(answers, Ask(settings, samples).Select(a => a.Answer));
        Assert.Equal(answers, Ask(settings with { BatchSize = 1 }, samples).Select(a => a.Answer));
        Assert.Equal(answers[2], Assert.Single(Ask(settings, [samples[2]])).Answer);
        Assert.NotEqual(answers, Ask(settings, samples, seed: 2).Select(a => a.Answer));
        Assert.NotEqual(answers, Ask(settings, [.. samples.Select(s => s with { Id = s.Id + "'" })]).Select(a => a.Answer));

        // This model writes no boxes, so every answer is drawn again as often as it may be: the last draw is the answer.
        Assert.All(answers, answer => Assert.NotEqual(Flaw.None, BoxCodec.Parse(answer!).Failure));
        var again = Ask(settings with { Retries = 2 }, samples).Select(a => a.Answer).ToList();
        Assert.NotEqual(answers, again);
        Assert.NotEqual(again, Ask(settings with { Retries = 1 }, samples).Select(a => a.Answer));
        // A sound answer is not drawn again.
        var sound = settings with { Constrain = AnswerConstraint.Boxes, MaxNewTokens = 24 };
        Assert.Equal(Ask(sound, samples).Select(a => a.Answer), Ask(sound with { Retries = 2 }, samples).Select(a => a.Answer));
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Drawn_answers_without_heat_are_the_greedy_ones_with_its_log_probabilities(bool constrained)
    {
        using var scope = NewDisposeScope();
        var (prompts, visual, generator) = (Prompts(), Visual(), Generator());
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        var options = new DecodingOptions(20) { Grammar = constrained ? new BoxGrammar(reference.Tokenizer) : null, FusedStep = false };
        var greedy = generator.Greedy(prompts, visual, options, Pictures);
        var drawn = generator.Drawn(prompts, visual, options, Pictures, Places(5, heat: 1e-5), draws =>
        {
            Assert.Equal(5, draws.Count);
            Assert.All(draws, draw => Assert.Equal(draws[0].Ids, draw.Ids));
            return draws[^1];
        });
        Assert.Equal(greedy.Select(a => a.Ids), drawn.Select(a => a.Ids));
        Assert.Equal(greedy.Select(a => a.Ended), drawn.Select(a => a.Ended));
        Assert.All(greedy.Zip(drawn), pair => Assert.All(pair.First.LogProbabilities.Zip(pair.Second.LogProbabilities),
            p => Assert.Equal(p.First, p.Second, 10 * Rounding)));
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
    }

    [Theory, InlineData(true, false), InlineData(false, false), InlineData(false, true)]
    public void Evenly_spread_draws_hold_each_answer_as_often_as_it_is_likely(bool constrained, bool usual)
    {
        const int Draws = 200;
        using var scope = NewDisposeScope();
        var (prompts, visual, generator) = (Prompts(), Visual(), Generator());
        var grammar = new BoxGrammar(reference.Tokenizer);
        var options = new DecodingOptions(20) { Grammar = constrained ? grammar : null };
        generator.Drawn(prompts, visual, options, Pictures, Places(Draws, heat: 1.5) with { Usual = usual ? grammar : null }, draws =>
        {
            // An answer of probability p lies in a stretch of that length, in which the draws' places are 1 / Draws apart. With its
            // first tokens it is the same for all answers that begin with them.
            foreach (var length in (int[])[1, 3, 5, 8])
                foreach (var same in draws.GroupBy(draw => string.Join(' ', draw.Ids.Take(length))))
                {
                    var probability = Math.Exp(same.First().LogProbabilities.Take(length).Sum());
                    Assert.InRange(same.Count() - probability * Draws, -1.001, 1.001);
                }

            Assert.True(draws.Select(draw => string.Join(' ', draw.Ids)).Distinct().Count() > 10);
            return draws[0];
        });
    }

    [Fact]
    public void Branches_of_one_prompt_are_computed_as_answers_of_their_own()
    {
        using var scope = NewDisposeScope();
        var (prompts, visual, generator) = (Prompts(), Visual(), Generator());
        List<IReadOnlyList<GeneratedAnswer>> all = [];
        var options = new DecodingOptions(16);
        var drawing = Places(6, heat: 1) with { Usual = new BoxGrammar(reference.Tokenizer) };
        generator.Drawn(prompts, visual, options, Pictures, drawing, draws =>
        {
            all.Add(draws);
            return draws[0];
        });
        // Of each draw the model's own log-probabilities, computed along it alone, are those that it was drawn with.
        for (var draw = 0; draw < 6; draw++)
        {
            var scored = generator.Drawn(prompts, visual, options, Pictures, drawing, draws => draws[draw]);
            foreach (var (answer, own) in scored.Zip(all))
                Assert.All(answer.LogProbabilities.Zip(own[draw].LogProbabilities), p => Assert.Equal(p.First, p.Second, 10 * Rounding));
        }
    }

    [Fact]
    public void Answers_by_expected_iou_do_not_depend_on_batch_order_seed_and_sharing()
    {
        using var scope = NewDisposeScope();
        var samples = Phrases.Select((phrase, i) => Sample(i, phrase)).ToList();
        var settings = new EvalSettings
        {
            BatchSize = 4, MaxNewTokens = 24, Constrain = AnswerConstraint.Boxes, Decode = AnswerChoice.ExpectedIou, Draws = 8,
        };
        var answers = Ask(settings, samples);
        Assert.All(answers, answer =>
        {
            Assert.Equal(Flaw.None, BoxCodec.Parse(answer.Answer!).Failure);
            Assert.Equal(BoxCodec.Parse(answer.Answer!).Boxes.Count, answer.Confidence!.Count);
            Assert.InRange(answer.Agreement!.Value, 1e-3, 1);
            Assert.Equal(8, answer.Draws);
        });
        foreach (var other in (IReadOnlyList<Prediction>[])[Ask(settings with { BatchSize = 1 }, samples), Ask(settings, samples, seed: 2),
            [.. Ask(settings, [.. Enumerable.Reverse(samples)]).Reverse()], Ask(settings with { SharePrefix = false }, samples)])
            Assert.Equal(answers.Select(a => (a.Answer, a.Agreement)), other.Select(a => (a.Answer, a.Agreement)));
        Assert.All(Ask(settings with { Decode = AnswerChoice.Greedy, Draws = 12 }, samples), answer => Assert.Null(answer.Agreement));

        // Without the restriction this model writes no boxes: the most frequent draw is the answer, and nothing agrees.
        Assert.All(Ask(settings with { Constrain = AnswerConstraint.None }, samples), answer =>
        {
            Assert.Empty(BoxCodec.Parse(answer.Answer!).Boxes);
            Assert.Equal(0, answer.Agreement);
        });
        Assert.Contains("expected_iou of 8 draws at temperature 1", new ModelAnswers(reference.Model, Builder(), settings).Decoding,
            StringComparison.Ordinal);
    }

    private Drawing Places(int draws, double heat) => new(heat,
        [.. Enumerable.Repeat((double[])[.. Enumerable.Range(0, draws).Select(draw => (draw + 0.5) / draws)], Phrases.Length)],
        [.. Enumerable.Range(0, reference.Tokenizer.VocabularySize)]);

    [Fact]
    public void Tokens_are_drawn_with_their_probabilities_from_the_most_likely_ones()
    {
        using var scope = NewDisposeScope();
        double[] wanted = [0.5, 0.05, 0.2, 0.25];
        var logits = tensor(wanted.Select(p => (float)Math.Log(p)).ToArray()).unsqueeze(0);
        AssertFrequencies(wanted, Draw(1, 1));
        AssertFrequencies([0.5 / 0.75, 0, 0, 0.25 / 0.75], Draw(1, 0.7)); // the fewest that reach 0.7
        AssertFrequencies([1, 0, 0, 0], Draw(1, 0.1));                    // at least one
        var flat = wanted.Select(Math.Sqrt).ToArray();
        AssertFrequencies([.. flat.Select(p => p / flat.Sum())], Draw(2, 1));
        AssertFrequencies([1, 0, 0, 0], Draw(0.02, 1));

        double[] Draw(double temperature, double topP)
        {
            const int Draws = 4000;
            var choice = new TokenChoice(Draws, null,
                new Sampling(temperature, topP, [.. Enumerable.Range(0, Draws).Select(i => new CounterRandom(1, "draw", i))]));
            using var tokens = choice.Next(logits.expand(Draws, -1), 8);
            return [.. Enumerable.Range(0, wanted.Length).Select(id => tokens.data<long>().Count(t => t == id) / (double)Draws)];
        }

        // Five standard deviations of 4,000 draws.
        static void AssertFrequencies(double[] expected, double[] actual) =>
            Assert.All(expected.Zip(actual), pair =>
                Assert.Equal(pair.First, pair.Second, 5 * Math.Sqrt(pair.First * (1 - pair.First) / 4000) + 1e-9));
    }

    private AnswerGenerator Generator() => new(reference.Model, reference.Tokenizer.EosId);

    private SequenceBuilder Builder() => new(reference.Tokenizer, reference.Config.VisualTokens);

    private List<IReadOnlyList<int>> Prompts() => [.. Phrases.Select(text =>
        Builder().Generation(PromptTemplate.Build(PromptTemplate.ReferTask, InstructionPool.Fill(InstructionPool.Refer[0], text)),
            doubleBos: true))];

    private Tensor Visual() => reference.Model.Project(reference.Model.EncodeImages(stack([.. Enumerable.Range(0, 3).Select(p =>
        ImageTransform.ToTensor(ImageTransform.Resize(Picture(p), reference.Config.Vision.ImageSize)))])));

    private IReadOnlyList<Prediction> Ask(EvalSettings settings, IReadOnlyList<Sample> samples, long seed = 1) =>
        new ModelAnswers(reference.Model, Builder(), settings, seed)
            .Answer(samples, (sample, _) => new VisionInput(
            ImageTransform.Resize(Picture(int.Parse(sample.Image)), reference.Config.Vision.ImageSize)));

    private static Sample Sample(int i, string phrase) => new()
    {
        Id = $"s{i}", Task = SampleTask.Refer, Image = $"{Pictures[i]}", Width = 40, Height = 30, Text = phrase, Class = "Edema",
        Source = "ms-cxr", Boxes = [new Box(0, 0, 9, 9)],
    };

    private static DecodedImage Picture(int number)
    {
        var random = new CounterRandom(number, "picture");
        return new DecodedImage(40, 30, 1, [.. Enumerable.Range(0, 1200).Select(_ => (byte)random.Next(256))]);
    }
}
