using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Evaluation.Measures;

/// <summary>
/// Questions and answers from a generator so small that another program can repeat it: none, one or several true boxes, boxes
/// that are missed, moved, swapped, empty and not a number, answers without a box, and no answers.
/// </summary>
internal static class Drawn
{
    private static readonly (int Width, int Height)[] Sizes = [(60, 50), (40, 64), (80, 80)];

    /// <summary>Phrases answered by boxes.</summary>
    public static List<Prediction> Boxes(ulong seed = 21, int count = 240)
    {
        var random = new Generator(seed);
        return [.. Enumerable.Range(0, count).Select(k =>
        {
            var picture = random.Next(90);
            var (width, height) = Sizes[picture % 3];
            var name = new[] { "Edema", "Pneumonia", "Atelectasis", "Zebra" }[random.Next(4)];
            var truth = random.Boxes(new[] { 0, 1, 1, 1, 1, 2, 2, 3 }[random.Next(8)], width, height).Distinct().ToList();
            List<Box> boxes = [];
            foreach (var box in truth)
            {
                if (random.Next(10) >= 7) continue;
                double left = box.Left + random.Next(9) - 4, top = box.Top + random.Next(9) - 4;
                double right = box.Right + random.Next(9) - 4, bottom = box.Bottom + random.Next(9) - 4;
                boxes.Add(new Box(Math.Max(0, left), Math.Max(0, top), Math.Min(width, right), Math.Min(height, bottom)));
            }

            boxes.AddRange(random.Boxes(new[] { 0, 0, 0, 1, 2 }[random.Next(5)], width, height));
            var flaw = random.Next(20);
            if (boxes.Count > 0)
                boxes[0] = flaw switch
                {
                    0 => new Box(boxes[0].Right, boxes[0].Bottom, boxes[0].Left, boxes[0].Top),
                    1 => new Box(boxes[0].Left, 5, boxes[0].Left, 9),
                    2 => new Box(double.NaN, 5, 9, 9),
                    _ => boxes[0],
                };
            if (flaw == 3) boxes.Clear();
            var confidence = boxes.ConvertAll(_ => random.Next(1_000_000) / 1e6);
            var (best, sure) = PredictionFile.BestFirst(boxes, confidence, 0);
            return new Prediction
            {
                Id = $"s{k:000}",
                Image = $"im{picture}.png",
                Class = name,
                Phrase = $"phrase {k}",
                Width = width,
                Height = height,
                Truth = truth,
                Boxes = flaw == 4 ? null : best,
                Confidence = flaw == 4 ? null : sure,
                Patient = $"p{picture % 40}",
            };
        })];
    }

    /// <summary>Phrases answered by heat maps: noise, steps with many equal values, flat ones, NaN in places and everywhere.</summary>
    public static List<Prediction> Maps(string folder)
    {
        var random = new Generator(22);
        return [.. Enumerable.Range(0, 40).Select(k =>
        {
            var (width, height) = new[] { (60, 50), (41, 64), (80, 80) }[random.Next(3)];
            var truth = random.Boxes(1 + random.Next(3), width, height);
            var (rows, columns) = new[] { (14, 14), (7, 5), (3, 9) }[random.Next(3)];
            var steps = new[] { 1000, 7, 1 }[random.Next(3)];
            var values = Enumerable.Range(0, rows * columns)
                .Select(_ => (float)(random.Next(steps) * (0.7 / steps) + (steps == 1 ? 0.3 : 0))).ToArray();
            var fault = random.Next(12);
            if (fault == 0) values.AsSpan(0, 2 * columns).Fill(float.NaN);
            if (fault == 1) values.AsSpan().Fill(float.NaN);
            var path = Path.Combine(folder, $"m{k:00}.npy");
            HeatMap.Write(path, values, rows, columns);
            return new Prediction
            {
                Id = $"m{k:00}",
                Image = $"m{k:00}.png",
                Class = random.Next(2) == 0 ? "Edema" : "Zebra",
                Phrase = "x",
                Width = width,
                Height = height,
                Truth = truth,
                HeatMap = fault == 2 ? null : path,
            };
        })];
    }

    /// <summary>A figure of a list.</summary>
    public static Figure At(this IEnumerable<Figure> figures, string row, string metric) =>
        figures.Single(figure => figure.Row == row && figure.Metric == metric);

    /// <summary>x -> 6364136223846793005 x + 1442695040888963407 (mod 2^64); a number below n is (x >> 33) mod n.</summary>
    private sealed class Generator(ulong state)
    {
        public int Next(int n)
        {
            state = unchecked(state * 6364136223846793005UL + 1442695040888963407UL);
            return (int)((state >> 33) % (ulong)n);
        }

        public List<Box> Boxes(int count, int width, int height) => [.. Enumerable.Range(0, count).Select(_ =>
        {
            var (x, y, w, h) = (Next(width - 6), Next(height - 6), 4 + Next(26), 4 + Next(26));
            return new Box(x, y, Math.Min(width, x + w), Math.Min(height, y + h));
        })];
    }
}
