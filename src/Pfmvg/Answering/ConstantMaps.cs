using Pfmvg.Data;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Answering;

/// <summary>
/// A heat map for every phrase without a model: of one value where the best region of the training split's boxes of the same class and
/// side word lies, and 0 elsewhere. What is above each threshold is then the same, so no other map scores more by the mean over them.
/// </summary>
internal sealed class ConstantMaps
{
    /// <summary>Rows and columns of a map, which covers the whole picture.</summary>
    public const int Grid = 64;

    private const int Cells = Grid * Grid, MostRounds = 100;
    private const double Gain = 1e-12;

    private readonly ILookup<(string? Class, Side? Side), float[]> _exact;
    private readonly ILookup<string?, float[]> _ofClass;
    private readonly List<float[]> _all;
    private readonly Dictionary<(string? Class, Side? Side), bool[]> _found = [];

    /// <summary>Takes the training split; its phrases count once with all of their boxes.</summary>
    /// <exception cref="InputException">It is empty.</exception>
    public ConstantMaps(IReadOnlyList<Sample> training)
    {
        if (training.Count == 0)
            throw new InputException("There is no training split of boxes to learn the constant maps from; "
                + "prepare MS-CXR with one, or leave the controls out.");
        var phrases = training.GroupBy(s => (s.Source, s.Image, s.Class, s.Text))
            .Select(same => (same.Key.Class, SideWords.Find(same.Key.Text).Side, Truth: Coverage([.. same]))).ToList();
        _exact = phrases.ToLookup(phrase => (phrase.Class, (Side?)phrase.Side), phrase => phrase.Truth);
        _ofClass = phrases.ToLookup(phrase => phrase.Class, phrase => phrase.Truth);
        _all = phrases.ConvertAll(phrase => phrase.Truth);
    }

    /// <summary>What the map of a phrase depends on: class and side, class alone, or neither, as the training split has them.</summary>
    public (string? Class, Side? Side) KeyOf(Sample sample)
    {
        (string?, Side?) key = (sample.Class, SideWords.Find(sample.Text).Side);
        return _exact.Contains(key) ? key : _ofClass.Contains(sample.Class) ? (sample.Class, null) : (null, null);
    }

    /// <summary>A map row by row: 1 in the region, 0 elsewhere.</summary>
    public float[] Map((string? Class, Side? Side) key)
    {
        if (!_found.TryGetValue(key, out var region))
            _found[key] = region = Best([.. _exact.Contains(key) ? _exact[key] : key.Class is null ? _all : _ofClass[key.Class]]);
        return [.. region.Select(isIn => isIn ? 1f : 0f)];
    }

    /// <summary>
    /// The cells with the largest mean IoU: those that most boxes cover, as many as fit best, and then one cell more or less as long as
    /// that helps. A weaker constant would flatter the model.
    /// </summary>
    internal static bool[] Best(IReadOnlyList<float[]> truths)
    {
        var covered = new double[Cells];
        foreach (var truth in truths)
            for (var c = 0; c < Cells; c++) covered[c] += truth[c];
        double[] areas = [.. truths.Select(truth => truth.Sum(share => (double)share))];
        var (both, region, best, length) = (new double[truths.Count], new bool[Cells], 0.0, 0);
        int[] order = [.. Enumerable.Range(0, Cells).OrderByDescending(c => covered[c])];
        for (var n = 0; n < Cells && covered[order[n]] > 0; n++)
        {
            for (var i = 0; i < both.Length; i++) both[i] += truths[i][order[n]];
            if (Fit(n + 1, -1, 0) is var fit && fit > best) (best, length) = (fit, n + 1);
        }

        Array.Clear(both);
        foreach (var c in order.AsSpan(0, length))
        {
            region[c] = true;
            for (var i = 0; i < both.Length; i++) both[i] += truths[i][c];
        }

        var (size, improved) = (length, true);
        for (var round = 0; improved && round < MostRounds; round++)
        {
            improved = false;
            for (var c = 0; c < Cells; c++)
            {
                var step = region[c] ? -1 : 1;
                if (covered[c] == 0 || size + step == 0 || Fit(size + step, c, step) is var fit && fit <= best + Gain) continue;
                (best, improved, region[c], size) = (fit, true, !region[c], size + step);
                for (var i = 0; i < both.Length; i++) both[i] += step * truths[i][c];
            }
        }

        return region;

        double Fit(int cells, int changed, int step)
        {
            var sum = 0.0;
            for (var i = 0; i < both.Length; i++)
            {
                var common = changed < 0 ? both[i] : both[i] + step * truths[i][changed];
                sum += common / (cells + areas[i] - common);
            }

            return sum / both.Length;
        }
    }

    /// <summary>The share of each cell that the boxes of a phrase cover.</summary>
    internal static float[] Coverage(IReadOnlyList<Sample> phrase)
    {
        var cells = new float[Cells];
        List<Box> boxes = [.. phrase.SelectMany(s => s.Boxes.Select(box =>
            box.Intersect(new Box(0, 0, s.Width, s.Height)).Scale((double)Grid / s.Width, (double)Grid / s.Height)))];
        foreach (var part in HeatMap.Disjoint(boxes.FindAll(box => !box.IsEmpty)))
            for (var row = (int)part.Top; row < Math.Min(Grid, part.Bottom); row++)
                for (var column = (int)part.Left; column < Math.Min(Grid, part.Right); column++)
                    cells[row * Grid + column] += (float)part.Intersect(new Box(column, row, column + 1, row + 1)).Area;
        return cells;
    }
}
