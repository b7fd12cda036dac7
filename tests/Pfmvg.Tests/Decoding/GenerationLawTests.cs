using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Decoding;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Tests.Golden;
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
        var own = visual.index_select(0, tensor([.. Pictures.Select(p => (long)p)]));
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
