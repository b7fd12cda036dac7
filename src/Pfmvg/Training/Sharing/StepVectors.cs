using System.Numerics;

namespace Pfmvg.Training.Sharing;

/// <summary>
/// What lies between the products of a training step, row by row, each in one pass: forward, and backward from the gradient of the result.
/// Counts are multiples of 16.
/// </summary>
internal static unsafe class StepVectors
{
    /// <summary>Stands for minus infinity: its exponential is 0.</summary>
    private const float Hidden = -1e9f;

    private static int Lanes => Vector<float>.Count;

    /// <summary>x += y.</summary>
    public static void Add(float* x, float* y, int count)
    {
        for (var i = 0; i < count; i += Lanes) (Vector.Load(x + i) + Vector.Load(y + i)).Store(x + i);
    }

    /// <summary>to = x y.</summary>
    public static void Multiply(float* x, float* y, float* to, int count)
    {
        for (var i = 0; i < count; i += Lanes) (Vector.Load(x + i) * Vector.Load(y + i)).Store(to + i);
    }

    /// <summary>to += x y.</summary>
    public static void AddProduct(float* x, float* y, float* to, int count)
    {
        for (var i = 0; i < count; i += Lanes) (Vector.Load(x + i) * Vector.Load(y + i) + Vector.Load(to + i)).Store(to + i);
    }

    /// <summary>x *= factor.</summary>
    public static void Scale(float* x, float factor, int count)
    {
        for (var i = 0; i < count; i += Lanes) (Vector.Load(x + i) * factor).Store(x + i);
    }

    /// <summary>RMSNorm: to = x s w with s = 1 / sqrt(mean(x^2) + eps), which is returned.</summary>
    public static float Normalise(float* x, float* weight, float* to, int count, float eps)
    {
        var squares = Vector<float>.Zero;
        for (var i = 0; i < count; i += Lanes) squares += Vector.Load(x + i) * Vector.Load(x + i);
        var scale = 1 / MathF.Sqrt(Vector.Sum(squares) / count + eps);
        for (var i = 0; i < count; i += Lanes) (Vector.Load(x + i) * scale * Vector.Load(weight + i)).Store(to + i);
        return scale;
    }

    /// <summary>Adds the gradient towards x of <see cref="Normalise"/>: s (w g - x s^2 mean(x w g)).</summary>
    public static void AddNormGradient(float* x, float* weight, float scale, float* gradient, float* to, int count)
    {
        var dot = Vector<float>.Zero;
        for (var i = 0; i < count; i += Lanes) dot += Vector.Load(x + i) * Vector.Load(weight + i) * Vector.Load(gradient + i);
        var along = Vector.Sum(dot) / count * scale * scale * scale;
        for (var i = 0; i < count; i += Lanes)
            (Vector.Load(to + i) + Vector.Load(weight + i) * Vector.Load(gradient + i) * scale - Vector.Load(x + i) * along).Store(to + i);
    }

    /// <summary>to = silu(gate) up.</summary>
    public static void Gate(float* gate, float* up, float* to, int count)
    {
        for (var i = 0; i < count; i += Lanes)
        {
            var g = Vector.Load(gate + i);
            (g / (Vector<float>.One + Vector.Exp(-g)) * Vector.Load(up + i)).Store(to + i);
        }
    }

    /// <summary>Replaces gate and up by the gradients towards them, from that of <see cref="Gate"/>'s result.</summary>
    public static void GateGradients(float* gate, float* up, float* gradient, int count)
    {
        for (var i = 0; i < count; i += Lanes)
        {
            var (g, u, d) = (Vector.Load(gate + i), Vector.Load(up + i), Vector.Load(gradient + i));
            var sigmoid = Vector<float>.One / (Vector<float>.One + Vector.Exp(-g));
            (d * u * sigmoid * (Vector<float>.One + g * (Vector<float>.One - sigmoid))).Store(gate + i);
            (d * g * sigmoid).Store(up + i);
        }
    }

