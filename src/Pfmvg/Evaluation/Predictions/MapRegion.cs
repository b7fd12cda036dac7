using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>From a map to one box.</summary>
internal static class MapRegion
{
    /// <summary>
    /// The box around the largest region of pixels above a threshold that hang together by their sides; of equal ones the first from
    /// above. Null when no pixel is above it. NaN never is.
    /// </summary>
    /// <param name="map">Row by row.</param>
    /// <param name="width">Pixels per row.</param>
    /// <param name="threshold">Compared in float32, as the map is.</param>
    public static Box? Largest(ReadOnlySpan<float> map, int width, float threshold)
    {
        var seen = new bool[map.Length];
        var waiting = new Stack<int>();
        var (most, box) = (0, (Box?)null);
        for (var start = 0; start < map.Length; start++)
        {
            if (seen[start] || !(map[start] > threshold)) continue;
            var (count, left, top, right, bottom) = (0, width, int.MaxValue, 0, 0);
            seen[start] = true;
            waiting.Push(start);
            while (waiting.TryPop(out var at))
            {
                var (y, x) = Math.DivRem(at, width);
                (count, left, top, right, bottom) =
                    (count + 1, Math.Min(left, x), Math.Min(top, y), Math.Max(right, x + 1), Math.Max(bottom, y + 1));
                if (x > 0) Reach(map, at - 1);
                if (x + 1 < width) Reach(map, at + 1);
                if (y > 0) Reach(map, at - width);
                if (at + width < map.Length) Reach(map, at + width);
            }

            if (count > most) (most, box) = (count, new Box(left, top, right, bottom));
        }

        return box;

        void Reach(ReadOnlySpan<float> values, int at)
        {
            if (seen[at] || !(values[at] > threshold)) return;
            seen[at] = true;
            waiting.Push(at);
        }
    }
}
