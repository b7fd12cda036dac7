using Pfmvg.Evaluation.Predictions;

namespace Pfmvg.Rivals;

/// <summary>From the similarity of a phrase and each place of a picture to BioViL's heat map.</summary>
internal static class SimilarityMap
{
    private const int Radius = 6;
    private const double Deviation = 1.5;

    private static readonly double[] Taps = MakeTaps();

    /// <summary>Gaussian smoothing, columns and then rows, with the edge mirrored and repeated; sums in double, float32 between.</summary>
    /// <param name="similarity">Row by row.</param>
    /// <param name="rows">Rows of the grid.</param>
    /// <param name="columns">Its columns.</param>
    public static float[] Smooth(ReadOnlySpan<float> similarity, int rows, int columns)
    {
        var (down, result) = (new float[rows * columns], new float[rows * columns]);
        for (var y = 0; y < rows; y++)
            for (var x = 0; x < columns; x++)
            {
                var sum = 0.0;
                for (var t = -Radius; t <= Radius; t++) sum += Taps[t + Radius] * similarity[Mirror(y + t, rows) * columns + x];
                down[y * columns + x] = (float)sum;
            }

        for (var y = 0; y < rows; y++)
            for (var x = 0; x < columns; x++)
            {
                var sum = 0.0;
                for (var t = -Radius; t <= Radius; t++) sum += Taps[t + Radius] * down[y * columns + Mirror(x + t, columns)];
                result[y * columns + x] = (float)sum;
            }

        return result;
    }

    /// <summary>
    /// Where the crop lies in the picture. This is the original's approximation, up to a pixel of the resized picture away from
    /// what the model saw.
    /// </summary>
    public static MapPlace Place(int width, int height, int resize, int crop, bool smooth = false)
    {
        var side = (int)((long)crop * Math.Min(width, height) / resize);
        return new MapPlace((width - side) / 2, (height - side) / 2, side, smooth);
    }

    private static double[] MakeTaps()
    {
        double[] taps = [.. Enumerable.Range(-Radius, 2 * Radius + 1).Select(x => Math.Exp(-x * x / (2 * Deviation * Deviation)))];
        var sum = taps.Sum();
        return [.. taps.Select(tap => tap / sum)];
    }

    // a b c | c b a, again and again on grids smaller than the radius.
    private static int Mirror(int i, int size)
    {
        var turn = ((i % (2 * size)) + 2 * size) % (2 * size);
        return turn < size ? turn : 2 * size - 1 - turn;
    }
}
