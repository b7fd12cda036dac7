using Pfmvg.Models.Layers;

namespace Pfmvg.Training.Sharing;

/// <summary>What the backward pass of an adapter needs of the forward pass.</summary>
/// <param name="Dropped">Its input after dropout.</param>
/// <param name="Mask">The factors of dropout.</param>
/// <param name="Low">Between its two factors, scaled.</param>
internal readonly record struct AdapterPass(StepMatrix Dropped, StepMatrix Mask, StepMatrix Low);

/// <summary>A frozen matrix in both orders, with the present values of its adapter, for all workers to read.</summary>
internal sealed unsafe class StepProjection
{
    private readonly StepMatrix _forward, _backward; // (I, O) and (O, I)
    private readonly AdapterWeights? _adapter;
    private readonly StepMatrix _down, _downTransposed, _up, _upTransposed; // (r, I), (I, r), (O, r), (r, O)
    private readonly LoraDropout _dropout;
    private readonly int _inputs, _outputs, _rank;

    /// <summary>Copies the matrix.</summary>
    /// <param name="weights">What the projection multiplies with.</param>
    /// <param name="dropout">Of the adapters.</param>
    /// <param name="memory">Where the copies live.</param>
    public StepProjection(ProjectionWeights weights, LoraDropout dropout, StepMemory memory)
    {
        (_inputs, _outputs, _adapter, _dropout) = ((int)weights.Weight.shape[1], (int)weights.Weight.shape[0], weights.Adapter, dropout);
        _forward = memory.TakeZeros(_inputs, _outputs);
        _forward.CopyTransposed(weights.Weight);
        _backward = memory.TakeZeros(_outputs, _inputs);
        _backward.Copy(weights.Weight);
        if (_adapter is null) return;
        _rank = (int)_adapter.Down.shape[0];
        _down = memory.TakeZeros(_rank, _inputs);
        _downTransposed = memory.TakeZeros(_inputs, _rank);
        _up = memory.TakeZeros(_outputs, _rank);
        _upTransposed = memory.TakeZeros(_rank, _outputs);
    }

    /// <summary>Its adapter, if it has one.</summary>
    public AdapterWeights? Adapter => _adapter;

    /// <summary>Zeros of the size of the adapter's gradients.</summary>
    public AdapterGradients? NewGradients(StepMemory memory) =>
        _adapter is null ? null : new AdapterGradients(memory.TakeZeros(_rank, _inputs), memory.TakeZeros(_outputs, _rank));

    /// <summary>Takes over what the adapter has become.</summary>
    public void Refresh()
    {
        if (_adapter is null) return;
        _down.Copy(_adapter.Down);
        _downTransposed.CopyTransposed(_adapter.Down);
        _up.Copy(_adapter.Up);
        _upTransposed.CopyTransposed(_adapter.Up);
    }

    /// <summary>x (R, I) to y (R, O) without the adapter.</summary>
    public void Multiply(int rows, StepMatrix x, StepMatrix y) => y.Product(rows, _inputs, x, _forward);

    /// <summary>x (R, I) to y (R, O).</summary>
    public AdapterPass Forward(PictureGroup group, StepMatrix x, StepMatrix y, StepMemory memory)
    {
        var rows = group.Ids.Count;
        Multiply(rows, x, y);
        if (_adapter is null) return default;
        var (mask, dropped, low) = (default(StepMatrix), x, memory.Take(rows, _rank));
        if (_dropout.Drops)
        {
            (mask, dropped) = (memory.Take(rows, _inputs), memory.Take(rows, _inputs));
            foreach (var segment in group.Segments)
                for (var row = 0; row < segment.Count; row++)
                    _dropout.Fill(segment.DropoutSeed, _adapter.Index, (uint)((segment.Position + row) * _inputs),
                        new Span<float>(mask.Row(segment.Row + row), _inputs));
            for (var row = 0; row < rows; row++) StepVectors.Multiply(x.Row(row), mask.Row(row), dropped.Row(row), x.Columns);
        }

        low.Product(rows, _inputs, dropped, _downTransposed);
        if (_adapter.Factor != 1)
            for (var row = 0; row < rows; row++) StepVectors.Scale(low.Row(row), _adapter.Factor, low.Columns);
        y.Product(rows, _rank, low, _upTransposed, add: true);
        return new AdapterPass(dropped, mask, low);
    }

    /// <summary>From the gradient towards y to that towards x, and those of the adapter.</summary>
    /// <param name="rows">R.</param>
    /// <param name="pass">Of the forward pass.</param>
    /// <param name="gradient">(R, O).</param>
    /// <param name="to">(R, I).</param>
    /// <param name="add">Adds to it.</param>
    /// <param name="gradients">Get the adapter's.</param>
    /// <param name="memory">For what lies between.</param>
    public void Backward(
        int rows, AdapterPass pass, StepMatrix gradient, StepMatrix to, bool add, AdapterGradients? gradients, StepMemory memory)
    {
        to.Product(rows, _outputs, gradient, _backward, add);
        if (_adapter is null || gradients is null) return;
        var low = memory.Take(rows, _rank);
        low.Product(rows, _outputs, gradient, _up);
        gradients.Up.AddTransposedProduct(_outputs, rows, gradient, pass.Low);
        if (_adapter.Factor != 1)
            for (var row = 0; row < rows; row++) StepVectors.Scale(low.Row(row), _adapter.Factor, low.Columns);
        gradients.Down.AddTransposedProduct(_rank, rows, low, pass.Dropped);
        if (pass.Mask == default)
        {
            to.Product(rows, _rank, low, _down, add: true);
            return;
        }

        var input = memory.Take(rows, _inputs);
        input.Product(rows, _rank, low, _down);
        for (var row = 0; row < rows; row++) StepVectors.AddProduct(input.Row(row), pass.Mask.Row(row), to.Row(row), to.Columns);
    }
}

/// <summary>Gradients of an adapter's factors, of one share of a step.</summary>
/// <param name="Down">(r, I).</param>
/// <param name="Up">(O, r).</param>
internal sealed record AdapterGradients(StepMatrix Down, StepMatrix Up);
