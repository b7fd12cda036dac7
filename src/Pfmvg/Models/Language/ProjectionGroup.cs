using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;

namespace Pfmvg.Models.Language;

/// <summary>Projections of the same input, multiplied together, each with its adapter.</summary>
internal sealed unsafe class ProjectionGroup : IDisposable
{
    private readonly StepMemory _memory;
    private readonly List<(ThinMatrix Matrix, nint To)> _products = [];
    private readonly List<AdapterSum> _adapters = [];
    private readonly long _pieces, _blocks;
    private readonly ThinMatrix? _otherOrder; // an adapter's matrix that reads the input in another order than the frozen ones

    /// <summary>Prepares the matrices, which stay where they are.</summary>
    /// <param name="memory">Holds the input.</param>
    /// <param name="projections">The projections.</param>
    /// <param name="to">The output (R, O) of each.</param>
    public ProjectionGroup(StepMemory memory, IReadOnlyList<ProjectionWeights> projections, params float*[] to)
    {
        _memory = memory;
        foreach (var (index, (weight, scale, adapter)) in projections.Index())
        {
            _products.Add((new ThinMatrix(weight, scale, ThinVectors.Lanes), (nint)to[index]));
            if (adapter is null) continue;
            var low = memory.Reserve(adapter.Down.shape[0]);
            _products.Add((new ThinMatrix(adapter.Down, null, ThinVectors.Lanes), (nint)low));
            _adapters.Add(new AdapterSum(adapter, low, to[index]));
        }

        _otherOrder = _products.Select(product => product.Matrix).FirstOrDefault(matrix => !ReadsLikeFirst(matrix));
        _pieces = _products.Sum(product => product.Matrix.Pieces);
        _blocks = _adapters.Sum(adapter => adapter.Blocks);
    }

    /// <summary>Width of the first projection's output.</summary>
    public long Outputs => _products[0].Matrix.Outputs;

    /// <summary>Computes all outputs from the input.</summary>
    public void Multiply(int threads)
    {
        _products[0].Matrix.LayOut(_memory.Input, _memory.LaidOut, _memory.Rows);
        _otherOrder?.LayOut(_memory.Input, _memory.LaidOutForAdapters, _memory.Rows);
        ThreadTeam.Run(threads, _pieces, MultiplyPiece);
        if (_blocks > 0) ThreadTeam.Run(threads, _blocks, AddAdapterBlock);
    }

    public void Dispose()
    {
        foreach (var (matrix, _) in _products) matrix.Dispose();
    }

    private bool ReadsLikeFirst(ThinMatrix matrix) => matrix.TakesPairs == _products[0].Matrix.TakesPairs;

    private void MultiplyPiece(long piece)
    {
        foreach (var (matrix, to) in _products)
        {
            if (piece < matrix.Pieces)
            {
                matrix.Multiply(piece, ReadsLikeFirst(matrix) ? _memory.LaidOut : _memory.LaidOutForAdapters, (float*)to, _memory.Rows);
                return;
            }

            piece -= matrix.Pieces;
        }
    }

    private void AddAdapterBlock(long block)
    {
        foreach (var adapter in _adapters)
        {
            if (block < adapter.Blocks)
            {
                adapter.Add(block, _memory.Rows);
                return;
            }

            block -= adapter.Blocks;
        }
    }

    /// <summary>y += factor B low, with B (O, r) and low = A x (R, r).</summary>
    private sealed class AdapterSum(AdapterWeights weights, float* low, float* to)
    {
        private const int BlockOutputs = 128; // that a thread takes at a time

        private static readonly ThinVectors Vectors = new(ThinVectors.Lanes);

        private readonly float* _up = (float*)TensorMemory.Address(weights.Up);
        private readonly int _outputs = (int)weights.Up.shape[0], _rank = (int)weights.Up.shape[1];
        private readonly float _factor = weights.Factor;

        public long Blocks => (_outputs + BlockOutputs - 1) / BlockOutputs;

        public void Add(long block, int rows)
        {
            var end = Math.Min(_outputs, (block + 1) * BlockOutputs);
            for (var output = block * BlockOutputs; output < end; output++)
            {
                for (var row = 0; row < rows; row += 4)
                {
                    var sums = Vectors.Dots(_up + output * _rank, Low(row), Low(row + 1), Low(row + 2), Low(row + 3), _rank);
                    for (var i = 0; i < Math.Min(4, rows - row); i++) to[(long)(row + i) * _outputs + output] += _factor * sums[i];
                }

                float* Low(int row) => low + (long)Math.Min(row, rows - 1) * _rank;
            }
        }
    }
}
