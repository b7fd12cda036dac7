using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>
/// Refuses boxes that cannot be in the declared coordinates: most of them reach beyond the picture or have swapped corners,
/// all of them are crowded into the top left corner, or other coordinates fit the truth far better.
/// </summary>
/// <remarks>Nothing is converted on a guess: the message names the likely coordinates, and the user declares them.</remarks>
internal sealed class CoordinateCheck(string path)
{
    private const int MostSamples = 2000;

    private readonly List<(Prediction Question, IReadOnlyList<double> Numbers, Coordinates Declared)> _boxes = [];

    public string Path => path;

    /// <summary>Adds the first box of an answer. Where there is no true box, nothing tells whether it fits.</summary>
    public void Add(Prediction question, IReadOnlyList<double> numbers, Coordinates declared)
    {
        if (_boxes.Count < MostSamples && question.Truth.Count > 0 && numbers.All(double.IsFinite))
            _boxes.Add((question, numbers, declared));
    }

    /// <exception cref="InputException">The boxes do not fit what was declared.</exception>
    public void ThrowIfImplausible()
    {
        if (_boxes.Count == 0) return;
        var declared = _boxes[0].Declared;
        var fit = Fit(null);
        var problem =
            Share(b => Pixels(b) is var box && (box.Width < 0 || box.Height < 0)) > 0.5 ? "most boxes have swapped corners"
            : Share(b => Beyond(Pixels(b), b.Question)) > 0.5 ? "most boxes reach beyond their picture"
            : Share(b => Crowded(Pixels(b), b.Question)) == 1 && Share(b => b.Question.Truth.All(box => Crowded(box, b.Question))) == 0
                ? "every box is tiny, in the picture's top left corner"
            : null;
        var (likely, likelyFit) = Coordinates.All.Where(other => other != declared).Select(other => (Other: other, Fit: Fit(other)))
            .MaxBy(pair => pair.Fit);
        var better = problem is null ? likelyFit > Math.Max(0.1, 3 * fit) : likelyFit > fit;
        if (problem is null && !better) return;
        throw new InputException(
            $"{path}: the boxes do not look like {declared}: {problem ?? "they hardly meet the true ones"}" +
            (better ? $". They fit {likely}: declare that with --coordinates {likely}"
                : ". Check what the numbers mean and declare it with --coordinates") +
            ", or insist with --trust-coordinates.");
    }

    /// <summary>The coordinates that fit the truth best, and their mean IoU.</summary>
    public (Coordinates Coordinates, double Fit) Best() =>
        _boxes.Count == 0 ? (Coordinates.All[0], 0) : Coordinates.All.Select(other => (other, Fit(other))).MaxBy(pair => pair.Item2);

    /// <summary>The milder check for answers of our own form, which may be as bad as an untrained model's.</summary>
    /// <exception cref="InputException">Other coordinates fit the truth three times better.</exception>
    public void ThrowIfOthersFit()
    {
        if (_boxes.Count > 0 && Best().Fit > Math.Max(0.1, 3 * Fit(null))) ThrowIfImplausible();
    }

    private double Share(Func<(Prediction Question, IReadOnlyList<double> Numbers, Coordinates Declared), bool> holds) =>
        (double)_boxes.Count(holds) / _boxes.Count;

    /// <summary>Mean IoU with the true box that fits best, in the given or in the declared coordinates.</summary>
    private double Fit(Coordinates? coordinates) => _boxes.Average(b =>
    {
        var box = (coordinates ?? b.Declared).ToPixels(b.Numbers, b.Question.Width, b.Question.Height);
        return b.Question.Truth.Max(truth => Region.Iou(new Region(truth), new Region(box)));
    });

    private static Box Pixels((Prediction Question, IReadOnlyList<double> Numbers, Coordinates Declared) b) =>
        b.Declared.ToPixels(b.Numbers, b.Question.Width, b.Question.Height);

    private static bool Beyond(Box box, Prediction question) =>
        box.Left < -0.02 * question.Width || box.Top < -0.02 * question.Height || box.Right > 1.02 * question.Width
            || box.Bottom > 1.02 * question.Height;

    /// <summary>Where boxes end up whose numbers have a range ten or more times smaller than declared.</summary>
    private static bool Crowded(Box box, Prediction question) => box.Right <= question.Width / 8.0 && box.Bottom <= question.Height / 8.0;
}
