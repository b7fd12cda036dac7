using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Kernels;

/// <summary>
/// A matrix W (O, I) in memory, in float32, bfloat16 or int8, for products with few rows: all threads together read it once, in order, so
/// that memory is the limit up to 8 rows. Products and sums are float32; a row's result does not depend on the others.
/// </summary>
internal sealed unsafe class ThinMatrix : IDisposable
{
    private const int RowsAtOnce = 8;     // of a tile; the last one has those that are left
    private const int FewRows = 4;        // whose sums fit into 16 registers
    private const int LargestStep = 2 * ThinVectors.MostLanes; // weights that are widened together, into two vectors; I is a multiple
    private const int Piece = 96;         // outputs that a thread takes at a time
    private const int MostAlone = 6144;   // inputs of a row that stays in a core's first cache, beside the weights that pass

    private readonly Tensor _weight;
    private readonly Tensor? _scales;
    private readonly byte* _first;
    private readonly float* _scale;
    private readonly int _lanes;

    /// <summary>Whether the processor has vectors, and the matrix a type and sizes, that are known here.</summary>
    public static bool Fits(Tensor weight) =>
        ThinVectors.Lanes > 0 && weight.device_type == DeviceType.CPU && weight.is_contiguous()
        && weight.dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Int8
        && weight.shape[0] >= 4 && weight.shape[1] % LargestStep == 0;

    /// <param name="weight">(O, I), which stays where it is.</param>
    /// <param name="scale">(O), by which the outputs of an int8 matrix are multiplied.</param>
    /// <param name="lanes">Of the vectors: <see cref="ThinVectors.Lanes"/>, or fewer.</param>
    public ThinMatrix(Tensor weight, Tensor? scale, int lanes)
    {
        (_weight, _lanes) = (weight, lanes);
        (Outputs, Inputs) = (weight.shape[0], weight.shape[1]);
        _scales = scale?.to(ScalarType.Float32).contiguous().DetachFromDisposeScope();
        _first = TensorMemory.Address(weight);
        _scale = _scales is null ? null : (float*)TensorMemory.Address(_scales);
        TakesPairs = weight.dtype == ScalarType.BFloat16;
    }

    public void Dispose() => _scales?.Dispose();

    public long Inputs { get; }

    public long Outputs { get; }

    /// <summary>Parts that can be multiplied at the same time.</summary>
    public long Pieces => (Outputs + Piece - 1) / Piece;

    /// <summary>Whether x is laid out with even and odd values apart, as bfloat16 weights are read.</summary>
    public bool TakesPairs { get; }

    /// <summary>
    /// Brings x into the order in which it is read. The rows of a tile take turns, a step of two vectors at a time, since whole rows begin
    /// at addresses that displace each other from the cache. For bfloat16 a step's even values come before its odd ones.
    /// </summary>
    /// <param name="x">(R, I).</param>
    /// <param name="to">(R, I).</param>
    /// <param name="rows">R.</param>
    public void LayOut(float* x, float* to, long rows)
    {
        var step = 2 * _lanes;
        for (var row = 0L; row < rows; row++)
        {
            var tile = row / RowsAtOnce * RowsAtOnce;
            var together = Together(rows, tile);
            float* from = x + row * Inputs, place = to + tile * Inputs + (row - tile) * step;
            for (var at = 0L; at < Inputs; at += step, place += together * step)
                if (!TakesPairs) Buffer.MemoryCopy(from + at, place, step * sizeof(float), step * sizeof(float));
                else if (_lanes == 16) Float16Lanes.Part(from + at, place);
                else
                    for (var i = 0; i < _lanes; i++) (place[i], place[_lanes + i]) = (from[at + 2 * i], from[at + 2 * i + 1]);
        }
    }

    private static int Together(long rows, long tile) => (int)Math.Min(RowsAtOnce, rows - tile);

    /// <summary>Some neighbouring outputs of all rows.</summary>
    /// <param name="piece">Which of the <see cref="Pieces"/>.</param>
    /// <param name="x">(R, I), laid out.</param>
    /// <param name="y">(R, O).</param>
    /// <param name="rows">R.</param>
    public void Multiply(long piece, float* x, float* y, long rows)
    {
        if (_lanes == 16) Multiply<Float16Lanes>(piece, x, y, rows);
        else if (_lanes == 8) Multiply<Float8Lanes>(piece, x, y, rows);
        else Multiply<Float4Lanes>(piece, x, y, rows);
    }

    private void Multiply<T>(long piece, float* x, float* y, long rows) where T : struct, IFloatVector<T>
    {
        switch (_weight.dtype)
        {
            case ScalarType.BFloat16: Multiply<T, BFloat16Pairs<T>>(piece, x, y, rows); break;
            case ScalarType.Int8: Multiply<T, Int8Weights<T>>(piece, x, y, rows); break;
            default: Multiply<T, Float32Weights<T>>(piece, x, y, rows); break;
        }
    }

    private void Multiply<T, TWeights>(long piece, float* x, float* y, long rows)
        where T : struct, IFloatVector<T>
        where TWeights : struct, IThinWeights<T>
    {
        var kernel = new ThinKernel(_first, Inputs);
        var (first, end) = (piece * Piece, Math.Min(Outputs, (piece + 1) * Piece));
        var kept = stackalloc float[Piece * ThinKernel.Room]; // (outputs of the piece, rows of a tile)
        var sums = kept - first * ThinKernel.Room;
        for (var row = 0L; row < rows; row += RowsAtOnce)
        {
            var together = Together(rows, row);
            var tile = x + row * Inputs;
            var part = T.HasManyRegisters || together <= FewRows ? together : (together + 1) / 2; // rows whose sums fit into registers
            new Span<float>(kept, Piece * ThinKernel.Room).Clear();
            if (together == 1 && T.Lanes == 16 && TWeights.Size > 1 && Inputs is >= ThinKernel.InputsAtOnce and <= MostAlone)
                for (var output = first; output < end; output++) kernel.OneOutput<T, TWeights>(tile, sums, output);
            else if (together == 1 && T.Lanes == 16 && TWeights.Size == 1 && Inputs == 4 * ThinKernel.InputsAtOnce)
                for (var output = first; output < end; output++) kernel.OneOutputOfFourSums<T, TWeights>(tile, sums, output);
            else if (together == 1)
                for (var output = first; output < end; output += 4)
                    kernel.FourOutputs<T, TWeights>(tile, sums, Math.Min(output, Outputs - 4), output);
            else
                for (var from = 0L; from < Inputs; from += ThinKernel.InputsAtOnce)
                    for (var output = first; output < end; output += 3)
                        for (var done = 0; done < together; done += part)
                            kernel.Rows<T, TWeights>(Math.Min(part, together - done), tile + done * 2 * T.Lanes, sums + done,
                                Math.Min(output, Outputs - 3), output, from, Math.Min(Inputs, from + ThinKernel.InputsAtOnce), together);

            for (var r = 0; r < together; r++)
                for (var output = first; output < end; output++)
                    y[(row + r) * Outputs + output] = sums[output * ThinKernel.Room + r] * (_scale is null ? 1 : _scale[output]);
        }
    }
}
