using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>A box as another program wrote it, and the question that it answers.</summary>
internal readonly record struct WrittenBox(Prediction Question, IReadOnlyList<double> Numbers);

/// <summary>
/// Finds the size that pictures may have been resized to before they were answered: true boxes and answered ones are compared edge
/// by edge, and the ratio in the middle says how large the frame was.
/// </summary>
internal static class FrameSearch
{
    // An edge nearer to the picture's first corner than this share of it says too little about a ratio.
    private const double LeastEdge = 0.05;

    // An estimate this near to a usual size is taken for it.
    private const double Nearness = 0.03;

    private static readonly double[] Sides = [224, 256, 336, 384, 448, 512, 640, 768, 800, 896, 960, 1000, 1024, 1280, 1, 100];
    private static readonly double[] Scales = [0.5, 0.25, 0.75, 0.2, 0.1, 1, 2];

    /// <summary>
    /// The frames that the boxes may be in, the simplest first. Squares of 1, 100 and 1000 and the picture itself are left out: they
    /// are coordinates with names of their own.
    /// </summary>
    /// <param name="boxes">Boxes whose questions have a truth.</param>
    /// <param name="layout">What four numbers mean.</param>
    public static IEnumerable<PictureFrame> Candidates(IReadOnlyList<WrittenBox> boxes, BoxLayout layout)
    {
        var raw = new Coordinates(null, layout);
        var edges = boxes.SelectMany(box => Edges(box, raw)).ToList();
        var (across, down) = (Middle(edges.Where(edge => edge.IsAcross).Select(edge => edge.Ratio * edge.Side)),
            Middle(edges.Where(edge => !edge.IsAcross).Select(edge => edge.Ratio * edge.Side)));
        if (!(across > 0 && down > 0)) yield break;
        var (side, other) = (Near(across, Sides), Near(down, Sides));
        if (side is 1000 or 1024 && other is 1000 or 1024) // an estimate does not tell them apart, but their fit may
        {
            yield return PictureFrame.Fixed(1024, 1024);
            yield break;
        }

        if (side is 1 or 100 && other == side) yield break;
        if (side is { } square && other == square) yield return PictureFrame.Fixed((int)square, (int)square);

        var scale = Middle(edges.Select(edge => edge.Ratio));
        if (Near(scale, Scales) == 1) yield break;
        var (longest, shortest) = (Middle(edges.Select(edge => edge.Ratio * edge.Longest)),
            Middle(edges.Select(edge => edge.Ratio * edge.Shortest)));
        if (Near(longest, Sides) is { } longer and > 100) yield return PictureFrame.Longest((int)longer);
        if (Near(shortest, Sides) is { } shorter and > 100) yield return PictureFrame.Shortest((int)shorter);
        if (Near(scale, Scales) is { } factor) yield return PictureFrame.Scaled(factor);
        if (Math.Min(Math.Min(longest, shortest), Math.Min(across, down)) < 16) yield break;
        yield return PictureFrame.Longest((int)Math.Round(longest));
        yield return PictureFrame.Shortest((int)Math.Round(shortest));
        yield return PictureFrame.Fixed((int)Math.Round(across), (int)Math.Round(down));
    }

    /// <summary>Each edge of a box beside the same edge of the true one, where there is one.</summary>
    private static IEnumerable<(bool IsAcross, double Ratio, int Side, int Longest, int Shortest)> Edges(
        WrittenBox written, Coordinates raw)
    {
        var (question, box) = (written.Question, raw.ToPixels(written.Numbers, written.Question.Width, written.Question.Height));
        if (question.Truth is not [var truth]) yield break; // which of several is meant is not known yet
        var (longest, shortest) = (Math.Max(question.Width, question.Height), Math.Min(question.Width, question.Height));
        foreach (var (isAcross, answered, meant) in ((bool, double, double)[])
            [(true, box.Left, truth.Left), (true, box.Right, truth.Right), (false, box.Top, truth.Top), (false, box.Bottom, truth.Bottom)])
        {
            var side = isAcross ? question.Width : question.Height;
            if (meant > LeastEdge * side && answered > 0) yield return (isAcross, answered / meant, side, longest, shortest);
        }
    }

    private static double? Near(double estimate, double[] usual)
    {
        var nearest = usual.MinBy(size => Math.Abs(Math.Log(size / estimate)));
        return Math.Abs(nearest / estimate - 1) <= Nearness ? nearest : null;
    }

    private static double Middle(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? double.NaN : sorted[sorted.Length / 2];
    }
}
