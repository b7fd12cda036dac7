using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Decoding;

/// <summary>How several answers to each prompt are drawn together.</summary>
/// <param name="Temperature">Divides the logits; above 0.</param>
/// <param name="Places">
/// Of each prompt and draw a number in [0, 1): the answer is that at this place when all possible answers lie side by side, each as wide
/// as it is likely. Uniform numbers draw from the model's distribution; evenly spread ones draw from it with less chance.
/// </param>
/// <param name="Order">All token ids in the order in which they lie side by side.</param>
/// <param name="Usual">
/// What answers mostly are: at each step its tokens lie before all others. It restricts nothing and saves a walk through the vocabulary.
/// </param>
internal sealed record Drawing(
    double Temperature, IReadOnlyList<IReadOnlyList<double>> Places, IReadOnlyList<int> Order, BoxGrammar? Usual = null);

/// <summary>
/// Several drawn answers to each of some prompts, as a tree: draws that agree so far are one branch, and all branches of a prompt share
/// its keys and values, so that neither is computed twice. Which tokens a draw takes depends on its prompt and place alone.
/// </summary>
/// <param name="state">The prompts; they are not continued otherwise.</param>
/// <param name="endToken">Ends an answer.</param>
/// <param name="options">Longest answer, grammar, and when to stop.</param>
/// <remarks>Letters: B prompts, F branches, T most branches of a prompt, W vocabulary; K of the branches, L tokens.</remarks>
internal sealed class AnswerTree(DecodingState state, int endToken, DecodingOptions options)
{
    private readonly Dictionary<(BoxState, int), IReadOnlyList<int>> _allowed = [];
    private int[] _ranks = []; // by token id its place in the drawing's order
    private int _fed; // tokens fed for each prompt, at all depths and by all uses

    /// <summary>
    /// Draws answers: [prompt][draw], with the log-probabilities that the draws were made with. One that leaves the usual notation is cut
    /// there while other draws of its prompt are in it.
    /// </summary>
    /// <param name="first">Logits (B, W) behind the prompts.</param>
    /// <param name="drawing">Temperature, places, order.</param>
    public IReadOnlyList<IReadOnlyList<GeneratedAnswer>> Grow(Tensor first, Drawing drawing)
    {
        using var scope = NewDisposeScope();
        _allowed.Clear();
        _ranks = new int[drawing.Order.Max() + 1];
        foreach (var (rank, id) in drawing.Order.Index()) _ranks[id] = rank;
        var draws = drawing.Places.Select(places => places.Select(place => new Draw { Place = place }).ToArray()).ToArray();
        BoxState? start = Grammar(drawing) is null ? null : BoxState.Start;
        List<Branch> branches = [.. draws.Select((own, row) => new Branch(row, [], own, start))];
        var logits = first;
        for (var depth = 0; depth < options.MaxNewTokens && branches.Count > 0; depth++)
        {
            options.Cancel.ThrowIfCancellationRequested();
            using var step = NewDisposeScope();
            if (depth > 0) logits = Feed(branches, draws.Length, depth - 1);
            branches = Split(branches, logits, drawing, options.MaxNewTokens - depth);
            // What has left the notation of boxes may go on for long, and says no more while other draws of its prompt are in it.
            branches.RemoveAll(branch => branch.Draws[0].IsOutside && draws[branch.Row].Any(draw => !draw.IsOutside));
        }

        return [.. draws.Select(own => own.Select(draw => new GeneratedAnswer(draw.Ids, draw.Ended, draw.Logs)).ToList())];
    }

    /// <summary>The model's own log-probability of each token of one answer to each prompt.</summary>
    /// <param name="first">Logits (B, W) behind the prompts.</param>
    /// <param name="answers">The tokens of each, with the end token where it has ended; at least one.</param>
    public IReadOnlyList<IReadOnlyList<double>> Score(Tensor first, IReadOnlyList<IReadOnlyList<int>> answers)
    {
        using var scope = NewDisposeScope();
        var (rows, longest) = (answers.Count, answers.Max(answer => answer.Count));
        var logits = first.unsqueeze(1);                                                                    // (B, 1, W)
        if (longest > 1)
        {
            var (count, before) = (longest - 1, _fed);
            var (tokens, depths, sees) = (new long[rows * count], new long[rows * count], new bool[rows * count * (before + count)]);
            for (var at = 0; at < tokens.Length; at++)
            {
                var (row, place) = (at / count, at % count);
                (tokens[at], depths[at]) = (place < answers[row].Count ? answers[row][place] : endToken, place);
                Array.Fill(sees, true, at * (before + count) + before, place + 1);
            }

            _fed += count;
            var others = state.Branch(tokens, depths, sees).view(rows, count, -1);
            logits = cat([logits, others], 1);                                                              // (B, longest, W)
        }

        var wanted = new long[rows * longest];
        for (var at = 0; at < wanted.Length; at++)
            wanted[at] = at % longest < answers[at / longest].Count ? answers[at / longest][at % longest] : endToken;
        var logs = logits.log_softmax(2).gather(2, tensor(wanted, [rows, longest, 1]).Send(logits.device)).cpu().data<float>().ToArray();
        return [.. answers.Select((answer, row) => answer.Select((_, i) => (double)logs[row * longest + i]).ToList())];
    }

