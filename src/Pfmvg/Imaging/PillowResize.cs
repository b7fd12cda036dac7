using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Pfmvg.Imaging;

/// <summary>The kernel of a resize.</summary>
internal enum ResizeFilter
{
    /// <summary>Cubic convolution with a = -0.5, two pixels to each side.</summary>
    Bicubic,

    /// <summary>The triangle, one pixel to each side.</summary>
    Bilinear,
}

/// <summary>
/// Pillow's resize to the bit: the support widened when shrinking (antialiasing), 22-bit fixed-point weights, a horizontal pass
/// and then a vertical one, each rounded to 8 bits.
/// </summary>
internal static class PillowResize
{
    private const int Precision = 32 - 8 - 2; // bits behind the point of a weight
    private const int RoundingTerm = 1 << (Precision - 1);

    /// <summary>Resizes a rectangle of a picture; pixels outside the rectangle do not bleed in.</summary>
    /// <param name="image">The picture.</param>
    /// <param name="crop">A rectangle inside it.</param>
    /// <param name="width">Pixels per row of the result.</param>
    /// <param name="height">Rows of the result.</param>
    /// <param name="filter">The kernel.</param>
    /// <param name="window">The part of the result that is wanted; null for all of it. Only this part is computed.</param>
    /// <returns>Interleaved samples, height * width * channels, of the result or its window.</returns>
    public static byte[] Run(
        DecodedImage image, Crop crop, int width, int height, ResizeFilter filter = ResizeFilter.Bicubic, Crop? window = null)
    {
        var wanted = window ?? Crop.Whole(width, height);
        var channels = image.Channels;
        var horizontal = new Weights(crop.Width, width, wanted.Left, wanted.Width, filter);
        var vertical = new Weights(crop.Height, height, wanted.Top, wanted.Height, filter);
        var (isAsWide, isAsHigh) = (crop.Width == width, crop.Height == height);
        var (firstRow, endRow) = isAsHigh ? (wanted.Top, wanted.Top + wanted.Height) : vertical.Range;
        (width, height) = (wanted.Width, wanted.Height);
        var narrow = new byte[crop.Height * width]; // one channel after the horizontal pass
        var row = new int[crop.Width + Weights.Lanes];
        var line = new byte[width];
        var result = GC.AllocateUninitializedArray<byte>(width * height * channels);

        for (var channel = 0; channel < channels; channel++)
        {
            for (var y = firstRow; y < endRow; y++)
            {
                var source = image.Pixels.Slice(((crop.Top + y) * image.Width + crop.Left) * channels + channel);
                var target = narrow.AsSpan(y * width, width);
                if (isAsWide)
                {
                    for (var x = 0; x < width; x++) target[x] = source[(wanted.Left + x) * channels];
                    continue;
                }

                Widen(source, channels, row.AsSpan(0, crop.Width));
                horizontal.Blend(row, target);
            }

            for (var y = 0; y < height; y++)
            {
                if (isAsHigh) narrow.AsSpan((wanted.Top + y) * width, width).CopyTo(line);
                else vertical.Blend(y, narrow, line);
                if (channels == 1) line.CopyTo(result, y * width);
                else for (var x = 0; x < width; x++) result[(y * width + x) * channels + channel] = line[x];
            }
        }

        return result;
    }

    private static byte Clip(int sum) => (byte)Math.Clamp(sum >> Precision, 0, 255);

    /// <summary>Eight sums as eight bytes.</summary>
    private static ulong Clip(Vector256<int> sums)
    {
        var values = Vector256.Clamp(sums >> Precision, Vector256<int>.Zero, Vector256.Create(255));
        var shorts = Vector128.Narrow(values.GetLower(), values.GetUpper());
        return Vector128.Narrow(shorts, shorts).AsUInt64()[0];
    }

    private static void Widen(ReadOnlySpan<byte> source, int step, Span<int> target)
    {
        var x = 0;
        if (step == 1)
        {
            for (; x <= target.Length - Vector128<byte>.Count; x += Vector128<byte>.Count)
            {
                var (low, high) = Vector128.Widen(Vector128.Create(source.Slice(x, Vector128<byte>.Count)));
                Vector256.Create(Vector128.WidenLower(low), Vector128.WidenUpper(low)).AsInt32().CopyTo(target[x..]);
                Vector256.Create(Vector128.WidenLower(high), Vector128.WidenUpper(high)).AsInt32().CopyTo(target[(x + 8)..]);
            }
        }

        for (; x < target.Length; x++) target[x] = source[x * step];
    }

    /// <summary>For every output pixel, the input pixels it is mixed from and their fixed-point weights.</summary>
    private sealed class Weights
    {
        /// <summary>Weights are filled up with zeros to a multiple of this, so that whole vectors can be used.</summary>
        public const int Lanes = 8;

        private readonly int _stride;
        private readonly int[] _first, _count, _weight;

