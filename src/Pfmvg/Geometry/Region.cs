namespace Pfmvg.Geometry;

/// <summary>A part of the plane: the union of boxes, which may overlap. Empty boxes add nothing.</summary>
/// <remarks>
/// Areas are exact up to rounding: a sweep over the compressed coordinates, O(n log n) for n boxes, so an answer with
/// tens of thousands of boxes is measured in a blink. Nothing is drawn on a pixel grid.
/// </remarks>
public sealed class Region
{
    private static readonly Region Nothing = new();

    /// <summary>The union of the given boxes; the list must not change afterwards.</summary>
    /// <exception cref="ArgumentException">A coordinate is not a finite number.</exception>
    public Region(params IReadOnlyList<Box> boxes)
    {
        foreach (var box in boxes)
            if (!(double.IsFinite(box.Left) && double.IsFinite(box.Top) && double.IsFinite(box.Right) && double.IsFinite(box.Bottom)))
                throw new ArgumentException($"{box} has a coordinate that is not a finite number.", nameof(boxes));

        Boxes = boxes;
        IsEmpty = boxes.All(box => box.IsEmpty);
        Area = IsEmpty ? 0 : Measure(this, Nothing).First;
    }

    /// <summary>The boxes as given, empty ones included.</summary>
    public IReadOnlyList<Box> Boxes { get; }

    /// <summary>Area of the union, in the square of the boxes' unit.</summary>
    public double Area { get; }

    /// <summary>True when the union covers nothing.</summary>
    public bool IsEmpty { get; }

    /// <summary>
    /// The same region with every right and bottom edge moved out by 1, which turns continuous edges into inclusive pixel
    /// numbers. The authors' own evaluation measures so ("+ 1" on every side length); compare two regions of this kind to
    /// get its numbers.
    /// </summary>
    public Region PixelInclusive() =>
        new([.. Boxes.Select(box => box with { Right = box.Right + 1, Bottom = box.Bottom + 1 })]);

    /// <summary>Area that both regions cover.</summary>
    public static double IntersectionArea(Region a, Region b) => Measure(a, b).Both;

    /// <summary>Intersection over union, 0..1; 0 when both regions are empty.</summary>
    public static double Iou(Region a, Region b)
    {
        var (first, second, both) = Measure(a, b);
        return both == 0 ? 0 : Math.Min(1, both / (first + second - both)); // rounding may leave it an ulp above 1
    }

    /// <summary>Twice the intersection over the sum of the areas, 0..1; 0 when both regions are empty.</summary>
    public static double Dice(Region a, Region b)
    {
        var (first, second, both) = Measure(a, b);
        return both == 0 ? 0 : Math.Min(1, 2 * both / (first + second));
    }

    private static (double First, double Second, double Both) Measure(Region first, Region second)
    {
        List<(double X, Box Box, bool OfFirst, int Step)> edges = [];
        foreach (var (region, isFirst) in new[] { (first, true), (second, false) })
            foreach (var box in region.Boxes)
                if (!box.IsEmpty)
                    edges.AddRange((box.Left, box, isFirst, 1), (box.Right, box, isFirst, -1));
        if (edges.Count == 0) return (0, 0, 0);

        edges.Sort((a, b) => a.X.CompareTo(b.X));
        double[] ys = [.. edges.SelectMany(edge => new[] { edge.Box.Top, edge.Box.Bottom }).Distinct().Order()];
        var line = new SweepLine(ys);
        var (firstArea, secondArea, bothArea, x) = (0d, 0d, 0d, edges[0].X);
        foreach (var edge in edges)
        {
            var width = edge.X - x;
            firstArea += width * line.First;
            secondArea += width * line.Second;
            bothArea += width * line.Both;
            x = edge.X;
            line.Add(Array.BinarySearch(ys, edge.Box.Top), Array.BinarySearch(ys, edge.Box.Bottom), edge.OfFirst, edge.Step);
        }

        return (firstArea, secondArea, bothArea);
    }

    /// <summary>
    /// The vertical line of the sweep: how much of it each of two sets of intervals covers, and how much both. A segment
    /// tree over the strips between neighbouring y; an interval is counted at the few nodes that make it up.
    /// </summary>
    private sealed class SweepLine(double[] ys)
    {
        private readonly Node[] _nodes = new Node[2 * (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)(ys.Length - 1))];

        public double First => _nodes[1].First;
        public double Second => _nodes[1].Second;
        public double Both => _nodes[1].Both;

        /// <summary>Adds (step 1) or takes away (step -1) the interval from ys[top] to ys[bottom].</summary>
        public void Add(int top, int bottom, bool toFirst, int step) => Add(1, 0, _nodes.Length / 2, top, bottom, toFirst, step);

        private void Add(int index, int low, int high, int top, int bottom, bool toFirst, int step)
        {
            if (bottom <= low || high <= top) return;
            ref var node = ref _nodes[index];
            if (top <= low && high <= bottom)
            {
                if (toFirst) node.FirstCount += step;
                else node.SecondCount += step;
            }
            else
            {
                var middle = (low + high) / 2;
                Add(2 * index, low, middle, top, bottom, toFirst, step);
                Add(2 * index + 1, middle, high, top, bottom, toFirst, step);
            }

            var (left, right) = high - low == 1 ? (default, default) : (_nodes[2 * index], _nodes[2 * index + 1]);
            var whole = ys[Math.Min(high, ys.Length - 1)] - ys[Math.Min(low, ys.Length - 1)];
            node.First = node.FirstCount > 0 ? whole : left.First + right.First;
            node.Second = node.SecondCount > 0 ? whole : left.Second + right.Second;
            node.Both = (node.FirstCount > 0, node.SecondCount > 0) switch
            {
                (true, _) => node.Second,
                (_, true) => node.First,
                _ => left.Both + right.Both,
            };
        }

        private struct Node
        {
            public int FirstCount, SecondCount;
            public double First, Second, Both;
        }
    }
}