    /// <summary>Feeds the last token of every branch; logits (F, W) behind them.</summary>
    private Tensor Feed(List<Branch> branches, int rows, int depth)
    {
        var places = new int[branches.Count];
        var counts = new int[rows];
        foreach (var (f, branch) in branches.Index()) places[f] = counts[branch.Row]++;
        var (count, before) = (counts.Max(), _fed);
        var (tokens, depths, sees) = (new long[rows * count], new long[rows * count], new bool[rows * count * (before + count)]);
        Array.Fill(tokens, endToken); // where a prompt has fewer branches
        Array.Fill(depths, depth);
        for (var at = 0; at < tokens.Length; at++) sees[at * (before + count) + before + at % count] = true;
        var slots = new long[branches.Count];
        foreach (var (f, branch) in branches.Index())
        {
            branch.Way.Add(before + places[f]);
            var slot = slots[f] = branch.Row * count + places[f];
            tokens[slot] = branch.Draws[0].Ids[^1];
            foreach (var place in branch.Way) sees[slot * (before + count) + place] = true;
        }

        _fed += count;
        return state.Branch(tokens, depths, sees, slots);
    }

    /// <summary>Takes one more token in every branch, which it may split; branches of draws that have ended are gone.</summary>
    private List<Branch> Split(List<Branch> branches, Tensor logits, Drawing drawing, int left)
    {
        using var scope = NewDisposeScope();
        using Scalar heat = drawing.Temperature;
        var scores = drawing.Temperature == 1 ? logits : logits.div(heat);                                 // (F, W)
        var lists = branches.ConvertAll(branch => branch.At is { } at ? Allowed(at, left, drawing) : []);
        var known = Enumerable.Range(0, branches.Count).Where(f => lists[f].Count > 0).ToList();
        if (known.Count > 0) PickAllowed(known, branches, scores, lists);
        // What lies beside the usual tokens is rare in a model that has learned to write boxes; only there the vocabulary is walked.
        var others = Enumerable.Range(0, branches.Count).Where(f => branches[f].Draws.Any(draw => !draw.HasTaken)).ToList();
        if (others.Count > 0) PickOthers(others, branches, scores, lists, drawing);
        List<Branch> next = [];
        foreach (var branch in branches)
            next.AddRange(branch.Draws.Where(draw => !draw.Ended).GroupBy(draw => draw.Ids[^1]).Select(same => new Branch(
                branch.Row, [.. branch.Way], [.. same],
                same.First().IsOutside ? null : Grammar(drawing)!.Next(branch.At!.Value, same.Key))));
        foreach (var draw in branches.SelectMany(branch => branch.Draws)) draw.HasTaken = false;
        return next;
    }

    /// <summary>The tokens of those draws whose places are in the stretch of the allowed tokens.</summary>
    private void PickAllowed(List<int> known, List<Branch> branches, Tensor scores, List<IReadOnlyList<int>> lists)
    {
        using Scalar impossible = float.NegativeInfinity;
        var (ids, absent) = TokenChoice.Table(known.ConvertAll(f => lists[f]), scores.device);             // (K, L)
        var own = known.Count == branches.Count ? scores : scores.Rows(Places(known, scores.device));
        var allowed = own.gather(1, ids).masked_fill(absent, impossible);
        var whole = (options.Grammar is null ? own : allowed).logsumexp(1, keepdim: true);
        var probability = Floats(allowed.sub(whole).exp());
        var width = (int)ids.shape[1];
        foreach (var (k, f) in known.Index())
        {
            var row = probability.AsSpan(k * width, lists[f].Count);
            var sum = 0.0;
            foreach (var p in row) sum += p;
            // Restricted, the tokens fill the whole; else what they leave is that of all others.
            var scale = options.Grammar is not null || sum > 1 ? sum : 1;
            foreach (var draw in branches[f].Draws)
            {
                var (at, end, last) = (draw.Place * scale, 0.0, -1);
                for (var i = 0; i < row.Length && (last < 0 || at >= end); i++)
                    if (row[i] > 0) (end, last) = (end + row[i], i);
                if (last >= 0 && (at < end || scale == sum))
                    draw.Take(lists[f][last], endToken, row[last] / scale, (at - (end - row[last])) / row[last]);
                else draw.Leave(sum);
            }
        }
    }

