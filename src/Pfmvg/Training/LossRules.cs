using System.Globalization;
using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Text;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Training;

/// <summary>What the loss of one answer token is beside its plain cross-entropy.</summary>
/// <param name="Weight">Of the token's loss.</param>
/// <param name="Distance">Factor of the expected distance of a coordinate's digit; 0 where the token is none.</param>
/// <param name="Truth">The number that the token stands for.</param>
internal readonly record struct TargetTerm(float Weight, float Distance, float Truth);

/// <summary>
/// Losses that the paper does not have. An answer's tokens can weigh as much as one answer (`loss_mean: answers`), and a wrong digit of a
/// coordinate can cost by its distance (`coordinate_loss`): beside the cross-entropy stands the expected |value - truth|, as a share of
/// the picture, under the softmax over the tokens that are numbers.
/// </summary>
internal sealed class LossRules
{
    private const int LargestNumber = 100, MostNumbers = 2 * LargestNumber;

    private readonly StageSettings _settings;
    private readonly LlamaTokenizer _tokenizer;
    private readonly Dictionary<int, int> _valueOf;

    private LossRules(StageSettings settings, LlamaTokenizer tokenizer)
    {
        (_settings, _tokenizer) = (settings, tokenizer);
        _valueOf = Enumerable.Range(0, tokenizer.VocabularySize).Where(id => IsNumber(tokenizer.Piece(id)))
            .Take(MostNumbers).ToDictionary(id => id, id => int.Parse(tokenizer.Piece(id), CultureInfo.InvariantCulture));
        (Numbers, Values) = ([.. _valueOf.Keys], [.. _valueOf.Values.Select(value => (float)value)]);
    }

    /// <summary>The tokens that are numbers.</summary>
    public int[] Numbers { get; }

    /// <summary>Their values.</summary>
    public float[] Values { get; }

    /// <summary>The rules of a stage; null for the plain mean over answer tokens, as published.</summary>
    public static LossRules? For(StageSettings settings, LlamaTokenizer tokenizer) =>
        settings is { LossMean: LossMean.Tokens, CoordinateLoss: 0 } ? null : new LossRules(settings, tokenizer);

    /// <summary>What the sum of the losses is divided by: answers, or their tokens.</summary>
    public long Count(IEnumerable<TokenSequence> sequences) => sequences.Sum(sequence =>
        TokensOf(sequence.Targets).Count() is var tokens && _settings.LossMean == LossMean.Answers ? Math.Min(tokens, 1) : tokens);

    /// <summary>The terms of a sequence's answer tokens, in their order.</summary>
    public IReadOnlyList<TargetTerm> Of(TokenSequence sequence)
    {
        int[] tokens = [.. TokensOf(sequence.Targets)];
        var weight = _settings.LossMean == LossMean.Answers ? 1f / tokens.Length : 1;
        var terms = new TargetTerm[tokens.Length];
        for (int start = 0, end; start < tokens.Length; start = Math.Max(end, start + 1))
        {
            terms[start] = new TargetTerm(weight, 0, 0);
            for (end = start; end < tokens.Length && _valueOf.ContainsKey(tokens[end]); end++) ;
            if (end == start) continue;
            var left = tokens[start..end].Sum(token => _tokenizer.Piece(token).Length);
            // A coordinate stands between < and >. Of a number of three digits there is only 100, whose digits are no places of a value.
            var counts = start > 0 && end < tokens.Length && _tokenizer.Piece(tokens[start - 1]).EndsWith('<')
                && _tokenizer.Piece(tokens[end]).StartsWith('>') && (left <= 2 || end == start + 1);
            for (var i = start; i < end; i++)
            {
                left -= _tokenizer.Piece(tokens[i]).Length;
                terms[i] = new TargetTerm(weight, counts ? (float)(_settings.CoordinateLoss * Math.Pow(10, left) / LargestNumber) : 0,
                    _valueOf[tokens[i]]);
            }
        }

        return terms;
    }

    /// <summary>The summed loss of a batch: what is reported, and what is learned from.</summary>
    /// <param name="model">The model.</param>
    /// <param name="hidden">(B, T, C) after the final norm.</param>
    /// <param name="targets">(B, T) on the CPU.</param>
    /// <param name="terms">Of all answer tokens, row by row.</param>
    public (Tensor Reported, Tensor Trained) Loss(GroundingModel model, Tensor hidden, Tensor targets, IReadOnlyList<TargetTerm> terms)
    {
        using var scope = NewDisposeScope();
        var (logits, tokens) = model.AnswerLogits(hidden, targets);                                               // (A, W), (A)
        var weights = tensor([.. terms.Select(term => term.Weight)]).to(hidden.device);
        var reported = functional.cross_entropy(logits, tokens, reduction: Reduction.None).mul(weights).sum();
        int[] coordinates = [.. Enumerable.Range(0, terms.Count).Where(i => terms[i].Distance > 0)];
        if (coordinates.Length == 0) return (reported.MoveToOuterDisposeScope(), reported);
        var rows = tensor([.. coordinates.Select(i => (long)i)]).to(hidden.device);
        var numbers = tensor([.. Numbers.Select(id => (long)id)]).to(hidden.device);
        var truth = tensor([.. coordinates.Select(i => terms[i].Truth)]).to(hidden.device).unsqueeze(1);
        var factors = tensor([.. coordinates.Select(i => terms[i].Weight * terms[i].Distance)]).to(hidden.device);
        var shares = logits.index_select(0, rows).index_select(1, numbers).softmax(1);                            // (Q, numbers)
        var distance = shares.mul(tensor(Values).to(hidden.device).sub(truth).abs()).sum(1);                     // (Q)
        return (reported.MoveToOuterDisposeScope(), reported.add(distance.mul(factors).sum()).MoveToOuterDisposeScope());
    }

    private static bool IsNumber(string piece) => piece.Length is > 0 and <= 3 && piece.All(char.IsAsciiDigit)
        && (piece == "0" || piece[0] != '0') && (piece.Length < 3 || piece == "100");

    // The first position predicts nothing.
    private static IEnumerable<int> TokensOf(IReadOnlyList<int> targets) =>
        targets.Skip(1).Where(target => target != SequenceBuilder.NoTarget);
}

/// <summary>The rules of a batch and the terms of all its answer tokens, row by row.</summary>
internal sealed record LossTerms(LossRules Rules, IReadOnlyList<TargetTerm> Terms);