        /// <param name="from">Pixels of the source.</param>
        /// <param name="to">Pixels of the whole result.</param>
        /// <param name="start">The first pixel of the result that is wanted.</param>
        /// <param name="wanted">How many are.</param>
        /// <param name="filter">The kernel.</param>
        public Weights(int from, int to, int start, int wanted, ResizeFilter filter)
        {
            var scale = (double)from / to;
            var filterScale = Math.Max(1, scale);
            var support = (filter == ResizeFilter.Bicubic ? 2 : 1) * filterScale;
            var most = (int)Math.Ceiling(support) * 2 + 1;
            _stride = (most + Lanes - 1) / Lanes * Lanes;
            (_first, _count, _weight) = (new int[wanted], new int[wanted], new int[wanted * _stride]);
            var exact = new double[most];
            for (var i = 0; i < wanted; i++)
            {
                var center = (start + i + 0.5) * scale;
                var first = Math.Max(0, (int)(center - support + 0.5));
                var count = Math.Min(from, (int)(center + support + 0.5)) - first;
                var inverse = 1.0 / filterScale;
                var sum = 0.0;
                for (var k = 0; k < count; k++) sum += exact[k] = Kernel(filter, (k + first - center + 0.5) * inverse);
                for (var k = 0; k < count; k++)
                {
                    var weight = sum != 0 ? exact[k] / sum : exact[k];
                    _weight[i * _stride + k] = (int)(weight * (1 << Precision) + (weight < 0 ? -0.5 : 0.5));
                }

                (_first[i], _count[i]) = (first, count);
            }
        }

        /// <summary>The first input pixel that is needed, and the one behind the last.</summary>
        public (int First, int End) Range => (_first.Min(), _first.Zip(_count, (first, count) => first + count).Max());

        /// <summary>An output row from a row of widened pixels, which is longer than the picture by <see cref="Lanes"/>.</summary>
        public void Blend(int[] row, Span<byte> line)
        {
            ref var pixel = ref MemoryMarshal.GetArrayDataReference(row);
            var x = 0;
            if (Avx2.IsSupported)
            {
                for (; x <= line.Length - 8; x += 8)
                {
                    // Eight sums of eight lanes each become one vector.
                    var low = Avx2.HorizontalAdd(
                        Avx2.HorizontalAdd(Products(ref pixel, x), Products(ref pixel, x + 1)),
                        Avx2.HorizontalAdd(Products(ref pixel, x + 2), Products(ref pixel, x + 3)));
                    var high = Avx2.HorizontalAdd(
                        Avx2.HorizontalAdd(Products(ref pixel, x + 4), Products(ref pixel, x + 5)),
                        Avx2.HorizontalAdd(Products(ref pixel, x + 6), Products(ref pixel, x + 7)));
                    var sums = Vector256.Create(low.GetLower() + low.GetUpper(), high.GetLower() + high.GetUpper());
                    BitConverter.TryWriteBytes(line[x..], Clip(sums + Vector256.Create(RoundingTerm)));
                }
            }

            for (; x < line.Length; x++) line[x] = Clip(Vector256.Sum(Products(ref pixel, x)) + RoundingTerm);
        }

        /// <summary>Pixels times weights of output pixel <paramref name="i"/>, lane by lane.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private Vector256<int> Products(ref int row, int i)
        {
            ref var pixel = ref Unsafe.Add(ref row, _first[i]);
            ref var weight = ref Unsafe.Add(ref MemoryMarshal.GetArrayDataReference(_weight), i * _stride);
            var sum = Vector256.LoadUnsafe(ref pixel) * Vector256.LoadUnsafe(ref weight);
            for (nuint k = Lanes; k < (nuint)_count[i]; k += Lanes)
                sum += Vector256.LoadUnsafe(ref pixel, k) * Vector256.LoadUnsafe(ref weight, k);
            return sum;
        }

        /// <summary>Output row <paramref name="i"/> of a picture of one channel.</summary>
        public void Blend(int i, byte[] picture, Span<byte> line)
        {
            var (width, first, count) = (line.Length, _first[i], _count[i]);
            var weights = _weight.AsSpan(i * _stride, count);
            ref var top = ref picture[first * width];
            var x = 0;
            for (; x <= width - 8; x += 8)
            {
                var sum = Vector256.Create(RoundingTerm);
                for (var k = 0; k < count; k++)
                {
                    var eight = Vector128.CreateScalar(Unsafe.ReadUnaligned<ulong>(
                        ref Unsafe.Add(ref top, k * width + x))).AsByte();
                    var words = Vector128.WidenLower(eight);
                    var pixels = Vector256.Create(Vector128.WidenLower(words), Vector128.WidenUpper(words)).AsInt32();
                    sum += pixels * Vector256.Create(weights[k]);
                }

                BitConverter.TryWriteBytes(line[x..], Clip(sum));
            }

            for (; x < width; x++)
            {
                var sum = RoundingTerm;
                for (var k = 0; k < count; k++) sum += Unsafe.Add(ref top, k * width + x) * weights[k];
                line[x] = Clip(sum);
            }
        }

        private static double Kernel(ResizeFilter filter, double x)
        {
            const double a = -0.5;
            x = Math.Abs(x);
            if (filter == ResizeFilter.Bilinear) return Math.Max(0, 1 - x);
            return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1
                : x < 2 ? (((x - 5) * x + 8) * x - 4) * a
                : 0;
        }
    }
}
