using Pfmvg.Configuration;
using Pfmvg.Text;
using Pfmvg.Tests.Support;
using Pfmvg.Training;
using Pfmvg.Training.Sharing;

namespace Pfmvg.Tests.Training;

/// <summary>What answers and digits weigh in the loss.</summary>
public sealed class LossRulesTests
{
    private static readonly LlamaTokenizer Tokenizer = LlamaTokenizer.Load(
        Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "tokenizer", "tokenizer.model"));

    private static TokenSequence Taught(string answer) =>
        new SequenceBuilder(Tokenizer, visualTokens: 2).Training(PromptTemplate.Build(PromptTemplate.ReferTask, "a phrase"), answer);

    private static LossRules Rules(LossMean mean, double coordinates) =>
        LossRules.For(new StageSettings { LossMean = mean, CoordinateLoss = coordinates }, Tokenizer)!;

    [Fact]
    public void The_published_loss_has_no_rules() => Assert.Null(LossRules.For(new StageSettings(), Tokenizer));

    [Fact]
    public void The_digits_of_coordinates_count_by_their_place_and_no_other_number_does()
    {
        var sequence = Taught("12 {<46><7><100><80>} 35");
        var rules = Rules(LossMean.Tokens, 3);
        var terms = rules.Of(sequence);
        int[] tokens = [.. sequence.Targets.Where(target => target != SequenceBuilder.NoTarget)];
        Assert.Equal(tokens.Length, terms.Count);
        var counted = tokens.Zip(terms).Where(pair => pair.Second.Distance > 0)
            .Select(pair => (Tokenizer.Piece(pair.First), pair.Second.Truth, Math.Round(pair.Second.Distance, 6)));
        Assert.Equal([("4", 4, 0.3), ("6", 6, 0.03), ("7", 7, 0.03), ("8", 8, 0.3), ("0", 0, 0.03)], counted);
        Assert.All(terms, term => Assert.Equal(1, term.Weight));
        Assert.Equal(tokens.Length, rules.Count([sequence]));
    }

    [Fact]
    public void The_tokens_of_an_answer_weigh_as_much_as_one_answer()
    {
        TokenSequence[] sequences = [Taught("{<1><2><3><4>}"), Taught("{<10><20><30><40>}<delim>{<50><60><70><80>}")];
        var rules = Rules(LossMean.Answers, 0);
        foreach (var sequence in sequences) Assert.Equal(1, rules.Of(sequence).Sum(term => term.Weight), 1e-5);
        Assert.Equal(2, rules.Count(sequences));
    }

    [Fact]
    public unsafe void The_gradient_of_a_digit_is_that_of_its_cross_entropy_and_of_the_expected_distance()
    {
        var rules = Rules(LossMean.Answers, 5);
        var term = new TargetTerm(0.25f, 0.5f, 4);
        var columns = Tokenizer.VocabularySize;
        var target = rules.Numbers[Array.IndexOf(rules.Values, 4f)];
        var random = new Random(2);
        float[] start = [.. Enumerable.Range(0, columns).Select(_ => (float)(3 * random.NextDouble()))];
        var padded = new float[StepMatrix.Padded(columns)];
        start.CopyTo(padded, 0);
        fixed (float* logits = padded)
            Assert.Equal(0.25 * CrossEntropy(start), StepLoss.Replace(rules, logits, target, columns, term), 1e-5);
        const double h = 1e-3;
        foreach (var i in (int[])[target, .. rules.Numbers.Take(6), 0, 300, columns - 1])
        {
            var (more, less) = (start.ToArray(), start.ToArray());
            more[i] += (float)h;
            less[i] -= (float)h;
            Assert.Equal((Loss(more) - Loss(less)) / ((double)more[i] - less[i]), padded[i], 2e-5);
        }

        double CrossEntropy(float[] z) => Math.Log(z.Sum(value => Math.Exp(value))) - z[target];

        double Loss(float[] z)
        {
            var sum = rules.Numbers.Sum(id => Math.Exp(z[id]));
            var distance = rules.Numbers.Zip(rules.Values).Sum(pair => Math.Exp(z[pair.First]) / sum * Math.Abs(pair.Second - 4));
            return 0.25 * (CrossEntropy(z) + 0.5 * distance);
        }
    }
}
