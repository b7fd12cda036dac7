using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Models.Building;

/// <summary>
/// Random weights at full size, for measuring and for trying the loader, not for learning. A value depends only on the seed, the
/// tensor's name and its place, so that any part can be made at any time; gigabytes take seconds.
/// </summary>
/// <remarks>
/// Norms are 1, biases 0, matrices have mean 0 and the variance that keeps activations at a constant scale. Each value is a
/// sum of the four bytes of a hashed counter: nearly normal, at most 3.5 deviations from 0.
/// </remarks>
internal static class RandomWeights
{
    private const int Piece = 1 << 18;                                       // elements that a thread makes at once
    private const float ByteSumMean = 4 * 127.5f;
    private static readonly float ByteSumDeviation = MathF.Sqrt(4 * (256f * 256f - 1) / 12);

    /// <summary>Fills a whole model in place, in its own types, without a copy of it.</summary>
    public static void Fill(GroundingModel model, long seed)
    {
        using var quiet = no_grad();
        foreach (var (name, parameter) in model.named_parameters())
        {
            if (ParameterNames.IsScale(name)) continue;
            using var scope = NewDisposeScope();
            var isInt8 = parameter.dtype == ScalarType.Int8;
            if (parameter.device_type == DeviceType.CPU && !isInt8)
            {
                Fill(parameter.detach(), name, seed);
                continue;
            }

            var values = Values(name, isInt8 ? ScalarType.BFloat16 : parameter.dtype, parameter.shape, seed);
            ModelBuilder.Put(model, name, parameter, values);
        }
    }

    /// <summary>The values of one parameter of a model, on the CPU; the caller's scope owns them.</summary>
    /// <param name="name">The parameter's name in <see cref="GroundingModel"/>.</param>
    /// <param name="type">A floating type.</param>
    /// <param name="shape">Its shape.</param>
    /// <param name="seed">Seed.</param>
    public static Tensor Values(string name, ScalarType type, long[] shape, long seed)
    {
        using var scope = NewDisposeScope();
        var direct = type is ScalarType.Float32 or ScalarType.BFloat16;
        var tensor = empty(shape, direct ? type : ScalarType.Float32);
        Fill(tensor, name, seed);
        return tensor.to(type).MoveToOuterDisposeScope();
    }

    /// <summary>What a fresh weight is: a constant (deviation 0) or random with mean 0.</summary>
    internal static (double Constant, double Deviation) Distribution(string name, long[] shape)
    {
        if (ParameterNames.IsNormWeight(name)) return (1, 0);
        if (shape.Length < 2) return (0, 0);
        return (0, name.Contains("embed", StringComparison.Ordinal)
            ? 0.02 : 1 / Math.Sqrt(shape.Skip(1).Aggregate(1.0, (product, size) => product * size)));
    }

    private static unsafe void Fill(Tensor tensor, string name, long seed)
    {
        var (constant, deviation) = Distribution(name, tensor.shape);
        if (deviation == 0)
        {
            using Scalar value = constant;
            tensor.fill_(value);
            return;
        }

        var key = (long)new CounterRandom(seed, "quick weights " + name).NextBits();
        var normal = new NearlyNormal((float)(deviation / ByteSumDeviation));
        var (type, length) = (tensor.dtype, tensor.numel());
        var memory = TensorMemory.Address(tensor);
        Parallel.For(0, (length + Piece - 1) / Piece, index =>
        {
            var count = (int)Math.Min(Piece, length - index * Piece);
            var bits = new CounterBits(new CounterRandom(key, "piece", index).NextBits());
            if (type == ScalarType.Float32)
            {
                bits.Fill(new Span<float>(memory + index * Piece * sizeof(float), count), 0, normal);
                return;
            }

            Span<float> block = stackalloc float[2048];
            for (var at = 0; at < count; at += block.Length)
            {
                var part = block[..Math.Min(block.Length, count - at)];
                bits.Fill(part, (uint)at, normal);
                FloatBlocks.Convert(MemoryMarshal.AsBytes(part), ScalarType.Float32,
                    new Span<byte>(memory + (index * Piece + at) * 2, part.Length * 2), type);
            }
        });
        GC.KeepAlive(tensor);
    }

    private readonly struct NearlyNormal(float scale) : IVectorFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public Vector<float> FromBits(Vector<uint> bits)
        {
            var low = new Vector<uint>(0xFF);
            var sum = (bits & low) + ((bits >> 8) & low) + ((bits >> 16) & low) + (bits >> 24);
            return (Vector.ConvertToSingle(Vector.AsVectorInt32(sum)) - new Vector<float>(ByteSumMean)) * scale;
        }
    }
}
