using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Evaluation.Predictions;

/// <summary>Makes predictions for tests.</summary>
internal static class Answers
{
    /// <summary>
    /// A sample of a 1000 x 1000 picture with one true box and one predicted box of the given IoU: the left part of the truth.
    /// </summary>
    public static Prediction WithIou(string id, double iou, string name = "Edema", string? patient = null) =>
        Make(id, [new Box(100, 100, 500, 300)], [new Box(100, 100, 100 + 400 * iou, 300)], name, patient);

    /// <summary>A sample answered by boxes in pixels.</summary>
    public static Prediction Make(
        string id, IReadOnlyList<Box> truth, IReadOnlyList<Box> boxes, string name = "Edema", string? patient = null) => new()
    {
        Id = id,
        Image = $"{id}.png",
        Class = name,
        Phrase = $"phrase {id}",
        Width = 1000,
        Height = 1000,
        Truth = truth,
        Boxes = boxes,
        Patient = patient,
    };

    /// <summary>A sample answered by text.</summary>
    public static Prediction Make(string id, IReadOnlyList<Box> truth, string answer, string name = "Edema", string? patient = null) =>
        Make(id, truth, [], name, patient) with { Boxes = null, Answer = answer };

    /// <summary>Varied predictions of all eight classes with failures, several boxes and patients with several phrases.</summary>
    public static List<Prediction> Varied(int count, long seed = 1, double shift = 30)
    {
        var random = new CounterRandom(5, "varied");
        var noise = new CounterRandom(seed, "noise");
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            double Edge(double low, double high) => Math.Round(low + (high - low) * random.NextDouble());
            var (x, y) = (Edge(50, 500), Edge(50, 500));
            List<Box> truth = [new(x, y, x + Edge(80, 300), y + Edge(80, 300))];
            if (random.Next(5) == 0) truth.Add(new Box(600, 600, 600 + Edge(80, 300), 700));
            int Near(double value) => Math.Clamp((int)((value + shift * noise.NextNormal()) / 10), 0, 100);
            var (left, top, right, bottom) = (Near(truth[0].Left), Near(truth[0].Top), Near(truth[0].Right), Near(truth[0].Bottom));
            var answer = noise.Next(20) switch
            {
                0 => "no finding",
                1 => $"{{<{left}><{top}><{right}>}}",
                2 => $"{{<{right}><{bottom}><{left}><{top}>}}",
                3 => $"{{<{left}><{top}><{right}><{bottom}>}}<delim>{{<5><5><30><40>}}",
                _ => $"{{<{left}><{top}><{right}><{bottom}>}}",
            };
            return Make($"s{i}", truth, answer, Scorer.ClassOrder[random.Next(8)], $"p{random.Next(2 * count / 3)}") with
            {
                Confidence = [.. Enumerable.Repeat(
                    Math.Round(noise.NextDouble(), 3), answer.Contains("delim", StringComparison.Ordinal) ? 2 : 1)],
            };
        })];
    }

    /// <summary>Writes lines to a file in the folder and returns its path.</summary>
    public static string Write(string folder, string name, params IEnumerable<string> lines)
    {
        var path = Path.Combine(folder, name);
        File.WriteAllText(path, string.Join('\n', lines));
        return path;
    }
}
