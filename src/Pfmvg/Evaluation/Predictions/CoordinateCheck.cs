using Pfmvg.Data;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>
/// Refuses boxes that cannot be in the declared coordinates: most of them reach beyond the picture or have swapped corners,
/// all of them are crowded into the top left corner, or other coordinates fit the truth far better.
/// </summary>
/// <remarks>
/// Nothing is converted on a guess: the message names the likely coordinates, and the user declares them. What it names has passed
/// this check itself.
/// </remarks>
internal sealed class CoordinateCheck(string path)
{
    private const int MostSamples = 2000;

    // Fewer pairs prove neither a frame nor an order of the numbers.
    private const int LeastPairs = 5;

    private static readonly BoxLayout[] Layouts = Enum.GetValues<BoxLayout>();

    private readonly List<WrittenBox> _boxes = [];
    private readonly Dictionary<(Coordinates, bool), double[]> _overlaps = [];
    private Coordinates? _declared;
    private List<Coordinates>? _byProof;

    public string Path => path;

    /// <summary>Adds the first box of an answer. Where there is no true box, nothing tells whether it fits.</summary>
    public void Add(Prediction question, IReadOnlyList<double> numbers, Coordinates declared)
    {
        if (_boxes.Count >= MostSamples || question.Truth.Count == 0 || !numbers.All(double.IsFinite)) return;
        _declared ??= declared;
        _boxes.Add(new WrittenBox(question, numbers));
    }

    /// <exception cref="InputException">The boxes do not fit what was declared.</exception>
    public void ThrowIfImplausible()
    {
        if (_declared is null || Verdict(_declared) is not { } problem) return;
        throw new InputException($"{path}: the boxes do not look like {_declared}: {problem}"
            + (Likely(_declared) is { } likely ? $". They fit {likely}: declare that with {Option(likely)}"
                : ". Check what the numbers mean and declare it with --coordinates, and with --frame where they are pixels of a resized "
                    + "picture")
            + ", or insist with --trust-coordinates.");
    }

    /// <summary>Whether the boxes can be in these coordinates, by all that is known of them.</summary>
    public bool Fits(Coordinates coordinates) => _boxes.Count == 0 || Verdict(coordinates) is null;

    /// <summary>The coordinates that fit the truth best and pass this check; null when none fits.</summary>
    public Coordinates? Best() => _boxes.Count == 0 ? null : Passing(0.1, 0.1);

    /// <summary>The option that declares coordinates.</summary>
    public static string Option(Coordinates coordinates) => coordinates.Frame is not { } frame ? $"--coordinates {coordinates}"
        : $"--coordinates {coordinates with { Frame = null }} --frame {frame}";

    /// <summary>The milder check for answers of our own form, which may be as bad as an untrained model's.</summary>
    /// <exception cref="InputException">Other coordinates fit the truth three times better.</exception>
    public void ThrowIfOthersFit()
    {
        if (_declared is not null && Named().Concat(ByProof()).Any(other => Fit(other) > Math.Max(0.1, 3 * Fit(_declared))))
            ThrowIfImplausible();
    }

    /// <summary>What speaks against coordinates, as a clause; null when nothing does.</summary>
    private string? Verdict(Coordinates declared) => Problem(declared)
        ?? (Named().Where(other => other != declared).Any(other => Fit(other) > Math.Max(0.1, 3 * Fit(declared)))
            || Proven(declared).Any() ? "they hardly meet the true ones" : null);

    private string? Problem(Coordinates declared) =>
        Share(b => Pixels(b, declared) is var box && (box.Width < 0 || box.Height < 0)) > 0.5 ? "most boxes have swapped corners"
        : Share(b => Beyond(Pixels(b, declared), b.Question)) > 0.5 ? "most boxes reach beyond their picture"
        : Share(b => Crowded(Pixels(b, declared), b.Question)) == 1
            && Share(b => b.Question.Truth.All(box => Crowded(box, b.Question))) == 0
            ? "every box is tiny, in the picture's top left corner"
        : null;

    /// <summary>What the boxes more likely are; it passes this check.</summary>
    private Coordinates? Likely(Coordinates declared) => Passing(Fit(declared), Math.Max(0.1, Fit(declared)));

