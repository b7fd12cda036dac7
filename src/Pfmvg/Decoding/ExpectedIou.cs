using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Decoding;

/// <summary>The boxes with the largest expected IoU, where drawn answers stand for what may be true.</summary>
internal static class ExpectedIou
{
    private const double Together = 0.5; // boxes of IoU beyond this are a cluster

    /// <summary>One edge alone, opposite edges in the same direction (a shift), or in opposite directions (growth).</summary>
    private static readonly int[][] Moves =
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0], [0, 1, 0, 1], [-1, 0, 1, 0], [0, -1, 0, 1]];

    /// <summary>
    /// The answer whose region has the largest mean IoU with the regions of the draws. It has as many boxes as most of the draws that have
    /// any (of equally frequent numbers the smallest). Tried are the draws with so many boxes and, for one box, the mean of the largest
    /// cluster; the best of them is then moved on the grid, edge by edge, while that helps.
    /// </summary>
    /// <param name="draws">The boxes of each draw. Flawed boxes do not count; a draw without any has IoU 0 with every answer.</param>
    /// <param name="reading">
    /// How the answer's numbers will be read. A draw's number stands for the middle of its hundredth, since targets are truncated.
    /// </param>
    /// <returns>The boxes and their mean IoU with the draws; null where no draw has a box.</returns>
    public static (IReadOnlyList<GridBox> Boxes, double Agreement)? Best(
        IReadOnlyList<IReadOnlyList<GridBox>> draws, BoxReading reading)
    {
        var sound = draws.Select(draw => draw.Where(box => box.Flaw == Flaw.None).ToArray()).Where(draw => draw.Length > 0).ToList();
        if (sound.Count == 0) return null;
        var count = sound.CountBy(draw => draw.Length).OrderByDescending(number => number.Value).ThenBy(number => number.Key).First().Key;
        var targets = sound.ConvertAll(draw => draw.Select(box => Area(box, BoxReading.Middle)).ToArray());
        var regions = sound.TrueForAll(draw => draw.Length == 1) ? null : targets.ConvertAll(boxes => new Region(boxes));
        IEnumerable<GridBox[]> candidates = sound.Where(draw => draw.Length == count);
        if (count == 1) candidates = candidates.Append([Cluster([.. sound.Where(draw => draw.Length == 1).Select(draw => draw[0])])]);
        var (best, reached) = candidates.Select(boxes => (Boxes: boxes, Mean: Mean(boxes))).MaxBy(candidate => candidate.Mean);
        for (var step = 4; step > 0; step /= 2)
            while (Improve(step)) { }
        return (best, reached);

        bool Improve(int step)
        {
            var improved = false;
            for (var at = 0; at < best.Length; at++)
                foreach (var move in Moves)
                    foreach (var by in (int[])[step, -step])
                    {
                        var box = best[at];
                        var moved = new GridBox(
                            box.X1 + by * move[0], box.Y1 + by * move[1], box.X2 + by * move[2], box.Y2 + by * move[3]);
                        if (moved.Flaw != Flaw.None) continue;
                        GridBox[] boxes = [.. best[..at], moved, .. best[(at + 1)..]];
                        if (Mean(boxes) is var mean && mean <= reached + 1e-12) continue;
                        (best, reached, improved) = (boxes, mean, true);
                    }

            return improved;
        }

        double Mean(GridBox[] boxes)
        {
            var sum = 0.0;
            if (regions is null)
            {
                var box = Area(boxes[0], reading);
                foreach (var target in targets) sum += Iou(box, target[0]);
            }
            else
            {
                var region = new Region([.. boxes.Select(box => Area(box, reading))]);
                foreach (var target in regions) sum += Region.Iou(region, target);
            }

            return sum / draws.Count;
        }
    }

    /// <summary>The mean of the draws around the one with the most others near it.</summary>
    private static GridBox Cluster(IReadOnlyList<GridBox> boxes)
    {
        var near = boxes.Select(box => boxes.Where(other => Iou(Area(box, BoxReading.Middle), Area(other, BoxReading.Middle)) >= Together)
            .ToList()).MaxBy(others => others.Count)!;
        return near.Count == 0 ? boxes[0] : new GridBox(Mean(box => box.X1), Mean(box => box.Y1), Mean(box => box.X2), Mean(box => box.Y2));

        int Mean(Func<GridBox, int> edge) => (int)Math.Round(near.Average(edge), MidpointRounding.AwayFromZero);
    }

    private static Box Area(GridBox box, BoxReading reading) => box.ToPixels(100, 100, sortAndClamp: false, reading);

    private static double Iou(Box a, Box b)
    {
        var common = a.Intersect(b).Area;
        return common > 0 ? common / (a.Area + b.Area - common) : 0;
    }
}
