using Pfmvg.Models;

namespace Pfmvg.Training.Sharing;

/// <summary>
/// One thread's forward and backward pass: what the modules and autograd compute, for a group at a time, so that everything between two
/// products lies in the cache. R rows, C hidden width, N visual tokens.
/// </summary>
/// <param name="weights">Those of all workers.</param>
internal sealed unsafe class StepWorker(StepWeights weights)
{
    private readonly StepMemory _memory = new();
    private readonly StepAttention _attention = new(weights.Config.Heads, weights.Config.HeadSize);
    private readonly int _width = weights.Config.HiddenSize, _inner = weights.Config.IntermediateSize;
    private readonly float _eps = (float)weights.Config.RmsNormEps;
    private readonly List<(float[] Cos, float[] Sin)> _angles = []; // by position

    /// <summary>Adds the gradients of a group's summed loss, and returns that.</summary>
    /// <param name="group">The sequences.</param>
    /// <param name="features">Of its picture, (N, 4V) row by row.</param>
    /// <param name="sums">Get the gradients.</param>
    /// <param name="toFeatures">Gets the gradient towards the features, (N, 4V) row by row; null when nobody wants it.</param>
    public double Learn(PictureGroup group, float* features, StepGradients sums, float* toFeatures)
    {
        _memory.Reset();
        var rows = group.Ids.Count;
        var picture = new StepMatrix((nint)features, weights.FeatureWidth, weights.FeatureWidth);
        var hidden = Embed(group, picture);
        var passes = new List<LayerPass>();
        foreach (var layer in weights.Layers)
        {
            var (next, pass) = Forward(layer, group, hidden);
            passes.Add(pass);
            hidden = next;
        }

        var (loss, gradient) = Loss(group, hidden, sums);
        for (var i = passes.Count - 1; i >= 0; i--) Backward(weights.Layers[i], group, passes[i], gradient, sums);
        var toVisual = _memory.TakeZeros(weights.VisualTokens, _width);
        foreach (var (row, token) in VisualRows(group))
            if (token >= 0) StepVectors.Add(toVisual.Row(token), gradient.Row(row), toVisual.Columns);
        sums.Projector.AddTransposedProduct(_width, weights.VisualTokens, toVisual, picture);
        for (var token = 0; token < weights.VisualTokens; token++) StepVectors.Add(sums.Bias.First, toVisual.Row(token), _width);
        if (toFeatures is not null)
            new StepMatrix((nint)toFeatures, weights.FeatureWidth, weights.FeatureWidth)
                .Product(weights.VisualTokens, _width, toVisual, weights.ProjectorBackward);
        return loss;
    }

    // For each row which visual token stands there; -1 for text.
    private IEnumerable<(int Row, int Token)> VisualRows(PictureGroup group)
    {
        var shared = Enumerable.Range(0, group.Shared.Count).Count(IsVisual);
        foreach (var segment in group.Segments)
        {
            var next = segment.Position > 0 ? shared : 0;
            for (var row = segment.Row; row < segment.Row + segment.Count; row++)
                yield return (row, IsVisual(row) ? Math.Min(next++, weights.VisualTokens - 1) : -1);
        }

        bool IsVisual(int row) => group.Ids[row] == GroundingModel.ImageToken;
    }

    private StepMatrix Embed(PictureGroup group, StepMatrix picture)
    {
        var visual = _memory.Take(weights.VisualTokens, _width);
        visual.Product(weights.VisualTokens, weights.FeatureWidth, picture, weights.Projector);
        for (var token = 0; token < weights.VisualTokens; token++) StepVectors.Add(visual.Row(token), weights.Bias, _width);
        var hidden = _memory.Take(group.Ids.Count, _width);
        foreach (var (row, token) in VisualRows(group))
            new Span<float>(token >= 0 ? visual.Row(token) : weights.Embedding.Row(group.Ids[row]), _width)
                .CopyTo(new Span<float>(hidden.Row(row), _width));
        return hidden;
    }

