using Pfmvg.Models.Kernels;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Training.Sharing;

/// <summary>A float32 matrix, row by row. Its columns end with zeros up to a multiple of 16.</summary>
/// <param name="Data">The first element.</param>
/// <param name="Columns">Columns, the zeros included.</param>
/// <param name="Stride">From a row to the next: never a power of two, whose rows would fight for the same places in the cache.</param>
internal readonly unsafe record struct StepMatrix(nint Data, int Columns, int Stride)
{
    /// <summary>The first element.</summary>
    public float* First => (float*)Data;

    /// <summary>The columns that a matrix of this many numbers in a row has.</summary>
    public static int Padded(int columns) => (columns + TileProduct.Columns - 1) / TileProduct.Columns * TileProduct.Columns;

    /// <summary>A row.</summary>
    public float* Row(int row) => First + (long)row * Stride;

    /// <summary>The rows from one on, of the columns from one on.</summary>
    public StepMatrix From(int row, int column = 0) => this with { Data = (nint)(Row(row) + column), Columns = Columns - column };

    /// <summary>this (+)= a b.</summary>
    /// <param name="rows">Of a.</param>
    /// <param name="depth">Of the sums.</param>
    /// <param name="a">(rows, depth).</param>
    /// <param name="b">(depth, columns).</param>
    /// <param name="add">Adds instead of overwriting.</param>
    /// <param name="columns">How many; 0 for all.</param>
    public void Product(int rows, int depth, StepMatrix a, StepMatrix b, bool add = false, int columns = 0) =>
        TileProduct.Multiply(
            rows, columns > 0 ? columns : Columns, depth, a.First, a.Stride, 1, b.First, b.Stride, First, Stride, add);

    /// <summary>this += a^T b, with a (depth, rows) and b (depth, columns).</summary>
    public void AddTransposedProduct(int rows, int depth, StepMatrix a, StepMatrix b, int columns = 0) =>
        TileProduct.Multiply(
            rows, columns > 0 ? columns : Columns, depth, a.First, 1, a.Stride, b.First, b.Stride, First, Stride, add: true);

    /// <summary>Sets rows to zero.</summary>
    public void Clear(int rows)
    {
        for (var row = 0; row < rows; row++) new Span<float>(Row(row), Columns).Clear();
    }

    /// <summary>Copies a contiguous tensor (rows, columns) of float32.</summary>
    public void Copy(Tensor from)
    {
        var (rows, columns) = ((int)from.shape[0], (int)from.shape[1]);
        var source = (float*)TensorMemory.Address(from);
        for (var row = 0; row < rows; row++)
            new Span<float>(source + (long)row * columns, columns).CopyTo(new Span<float>(Row(row), columns));
        GC.KeepAlive(from);
    }

    /// <summary>Copies the transposed of a contiguous tensor (columns, rows) of float32.</summary>
    public void CopyTransposed(Tensor from)
    {
        var (rows, columns) = ((int)from.shape[1], (int)from.shape[0]);
        var source = (float*)TensorMemory.Address(from);
        for (var column = 0; column < columns; column++)
            for (var row = 0; row < rows; row++) Row(row)[column] = source[(long)column * rows + row];
        GC.KeepAlive(from);
    }

    /// <summary>Adds the first columns of the first rows to a contiguous tensor (rows, columns) of float32, and sets all to zero.</summary>
    public void MoveTo(Tensor sum)
    {
        var (rows, columns) = ((int)sum.shape[0], (int)sum.shape[1]);
        var target = (float*)TensorMemory.Address(sum);
        for (var row = 0; row < rows; row++)
            for (var column = 0; column < columns; column++) target[(long)row * columns + column] += Row(row)[column];
        Clear(rows);
        GC.KeepAlive(sum);
    }
}

/// <summary>
/// Memory for matrices that live as long as a pass: taken piece by piece, given back all at once, and used again. Whoever uses a matrix
/// holds its memory.
/// </summary>
internal sealed unsafe class StepMemory
{
    private const int Block = 1 << 21; // numbers
    private const int Line = 16;       // numbers of a line of the cache

    private readonly List<float[]> _blocks = []; // pinned
    private int _block, _used;

    /// <summary>A matrix with whatever is in its memory.</summary>
    public StepMatrix Take(int rows, int columns)
    {
        var padded = StepMatrix.Padded(columns);
        var stride = padded + TileProduct.Columns;
        return new StepMatrix((nint)TakeLines(checked(rows * stride)), padded, stride);
    }

    /// <summary>A matrix of zeros.</summary>
    public StepMatrix TakeZeros(int rows, int columns)
    {
        var matrix = Take(rows, columns);
        new Span<float>(matrix.First, rows * matrix.Stride).Clear();
        return matrix;
    }

    /// <summary>Numbers side by side, with whatever is in their memory.</summary>
    public float* TakeNumbers(int count) => TakeLines(StepMatrix.Padded(count));

    /// <summary>Gives everything back.</summary>
    public void Reset() => (_block, _used) = (0, 0);

    private float* TakeLines(int count)
    {
        while (_block < _blocks.Count && _used + count + Line > _blocks[_block].Length) (_block, _used) = (_block + 1, 0);
        if (_block == _blocks.Count) _blocks.Add(GC.AllocateUninitializedArray<float>(Math.Max(count + Line, Block), pinned: true));
        fixed (float* start = _blocks[_block])
        {
            var first = start + (Line - (nint)start / sizeof(float) % Line) % Line + _used;
            _used += count;
            return first;
        }
    }
}
