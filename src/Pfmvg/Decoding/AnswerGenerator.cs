using Pfmvg.Models;
using Pfmvg.Models.Language;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Decoding;

/// <summary>An answer as tokens.</summary>
/// <param name="Ids">Generated token ids without the end token.</param>
/// <param name="Ended">True when the model ended the answer, false when it was cut at the longest allowed length.</param>
/// <param name="LogProbabilities">
/// Natural log-probability of each generated token; the end token's is last when ended. It is the model's own, before grammar,
/// temperature and top-p: it is low where a grammar forced an answer upon the model, and the same with and without a grammar where the
/// model gives that answer anyway.
/// </param>
public sealed record GeneratedAnswer(IReadOnlyList<int> Ids, bool Ended, IReadOnlyList<double> LogProbabilities)
{
    /// <summary>The mean IoU of drawn answers with this one, where it was chosen by them; else null.</summary>
    public double? Agreement { get; init; }
}

/// <summary>Continues prompts in batches with a key-value cache.</summary>
/// <param name="model">The grounding model.</param>
/// <param name="endToken">Id that ends an answer, `&lt;/s&gt;`.</param>
public sealed class AnswerGenerator(GroundingModel model, int endToken)
{
    /// <summary>How this model's tokens after the prompt are computed, for the records of a run.</summary>
    /// <param name="options">As they will be used.</param>
    /// <param name="rows">Prompts of the largest batch, times beams.</param>
    public string Describe(DecodingOptions options, int rows) => (options.FusedStep && DecoderStep.Fits(model.Language), rows) switch
    {
        (false, _) => "modules",
        (true, <= DecoderStep.MostRows) => $"fused step, {DecoderStep.Vectors}",
        _ => $"fused step, {DecoderStep.Vectors}, in batches of at most {DecoderStep.MostRows} rows; modules in larger ones",
    };

    /// <summary>
    /// Greedy decoding, as published: the most likely token at each step. Or a drawn token, with
    /// <paramref name="sampling"/>.
    /// </summary>
    /// <param name="prompts">Token ids with <see cref="GroundingModel.ImageToken"/> for visual tokens.</param>
    /// <param name="visual">Visual tokens (B, N, C), or null when the prompts have no pictures.</param>
    /// <param name="options">Longest answer and more.</param>
    /// <param name="pictures">
    /// When prompts share pictures: for each prompt the row of <paramref name="visual"/> that is its picture. What the prompts about a
    /// picture begin with is then computed once. Null: each prompt has its own row.
    /// </param>
    /// <param name="sampling">Draws tokens instead.</param>
    /// <param name="observe">Sees the logits (B, W) of each step, on a GPU also of some behind the end of all answers.</param>
    public IReadOnlyList<GeneratedAnswer> Greedy(
        IReadOnlyList<IReadOnlyList<int>> prompts, Tensor? visual, DecodingOptions options, IReadOnlyList<int>? pictures = null,
        Sampling? sampling = null, Action<int, Tensor>? observe = null)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        using var state = new DecodingState(model, prompts, visual, options, pictures);
        var maxNewTokens = options.MaxNewTokens;
        var choice = new TokenChoice(prompts.Count, options.Grammar, sampling);
        using var record = new TokenRecord(prompts.Count, endToken, model.Device);
        for (var step = 0; step < maxNewTokens; step++)
        {
            options.Cancel.ThrowIfCancellationRequested();
            using var stepScope = NewDisposeScope();
            var logits = state.Next();
            observe?.Invoke(step, logits);
            var tokens = record.Add(logits, choice.Next(logits, maxNewTokens - step));                      // (B)
            if ((step + 1) % StepsPerLook(options) == 0 || step + 1 == maxNewTokens)
            {
                var (last, allEnded) = record.Look();
                if (allEnded) break;
                options.Progress?.Invoke(record.Ids);
                choice.Accept(last);
            }

            if (step + 1 < maxNewTokens) state.AppendOnDevice(tokens);
        }