    private (StepMatrix Hidden, LayerPass Pass) Forward(StepLayer layer, PictureGroup group, StepMatrix hidden)
    {
        var rows = group.Ids.Count;
        var normed = _memory.Take(rows, _width);
        var scales = _memory.TakeNumbers(rows);
        for (var row = 0; row < rows; row++)
            scales[row] = StepVectors.Normalise(hidden.Row(row), layer.AttentionNorm, normed.Row(row), _width, _eps);
        var (q, k, v) = (_memory.Take(rows, _width), _memory.Take(rows, _width), _memory.Take(rows, _width));
        var attention = layer.Attention;
        var query = attention.Query.Forward(group, normed, q, _memory);
        var key = attention.Key.Forward(group, normed, k, _memory);
        var value = attention.Value.Forward(group, normed, v, _memory);
        Rotate(group, q, 1);
        Rotate(group, k, 1);
        var mixed = _memory.Take(rows, _width);
        var probabilities = _attention.Forward(group, q, k, v, mixed, _memory);
        var attended = _memory.Take(rows, _width);
        var output = attention.Output.Forward(group, mixed, attended, _memory);
        var normedAgain = _memory.Take(rows, _width);
        var scalesAgain = _memory.TakeNumbers(rows);
        for (var row = 0; row < rows; row++)
        {
            StepVectors.Add(attended.Row(row), hidden.Row(row), _width);
            scalesAgain[row] = StepVectors.Normalise(attended.Row(row), layer.MlpNorm, normedAgain.Row(row), _width, _eps);
        }

        var (gate, up, gated) = (_memory.Take(rows, _inner), _memory.Take(rows, _inner), _memory.Take(rows, _inner));
        var toGate = layer.Mlp.Gate.Forward(group, normedAgain, gate, _memory);
        var toUp = layer.Mlp.Up.Forward(group, normedAgain, up, _memory);
        for (var row = 0; row < rows; row++) StepVectors.Gate(gate.Row(row), up.Row(row), gated.Row(row), gate.Columns);
        var next = _memory.Take(rows, _width);
        var down = layer.Mlp.Down.Forward(group, gated, next, _memory);
        for (var row = 0; row < rows; row++) StepVectors.Add(next.Row(row), attended.Row(row), _width);
        return (next, new LayerPass(hidden, (nint)scales, q, k, v, probabilities, attended, (nint)scalesAgain, gate, up,
            query, key, value, output, toGate, toUp, down));
    }

    // From the gradient towards a layer's output to that towards its input, where it lies.
    private void Backward(StepLayer layer, PictureGroup group, LayerPass pass, StepMatrix gradient, StepGradients sums)
    {
        var rows = group.Ids.Count;
        var (gated, normed) = (_memory.Take(rows, _inner), _memory.Take(rows, _width));
        Backward(layer.Mlp.Down, pass.Down, gradient, gated, add: false);
        for (var row = 0; row < rows; row++)
            StepVectors.GateGradients(pass.Gate.Row(row), pass.Up.Row(row), gated.Row(row), gated.Columns);
        Backward(layer.Mlp.Gate, pass.ToGate, pass.Gate, normed, add: false);
        Backward(layer.Mlp.Up, pass.ToUp, pass.Up, normed, add: true);
        AddNormGradients(pass.Attended, layer.MlpNorm, pass.ScalesAgain);

        var (q, k, v, mixed) = (_memory.Take(rows, _width), _memory.Take(rows, _width), _memory.Take(rows, _width), normed);
        Backward(layer.Attention.Output, pass.Output, gradient, mixed, add: false);
        _attention.Backward(group, pass.Q, pass.K, pass.V, pass.Probabilities, mixed, q, k, v, _memory);
        Rotate(group, q, -1);
        Rotate(group, k, -1);
        Backward(layer.Attention.Query, pass.Query, q, normed, add: false);
        Backward(layer.Attention.Key, pass.Key, k, normed, add: true);
        Backward(layer.Attention.Value, pass.Value, v, normed, add: true);
        AddNormGradients(pass.Hidden, layer.AttentionNorm, pass.Scales);

        void Backward(StepProjection projection, AdapterPass adapter, StepMatrix from, StepMatrix to, bool add) =>
            projection.Backward(rows, adapter, from, to, add, sums.Of(projection), _memory);

        void AddNormGradients(StepMatrix input, float* weight, nint scales)
        {
            for (var row = 0; row < rows; row++)
                StepVectors.AddNormGradient(input.Row(row), weight, ((float*)scales)[row], normed.Row(row), gradient.Row(row), _width);
        }
    }

