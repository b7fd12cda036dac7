using Pfmvg.Models;
using Pfmvg.Models.Language;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Decoding;

/// <summary>
/// A batch of prompts being continued. Prompts are padded with zero vectors, on the left or, where they share their beginning, after
/// it. A position's number is that of the real positions before it, as in the original's generation.
/// Letters: B rows, U pictures, L prompt length, C width, W vocabulary.
/// </summary>
internal sealed class DecodingState : IDisposable
{
    private readonly GroundingModel _model;
    private KvCache? _cache;
    private readonly long[] _padding;   // for each row, how many positions after the shared ones hold nothing
    private Tensor _paddingColumn;      // the same, (B, 1) on the model's device
    private readonly long _shared;      // positions that all prompts begin with, computed once for each picture
    private Tensor _embeddings;         // (B, positions, C); with a cache only those not yet fed
    private Tensor? _logits;
    private DecoderStep? _step;         // where there is one, the positions after the prompt go through it
    private bool _mayFuse;              // whether there may yet be one
    private readonly long _prompt;      // positions of the prompts
    private long _length;               // positions, fed or not

    /// <summary>Lays the prompts out.</summary>
    /// <param name="model">The model, in evaluation mode.</param>
    /// <param name="prompts">Token ids with <see cref="GroundingModel.ImageToken"/> for visual tokens.</param>
    /// <param name="visual">(B, N, C), or with <paramref name="pictures"/> (U, N, C), or null when the prompts have no pictures.</param>
    /// <param name="options">Longest answer, and how tokens are computed.</param>
    /// <param name="pictures">
    /// For each prompt the row of <paramref name="visual"/> that is its picture; null: each prompt has its own row.
    /// </param>
    public DecodingState(
        GroundingModel model, IReadOnlyList<IReadOnlyList<int>> prompts, Tensor? visual, DecodingOptions options,
        IReadOnlyList<int>? pictures = null)
    {
        using var scope = NewDisposeScope();
        _model = model;
        _mayFuse = options.FusedStep;
        var rows = pictures is null || visual is null ? null : tensor([.. pictures.Select(p => (long)p)]).Send(model.Device);
        _shared = rows is not null && options.UseCache && visual!.shape[0] < prompts.Count ? SharedLength(prompts) : 0;
        var longest = prompts.Max(p => p.Count);
        _length = _prompt = longest;
        _padding = [.. prompts.Select(p => (long)longest - p.Count)];
        _paddingColumn = tensor(_padding).unsqueeze(1).Send(model.Device).DetachFromDisposeScope();
        if (_shared > 0)
        {
            using var beginning = new KvCache(model.Config.Language, visual!.shape[0], _shared, model.Language.Type, model.Device);
            var ids = prompts[0].Take((int)_shared).Select(id => (long)id).ToArray();
            var embedded = model.Embed(tensor(ids).Send(model.Device).unsqueeze(0).expand(visual.shape[0], -1), visual);   // (U, P, C)
            model.Language.call(embedded, new DecoderPass(
                model.Language.RotaryAt(HeldScalars.Range(0, _shared, model.Device)), Cache: beginning)).Dispose();
            _cache = beginning.Spread(model.Config.Language, rows!, _length + options.MaxNewTokens);
            _embeddings = Embedded(prompts, null).DetachFromDisposeScope();
            return;
        }

        _embeddings = Embedded(prompts, rows is null ? visual : visual!.Rows(rows)).DetachFromDisposeScope();
        if (options.UseCache)
            _cache = new KvCache(
                model.Config.Language, prompts.Count, _length + options.MaxNewTokens, model.Language.Type, model.Device);
    }