        return record.Answers();
    }

    /// <summary>Draws several answers to each prompt, of which a rule makes one.</summary>
    /// <param name="prompts">Token ids with <see cref="GroundingModel.ImageToken"/> for visual tokens.</param>
    /// <param name="visual">Visual tokens (B, N, C), or null when the prompts have no pictures.</param>
    /// <param name="options">Longest answer and more; progress is not told.</param>
    /// <param name="pictures">For each prompt the row of <paramref name="visual"/> that is its picture; null: its own row.</param>
    /// <param name="drawing">How answers are drawn.</param>
    /// <param name="choose">The draws of a prompt to its answer, whose log-probabilities are then computed.</param>
    internal IReadOnlyList<GeneratedAnswer> Drawn(
        IReadOnlyList<IReadOnlyList<int>> prompts, Tensor? visual, DecodingOptions options, IReadOnlyList<int>? pictures,
        Drawing drawing, Func<IReadOnlyList<GeneratedAnswer>, GeneratedAnswer> choose)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        using var state = new DecodingState(model, prompts, visual, options, pictures);
        var first = state.Next();
        var tree = new AnswerTree(state, endToken, options);
        var chosen = tree.Grow(first, drawing).Select(choose).ToList();
        var logs = tree.Score(first, chosen.ConvertAll(
            answer => (IReadOnlyList<int>)(answer.Ended ? [.. answer.Ids, endToken] : answer.Ids)));
        return [.. chosen.Zip(logs, (answer, log) => answer with { LogProbabilities = log })];
    }

    // A look waits for a GPU, which then stands idle until the next step has been prepared. Steps behind the end cost as much as others.
    private int StepsPerLook(DecodingOptions options) =>
        options.Grammar is not null ? 1 : options.StepsPerLook ?? (model.Device.type == DeviceType.CUDA ? 8 : 1);

    /// <summary>
    /// Beam search as Hugging Face's transformers 4.36 does it with length penalty 1 and no early stopping: a finished
    /// hypothesis scores its summed log-probability, end token included, divided by its number of tokens, end token not counted.
    /// </summary>
    /// <param name="prompts">Token ids with <see cref="GroundingModel.ImageToken"/> for visual tokens.</param>
    /// <param name="visual">Visual tokens (B, N, C), or null when the prompts have no pictures.</param>
    /// <param name="beams">Hypotheses kept for each prompt; at least 2.</param>
    /// <param name="options">
    /// Longest answer and more. With a grammar, too, hypotheses are ranked by the model's own log-probabilities.
    /// </param>
    /// <param name="pictures">
    /// For each prompt the row of <paramref name="visual"/> that is its picture; null: each prompt has its own row.
    /// </param>
    public IReadOnlyList<GeneratedAnswer> Beam(
        IReadOnlyList<IReadOnlyList<int>> prompts, Tensor? visual, int beams, DecodingOptions options, IReadOnlyList<int>? pictures = null)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var rows = prompts.SelectMany(p => Enumerable.Repeat(p, beams)).ToList();
        var repeated = pictures is null ? visual?.repeat_interleave(beams, 0) : visual;
        using var state = new DecodingState(
            model, rows, repeated, options, pictures?.SelectMany(p => Enumerable.Repeat(p, beams)).ToList());
        var (maxNewTokens, grammar) = (options.MaxNewTokens, options.Grammar);
        var searches = prompts.Select(_ => new BeamSearch(beams, endToken)).ToArray();
        var places = Enumerable.Repeat(BoxState.Start, rows.Count).ToArray();
        for (var step = 0; step < maxNewTokens; step++)
        {
            options.Cancel.ThrowIfCancellationRequested();
            using var stepScope = NewDisposeScope();
            var logProbabilities = state.Next().log_softmax(1);                                             // (B beams, W)
            if (grammar is not null) logProbabilities = logProbabilities.Plus(Forbidden(places, maxNewTokens - step, logProbabilities));
            var vocabulary = logProbabilities.shape[1];
            var sums = tensor([.. searches.SelectMany(s => s.Scores)]).Send(model.Device).unsqueeze(1);
            var totals = logProbabilities.Plus(sums).view(prompts.Count, beams * vocabulary);
            var (scores, indices) = totals.topk(2 * beams, 1);
            var (score, index) = (scores.cpu().data<float>().ToArray(), indices.cpu().data<long>().ToArray());
            var token = new long[rows.Count];
            var origin = new long[rows.Count];
            for (var p = 0; p < prompts.Count; p++)
            {
                var candidates = Enumerable.Range(p * 2 * beams, 2 * beams)
                    .Select(i => (Beam: (int)(index[i] / vocabulary), Token: (int)(index[i] % vocabulary), Score: score[i])).ToList();
                var kept = searches[p].Advance(candidates);
                for (var b = 0; b < beams; b++) (origin[p * beams + b], token[p * beams + b]) = (p * beams + kept[b].Beam, kept[b].Token);
            }

            if (searches.All(s => s.Done)) break;
            if (grammar is not null) places = [.. origin.Select((from, row) => grammar.Next(places[from], (int)token[row]))];
            if (step + 1 < maxNewTokens) state.Append(token, origin);
        }

        return [.. searches.Select(s => s.Best())];

        // 0 for the tokens that may come next, minus infinity for all others: (B beams, W).
        Tensor Forbidden(IReadOnlyList<BoxState> states, int left, Tensor like)
        {
            using var scope = NewDisposeScope();
            using Scalar impossible = float.NegativeInfinity;
            var (ids, _) = TokenChoice.Table([.. states.Select(state => grammar!.Allowed(state, left))], like.device);
            return full_like(like, impossible).scatter_(1, ids, zeros_like(ids).to(like.dtype)).MoveToOuterDisposeScope();
        }
    }
}
