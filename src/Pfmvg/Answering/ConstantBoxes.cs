using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Answering;

/// <summary>
/// Answers every phrase with one constant box: the one that fits best the training split's boxes of the same class and the
/// same side word.
/// </summary>
internal sealed class ConstantBoxes
{
    private readonly Dictionary<(string? Class, Side? Side), Box> _boxes = [];

    /// <summary>Learns a box for each class and side; for what does not occur together, one for each class and one for all.</summary>
    /// <param name="training">The training split.</param>
    /// <exception cref="InputException">It is empty.</exception>
    public ConstantBoxes(IReadOnlyList<Sample> training)
    {
        if (training.Count == 0)
            throw new InputException("There is no training split of boxes to learn the constant boxes from; " +
                "prepare MS-CXR with one, or leave the controls out.");
        foreach (var group in training.GroupBy(s => ((string?)s.Class, (Side?)SideWords.Find(s.Text).Side)))
            _boxes[group.Key] = Best(group);
        foreach (var group in training.GroupBy(s => s.Class)) _boxes[(group.Key, null)] = Best(group);
        _boxes[(null, null)] = Best(training);
    }

    /// <summary>The constant answers, in pixels of each picture.</summary>
    public IReadOnlyList<Prediction> Answer(IReadOnlyList<Sample> samples) => [.. samples.Select(sample =>
    {
        var box = _boxes.TryGetValue((sample.Class, SideWords.Find(sample.Text).Side), out var exact) ? exact
            : _boxes.TryGetValue((sample.Class, null), out var ofClass) ? ofClass : _boxes[(null, null)];
        return ModelAnswers.Question(sample) with { Boxes = [box.Scale(sample.Width, sample.Height)] };
    })];

    /// <summary>
    /// The box, in shares of width and height, with the largest mean IoU. The search starts at the median of each edge and moves
    /// the edges in ever smaller steps while that helps. A weaker constant would flatter the model.
    /// </summary>
    private static Box Best(IEnumerable<Sample> samples)
    {
        var boxes = samples.SelectMany(s => s.Boxes.Select(box => box.Scale(1.0 / s.Width, 1.0 / s.Height))).ToList();
        var best = new Box(Median(box => box.Left), Median(box => box.Top), Median(box => box.Right), Median(box => box.Bottom));
        var reached = Fit(best);
        for (var step = 0.08; step > 0.002; step /= 2)
        {
            for (var improved = true; improved;)
            {
                improved = false;
                foreach (var (left, top, right, bottom) in Moves)
                {
                    var moved = new Box(best.Left + left * step, best.Top + top * step, best.Right + right * step,
                        best.Bottom + bottom * step);
                    if (moved.IsEmpty || Fit(moved) is var fit && fit <= reached + 1e-9) continue;
                    (best, reached, improved) = (moved, Fit(moved), true);
                }
            }
        }

        return best;

        double Fit(Box box) => boxes.Average(
            truth => box.Intersect(truth).Area is var common && common > 0 ? common / (box.Area + truth.Area - common) : 0);

        double Median(Func<Box, double> edge)
        {
            var values = boxes.ConvertAll(box => edge(box)).ToArray();
            Array.Sort(values);
            return Bootstrap.Quantile(values, 0.5);
        }
    }

    /// <summary>One edge alone, opposite edges in the same direction (a shift), or in opposite directions (growth).</summary>
    private static readonly (int Left, int Top, int Right, int Bottom)[] Moves =
    [
        .. new[] { (1, 0, 0, 0), (0, 1, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 1, 0), (0, 1, 0, 1), (-1, 0, 1, 0), (0, -1, 0, 1) }
            .SelectMany(m => new[] { m, (-m.Item1, -m.Item2, -m.Item3, -m.Item4) }),
    ];
}