    /// <summary>The prompts without what they share, padded on the left: (B, L - shared, C).</summary>
    private Tensor Embedded(IReadOnlyList<IReadOnlyList<int>> prompts, Tensor? visual)
    {
        using var scope = NewDisposeScope();
        var (shared, length) = ((int)_shared, _length - _shared);
        var ids = new long[prompts.Count * length];
        for (var row = 0; row < prompts.Count; row++)
            for (var i = shared; i < prompts[row].Count; i++)
                ids[row * length + _padding[row] + i - shared] = prompts[row][i];
        var embeddings = _model.Embed(tensor(ids, [prompts.Count, length]).Send(_model.Device), visual);
        for (var row = 0; row < prompts.Count; row++)
            if (_padding[row] > 0) embeddings[row].narrow(0, 0, _padding[row]).zero_();
        return embeddings.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// How many tokens all prompts begin with, not counting a prompt's last one; 0 when a visual token would come after them.
    /// </summary>

    private static int SharedLength(IReadOnlyList<IReadOnlyList<int>> prompts)
    {
        var length = 0;
        while (prompts.All(p => length + 1 < p.Count && p[length] == prompts[0][length])) length++;
        return prompts.All(p => !p.Skip(length).Contains((int)GroundingModel.ImageToken)) ? length : 0;
    }

    /// <summary>The prompts' embeddings (B, L, C), padding zero.</summary>
    public Tensor Embeddings => _embeddings;

    /// <summary>1 for real positions, 0 for padding: (B, L) int64.</summary>
    public Tensor AttentionMask()
    {
        using var scope = NewDisposeScope();
        return IsPadding(HeldScalars.Range(0, _length, _model.Device).unsqueeze(0), 2).bitwise_not().to(ScalarType.Int64)
            .MoveToOuterDisposeScope();
    }

    /// <summary>Logits (B, W) of the next token of every row; valid until the next call.</summary>
    public Tensor Next()
    {
        using var scope = NewDisposeScope();
        var length = _embeddings.shape[1];
        var first = _length - length;
        using Scalar zero = 0, one = 1;
        var positions = HeldScalars.Range(first, _length, _model.Device).unsqueeze(0).sub(_paddingColumn); // (B, T)
        // In the original padding is at position 1 (cumsum - 1, filled); its output is never used.
        positions = positions.masked_fill(positions.lt(zero), one);
        var rotary = _model.Language.RotaryAt(positions);
        if (_mayFuse && _cache is not null && length == 1) (_step, _mayFuse) = (DecoderStep.For(_model.Language, _cache), false);
        var logits = _step is not null && length == 1
            ? _step.Logits(_embeddings, rotary, [.. _padding.Select(padding => (_shared, _shared + padding))])
            : Logits(new DecoderPass(rotary, Mask(first, length), _cache));
        _logits?.Dispose();
        _logits = logits.DetachFromDisposeScope();
        return _logits;

        Tensor Logits(DecoderPass pass) =>
            _model.Language.Logits(_model.Language.call(_embeddings, pass).narrow(1, length - 1, 1)).squeeze(1);
    }

    /// <summary>Continues every row with a token that the host knows.</summary>
    /// <param name="tokens">One id per row.</param>
    /// <param name="rows">Which old row each new row continues; null when every row continues itself.</param>
    public void Append(IReadOnlyList<long> tokens, IReadOnlyList<long>? rows = null)
    {
        using var scope = NewDisposeScope();
        AppendOnDevice(tensor([.. tokens]).Send(_model.Device), rows);
    }

    /// <summary>Continues every row with a token that need never come to the host.</summary>
    /// <param name="tokens">(B) int64 on the model's device.</param>
    /// <param name="rows">Which old row each new row continues; null when every row continues itself.</param>
    public void AppendOnDevice(Tensor tokens, IReadOnlyList<long>? rows = null)
    {
        using var scope = NewDisposeScope();
        var order = rows is null ? null : tensor([.. rows]).Send(_model.Device);
        var next = _model.Language.EmbedTokens(tokens.unsqueeze(1));                                       // (B, 1, C)
        if (order is not null) _cache?.Reorder(order);
        if (_cache is null)
        {
            var seen = order is null ? _embeddings : _embeddings.Rows(order);
            next = cat([seen, next], 1);
        }

        if (order is not null)
        {
            var old = (Host: _padding.ToArray(), Column: _paddingColumn);
            for (var row = 0; row < rows!.Count; row++) _padding[row] = old.Host[rows[row]];
            _paddingColumn = old.Column.Rows(order).DetachFromDisposeScope();
            old.Column.Dispose();
        }

        _embeddings.Dispose();
        _embeddings = next.DetachFromDisposeScope();
        _length++;
    }

    /// <summary>
    /// Feeds several tokens for each row, which continue the prompt in different ways: what one may look at beside the prompt is said for
    /// each. So all of them share the prompt's keys and values. After this, the rows themselves are not continued any more.
    /// </summary>
    /// <param name="tokens">(B, T) in row order.</param>
    /// <param name="depths">(B, T): how many tokens stand between the prompt and this one.</param>
    /// <param name="sees">
    /// (B, T, N + T): of the N tokens fed before in this way and these T, those on the way to each, itself included.
    /// </param>
    /// <param name="wanted">Places of the tokens that logits are wanted behind; null for all.</param>
    /// <returns>Logits (tokens, W) behind those.</returns>
    public Tensor Branch(long[] tokens, long[] depths, bool[] sees, long[]? wanted = null)
    {
        using var scope = NewDisposeScope();
        if (_cache is not { } cache) throw new InvalidOperationException("Branches need a cache.");
        var (rows, count) = ((long)_padding.Length, tokens.Length / _padding.Length);
        if (cache.Length + count > cache.Capacity)
        {
            _cache = cache.Spread(
                _model.Config.Language, HeldScalars.Range(0, rows, _model.Device), cache.Length + Math.Max(4 * count, cache.Length / 2));
            cache.Dispose();
        }

        _step?.Dispose();
        (_step, _mayFuse) = (null, false);
        using Scalar lowest = LowestScore;
        var embeddings = _model.Language.EmbedTokens(tensor(tokens, [rows, count]).Send(_model.Device));   // (B, T, C)
        var positions = tensor(depths, [rows, count]).Send(_model.Device).Plus(_prompt).sub(_paddingColumn);
        var prompt = IsPadding(HeldScalars.Range(0, _prompt, _model.Device).unsqueeze(0), 2).view(rows, 1, 1, _prompt)
            .expand(rows, 1, count, _prompt);
        var own = tensor(sees, [rows, 1, count, sees.LongLength / tokens.Length]).Send(_model.Device).logical_not();
        var hidden = cat([prompt, own], 3);                                                                 // (B, 1, T, K)
        var mask = zeros(hidden.shape, _model.Language.Type, _model.Device).masked_fill(hidden, lowest);
        var states = _model.Language.call(embeddings, new DecoderPass(_model.Language.RotaryAt(positions), mask, _cache)).flatten(0, 1);
        if (wanted is not null) states = states.Rows(tensor(wanted).Send(_model.Device));
        return _model.Language.Logits(states).MoveToOuterDisposeScope();
    }

    public void Dispose()
    {
        _embeddings.Dispose();
        _paddingColumn.Dispose();
        _logits?.Dispose();
        _step?.Dispose();
        _cache?.Dispose();
    }

    private float LowestScore => _model.Language.Type == ScalarType.Float16 ? -65504f : -3.3895314e38f;

    /// <summary>Null when no row is padded and plain causality is enough.</summary>
    private Tensor? Mask(long first, long length)
    {
        var padded = _padding.Any(p => p > 0);
        if (!padded && (first == 0 || length == 1)) return null;
        using var scope = NewDisposeScope();
        var keys = HeldScalars.Range(0, _length, _model.Device).view(1, 1, 1, -1);
        var queries = HeldScalars.Range(first, _length, _model.Device).view(1, 1, -1, 1);
        var hidden = keys.gt(queries).bitwise_or(IsPadding(keys, 4));                                      // (B, 1, T, K)
        // The most negative number, not -inf: a padding row hides every key and must stay finite.
        using Scalar lowest = LowestScore;
        return zeros(hidden.shape, _model.Language.Type, _model.Device).masked_fill(hidden, lowest).MoveToOuterDisposeScope();
    }

    /// <summary>Which positions hold nothing, for positions (1, ..., K): (B, ..., K).</summary>
    private Tensor IsPadding(Tensor positions, int dimensions)
    {
        using var scope = NewDisposeScope();
        using Scalar shared = _shared;
        var end = _paddingColumn.Plus(shared).view([-1, .. Enumerable.Repeat(1L, dimensions - 1)]);
        return positions.lt(end).bitwise_and(positions.ge(shared)).MoveToOuterDisposeScope();
    }
}