    /// <summary>Rotates the heads of a row by the angles of its position, or back.</summary>
    /// <param name="x">The heads side by side.</param>
    /// <param name="cos">Cosines of half a head.</param>
    /// <param name="sin">Sines of half a head.</param>
    /// <param name="heads">How many.</param>
    /// <param name="half">Half a head's size.</param>
    /// <param name="sign">-1 rotates back.</param>
    public static void Rotate(float* x, float* cos, float* sin, int heads, int half, float sign)
    {
        for (var head = 0; head < heads; head++, x += 2 * half)
        {
            var i = 0;
            for (; i + Lanes <= half; i += Lanes)
            {
                var (a, b, c, s) = (Vector.Load(x + i), Vector.Load(x + half + i), Vector.Load(cos + i), Vector.Load(sin + i) * sign);
                (a * c - b * s).Store(x + i);
                (b * c + a * s).Store(x + half + i);
            }

            for (; i < half; i++)
                (x[i], x[half + i]) = (x[i] * cos[i] - x[half + i] * sin[i] * sign, x[half + i] * cos[i] + x[i] * sin[i] * sign);
        }
    }

    /// <summary>
    /// Scores to probabilities, where they lie: of the first <paramref name="shared"/> columns, and of <paramref name="own"/> columns from
    /// <paramref name="start"/> on. All others become 0.
    /// </summary>
    public static void Softmax(float* scores, int shared, int start, int own, int count, float scale)
    {
        new Span<float>(scores + shared, start - shared).Fill(Hidden);
        new Span<float>(scores + start + own, count - start - own).Fill(Hidden);
        var most = new Vector<float>(Hidden);
        for (var i = 0; i < count; i += Lanes) most = Vector.Max(most, Vector.Load(scores + i));
        var largest = most[0];
        for (var lane = 1; lane < Lanes; lane++) largest = MathF.Max(largest, most[lane]);
        var (sums, shift) = (Vector<float>.Zero, new Vector<float>(largest));
        for (var i = 0; i < count; i += Lanes)
        {
            var power = Vector.Exp((Vector.Load(scores + i) - shift) * scale);
            sums += power;
            power.Store(scores + i);
        }

        Scale(scores, 1 / Vector.Sum(sums), count);
    }

    /// <summary>Replaces the gradient towards probabilities by that towards the scores.</summary>
    public static void SoftmaxGradient(float* probabilities, float* gradient, int count, float scale)
    {
        var dot = Vector<float>.Zero;
        for (var i = 0; i < count; i += Lanes) dot += Vector.Load(probabilities + i) * Vector.Load(gradient + i);
        var mean = new Vector<float>(Vector.Sum(dot));
        for (var i = 0; i < count; i += Lanes)
            (Vector.Load(probabilities + i) * (Vector.Load(gradient + i) - mean) * scale).Store(gradient + i);
    }

    /// <summary>Replaces logits by the gradient of the cross-entropy, and returns that: softmax(logits) - 1 at the target.</summary>
    public static double CrossEntropy(float* logits, int target, int columns)
    {
        var (wanted, count) = (logits[target], StepMatrix.Padded(columns));
        var largest = float.NegativeInfinity;
        for (var i = 0; i < columns; i++) largest = MathF.Max(largest, logits[i]);
        new Span<float>(logits + columns, count - columns).Fill(Hidden);
        var (sums, shift) = (Vector<float>.Zero, new Vector<float>(largest));
        for (var i = 0; i < count; i += Lanes)
        {
            var power = Vector.Exp(Vector.Load(logits + i) - shift);
            sums += power;
            power.Store(logits + i);
        }

        var sum = Vector.Sum(sums);
        Scale(logits, 1 / sum, count);
        logits[target] -= 1;
        return Math.Log(sum) + largest - wanted;
    }

    /// <summary>The transposed of some rows; columns beyond them are 0.</summary>
    public static void Transpose(StepMatrix from, int rows, int columns, StepMatrix to)
    {
        for (var column = 0; column < columns; column++)
        {
            var row = to.Row(column);
            for (var i = 0; i < rows; i++) row[i] = from.Row(i)[column];
            new Span<float>(row + rows, to.Columns - rows).Clear();
        }
    }
}