    /// <summary>The tokens of all other draws, from the whole vocabulary without the allowed ones.</summary>
    private void PickOthers(List<int> others, List<Branch> branches, Tensor scores, List<IReadOnlyList<int>> lists, Drawing drawing)
    {
        using Scalar impossible = float.NegativeInfinity;
        var own = scores.Rows(Places(others, scores.device));
        var width = own.shape[1];
        var barred = new bool[others.Count * width];
        foreach (var (k, f) in others.Index())
            foreach (var id in lists[f]) barred[k * width + id] = true;
        var probability = Floats(own.masked_fill(tensor(barred, own.shape).Send(own.device), impossible).softmax(1));
        foreach (var (k, f) in others.Index())
            foreach (var draw in branches[f].Draws.Where(draw => !draw.HasTaken))
            {
                var (end, last) = (0.0, 0.0);
                var token = -1;
                foreach (var id in drawing.Order)
                {
                    var p = (double)probability[k * width + id];
                    if (p <= 0) continue;
                    (token, end, last) = (id, end + p, p);
                    if (draw.Place < end) break;
                }

                draw.Take(token, endToken, last, (draw.Place - (end - last)) / last, outside: true);
            }
    }

    private BoxGrammar? Grammar(Drawing drawing) => options.Grammar ?? drawing.Usual;

    /// <summary>The tokens that the grammar allows, in the drawing's order; none where no grammar tells.</summary>
    private IReadOnlyList<int> Allowed(BoxState at, int left, Drawing drawing)
    {
        if (Grammar(drawing) is not { } grammar) return [];
        if (options.Grammar is null) left = int.MaxValue;
        if (_allowed.TryGetValue((at, left), out var known)) return known;
        return _allowed[(at, left)] = [.. grammar.Allowed(at, left).OrderBy(id => _ranks[id])];
    }

    private static Tensor Places(IEnumerable<int> places, Device device) => tensor([.. places.Select(f => (long)f)]).Send(device);

    private static float[] Floats(Tensor values) => values.cpu().contiguous().data<float>().ToArray();

    /// <summary>Draws of a prompt that agree so far.</summary>
    /// <param name="Row">Of the prompt.</param>
    /// <param name="Way">Places of the tokens on the way here.</param>
    /// <param name="Draws">At least one.</param>
    /// <param name="At">How far the box is; null where no box is being written.</param>
    private sealed record Branch(int Row, List<int> Way, IReadOnlyList<Draw> Draws, BoxState? At);

    private sealed class Draw
    {
        private const double Last = 1 - 1e-7;

        private double _left = 1; // the probability of which a token's own is a share

        public required double Place { get; set; }
        public List<int> Ids { get; } = [];
        public List<double> Logs { get; } = [];
        public bool Ended { get; private set; }

        /// <summary>At this step, already.</summary>
        public bool HasTaken { get; set; }

        /// <summary>It has taken a token that is no part of a box.</summary>
        public bool IsOutside { get; private set; }

        /// <summary>Goes on behind the stretch of the tokens that may be usual.</summary>
        public void Leave(double sum) => (_left, Place) = (1 - sum, Math.Clamp((Place - sum) / Math.Max(1 - sum, 1e-12), 0, Last));

        /// <summary>Goes on within the place of a token, which is then the whole.</summary>
        public void Take(int token, int endToken, double probability, double place, bool outside = false)
        {
            (HasTaken, Place, IsOutside) = (true, Math.Clamp(place, 0, Last), IsOutside || outside);
            Logs.Add(Math.Log(probability * _left));
            _left = 1;
            if (token == endToken) Ended = true;
            else Ids.Add(token);
        }
    }
}
