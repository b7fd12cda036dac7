using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Measures;

/// <summary>Measures of a phrase's answer as a set of boxes: how many there are, and how well the best pairing overlaps.</summary>
internal static class BoxSetMeasures
{
    /// <summary>Whether the answer has as many boxes as the phrase.</summary>
    public static (double Sum, int Units) CountRight(AnsweredPhrase phrase) =>
        phrase.IsUnasked ? (0, 0) : (phrase.Boxes == phrase.Sample.Truth.Count ? 1 : 0, 1);

    /// <summary>
    /// Summed IoU of the one-to-one pairing that has most of it, over the larger of both numbers of boxes: a box without a partner
    /// counts 0. 1 for a phrase without a true box that is answered by none.
    /// </summary>
    public static (double Sum, int Units) Iou(AnsweredPhrase phrase, ScoringOptions options)
    {
        if (phrase.IsUnasked) return (0, 0);
        if (phrase.Sample.Truth.Count == 0) return (phrase.Abstains ? 1 : 0, 1);
        var truth = phrase.Sample.Truth.Select(box => SampleScorer.AsArea(box, options)).ToList();
        var found = phrase.Sample.Predicted.Select(box => SampleScorer.AsArea(box, options)).ToList();
        if (found.Count == 0) return (0, 1);
        var (few, many) = truth.Count <= found.Count ? (truth, found) : (found, truth);
        return (MostGain(few.Count, many.Count, (f, m) => Iou(few[f], many[m])) / Math.Max(truth.Count, phrase.Boxes), 1);
    }

    /// <summary>The largest summed gain of pairs that give each row a column of its own.</summary>
    /// <remarks>
    /// The Hungarian method with potentials: rows join one by one, each by the shortest alternating path, in rows * rows * columns steps.
    /// </remarks>
    /// <param name="rows">At most as many as columns.</param>
    /// <param name="columns">Number of columns.</param>
    /// <param name="gain">Gain of a pair.</param>
    internal static double MostGain(int rows, int columns, Func<int, int, double> gain)
    {
        var (ofRow, ofColumn) = (new double[rows], new double[columns]);
        var taken = new int[columns]; // by which row; -1: free
        Array.Fill(taken, -1);
        for (var row = 0; row < rows; row++)
        {
            var (least, before, done) = (new double[columns], new int[columns], new bool[columns]);
            Array.Fill(least, double.PositiveInfinity);
            Array.Fill(before, -1);
            var (at, end) = (row, -1);
            for (var column = -1; end < 0;)
            {
                var (step, next) = (double.PositiveInfinity, -1);
                for (var c = 0; c < columns; c++)
                {
                    if (done[c]) continue;
                    var slack = ofRow[at] + ofColumn[c] - gain(at, c);
                    if (slack < least[c]) (least[c], before[c]) = (slack, column);
                    if (least[c] < step) (step, next) = (least[c], c);
                }

                ofRow[row] -= step;
                for (var c = 0; c < columns; c++)
                {
                    if (done[c]) (ofRow[taken[c]], ofColumn[c]) = (ofRow[taken[c]] - step, ofColumn[c] + step);
                    else least[c] -= step;
                }

                (done[next], column) = (true, next);
                if (taken[next] < 0) end = next;
                else at = taken[next];
            }

            while (end >= 0)
            {
                var previous = before[end];
                taken[end] = previous < 0 ? row : taken[previous];
                end = previous;
            }
        }

        return Enumerable.Range(0, columns).Where(c => taken[c] >= 0).Sum(c => gain(taken[c], c));
    }

    private static double Iou(Box a, Box b) => a.Intersect(b).Area is > 0 and var both ? both / (a.Area + b.Area - both) : 0;
}