    private (double Loss, StepMatrix Gradient) Loss(PictureGroup group, StepMatrix hidden, StepGradients sums)
    {
        var (count, vocabulary) = (group.Targets.Count, weights.Config.VocabularySize);
        var gradient = _memory.TakeZeros(group.Ids.Count, _width);
        var (normed, logits) = (_memory.Take(count, _width), _memory.Take(count, vocabulary));
        var scales = _memory.TakeNumbers(count);
        for (var i = 0; i < count; i++)
            scales[i] = StepVectors.Normalise(hidden.Row(group.Targets[i].Row), weights.Norm, normed.Row(i), _width, _eps);
        weights.Head.Multiply(count, normed, logits);
        var loss = 0.0;
        for (var i = 0; i < count; i++)
            loss += group.Terms is { } terms
                ? StepLoss.Replace(terms.Rules, logits.Row(i), group.Targets[i].Token, vocabulary, terms.Terms[i])
                : StepVectors.CrossEntropy(logits.Row(i), group.Targets[i].Token, vocabulary);
        var toBoxes = group.Boxes.Count == 0 ? null : weights.BoxHead?.Learn(group.Boxes, normed, _width, sums.BoxHead);
        weights.Head.Backward(count, default, logits, normed, add: false, null, _memory);
        if (toBoxes is not null)
            fixed (float* first = toBoxes)
                for (var box = 0; box < group.Boxes.Count; box++)
                    StepVectors.Add(normed.Row(group.Boxes[box].Target), first + box * _width, _width);
        for (var i = 0; i < count; i++)
        {
            var row = group.Targets[i].Row;
            StepVectors.AddNormGradient(hidden.Row(row), weights.Norm, scales[i], normed.Row(i), gradient.Row(row), _width);
        }

        return (loss, gradient);
    }

    private void Rotate(PictureGroup group, StepMatrix x, float sign)
    {
        var half = weights.Config.HeadSize / 2;
        foreach (var segment in group.Segments)
        {
            for (var row = 0; row < segment.Count; row++)
            {
                var (cos, sin) = Angles(segment.Position + row, half);
                fixed (float* c = cos, s = sin) StepVectors.Rotate(x.Row(segment.Row + row), c, s, weights.Config.Heads, half, sign);
            }
        }
    }

    private (float[] Cos, float[] Sin) Angles(int position, int half)
    {
        for (var next = _angles.Count; next <= position; next++)
        {
            var angles = new float[half];
            for (var i = 0; i < half; i++) angles[i] = next * (float)Math.Pow(weights.Config.RopeTheta, -i / (double)half);
            _angles.Add(([.. angles.Select(MathF.Cos)], [.. angles.Select(MathF.Sin)]));
        }

        return _angles[position];
    }

    // What the backward pass of a layer needs of the forward pass. Gate and Up become the gradients towards them.
    private sealed record LayerPass(StepMatrix Hidden, nint Scales, StepMatrix Q, StepMatrix K, StepMatrix V,
        List<StepMatrix> Probabilities, StepMatrix Attended, nint ScalesAgain, StepMatrix Gate, StepMatrix Up,
        AdapterPass Query, AdapterPass Key, AdapterPass Value, AdapterPass Output, AdapterPass ToGate, AdapterPass ToUp, AdapterPass Down);
}