    /// <summary>
    /// The best coordinates that pass: one with a name, or one believed by proof that fits visibly better; of nearly equal ones of
    /// these the simplest.
    /// </summary>
    private Coordinates? Passing(double leastNamed, double leastByProof)
    {
        const double Visibly = 1.03;
        var named = Named().Where(other => Fit(other) > leastNamed && Verdict(other) is null).MaxBy(Fit);
        var least = named is null ? leastByProof : Math.Max(leastByProof, Visibly * Fit(named));
        var others = ByProof().Where(other => Fit(other) > least && Verdict(other) is null).ToList();
        return others.Count == 0 ? named : others.Max(Fit) is var best ? others.Find(other => Visibly * Fit(other) >= best) : null;
    }

    /// <summary>The coordinates that have names, y first excepted.</summary>
    private static IEnumerable<Coordinates> Named() => Coordinates.All.Where(other => other.Layout != BoxLayout.Yxyx);

    /// <summary>What is believed by proof only: y first, and pixels of a resized picture.</summary>
    private List<Coordinates> ByProof() => _byProof ??=
    [
        .. Coordinates.All.Where(other => other.Layout == BoxLayout.Yxyx),
        .. Layouts.SelectMany(layout => FrameSearch.Candidates(_boxes, layout)
            .Select(frame => new Coordinates(null, layout) { Frame = frame })),
    ];

    /// <summary>
    /// Coordinates that the answers themselves prove: they fit half as well again as the declared ones, beyond chance, and better
    /// than the same boxes fit other pictures, so that no constant answer is taken for one in another frame.
    /// </summary>
    private IEnumerable<Coordinates> Proven(Coordinates declared)
    {
        var others = declared is { Frame: null, Layout: not BoxLayout.Yxyx } ? ByProof() : Named().Concat(ByProof());
        return others.Where(other => other != declared && _boxes.Count >= LeastPairs && Problem(other) is null
            && Fit(other) > Math.Max(0.1, 1.5 * Fit(declared)) && Fit(other) > 1.5 * Overlaps(other, elsewhere: true).Average()
            && IsBeyondChance([.. Overlaps(other).Zip(Overlaps(declared), (mine, theirs) => mine - theirs)]));

        static bool IsBeyondChance(double[] differences)
        {
            var mean = differences.Average();
            return mean > 3 * Math.Sqrt(differences.Sum(d => (d - mean) * (d - mean)) / differences.Length / (differences.Length - 1));
        }
    }

    private double Share(Func<WrittenBox, bool> holds) => (double)_boxes.Count(holds) / _boxes.Count;

    /// <summary>Mean IoU with the true box that fits best.</summary>
    private double Fit(Coordinates coordinates) => Overlaps(coordinates).Average();

    /// <summary>IoU of each box with the truth of its own question or, elsewhere, of another one half the file away.</summary>
    private double[] Overlaps(Coordinates coordinates, bool elsewhere = false)
    {
        if (_overlaps.TryGetValue((coordinates, elsewhere), out var known)) return known;
        return _overlaps[(coordinates, elsewhere)] = [.. _boxes.Select((b, i) =>
        {
            var (box, asked) = (Pixels(b, coordinates), b.Question);
            if (elsewhere)
            {
                asked = _boxes[(i + _boxes.Count / 2) % _boxes.Count].Question;
                box = box.Scale((double)asked.Width / b.Question.Width, (double)asked.Height / b.Question.Height);
            }

            if (!BoxRules.IsFinite(box)) return 0; // a number so large that another meaning leads beyond all numbers
            return asked.Truth.Max(truth => Region.Iou(new Region(truth), new Region(box)));
        })];
    }

    private static Box Pixels(WrittenBox b, Coordinates declared) => b.Question.ToPixels(b.Numbers, declared);

    private static bool Beyond(Box box, Prediction question) =>
        box.Left < -0.02 * question.Width || box.Top < -0.02 * question.Height || box.Right > 1.02 * question.Width
            || box.Bottom > 1.02 * question.Height;

    /// <summary>Where boxes end up whose numbers have a range ten or more times smaller than declared.</summary>
    private static bool Crowded(Box box, Prediction question) => box.Right <= question.Width / 8.0 && box.Bottom <= question.Height / 8.0;
}
