using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Auditing;

/// <summary>
/// Changes of answers in heat maps. Beside the file's own maps there are maps of one or two values, of which is known what they must
/// score; they lie in a folder of their own until the audit is over.
/// </summary>
internal sealed class AuditMaps : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pfmvg-audit-").FullName;
    private readonly string _all, _none, _left, _right;

    public AuditMaps() => (_all, _none, _left, _right) = (Map("all", 1), Map("none", 0), Map("left", 1, 0), Map("right", 0, 1));

    /// <inheritdoc/>
    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>The changes.</summary>
    /// <param name="predictions">The file's truth and maps.</param>
    /// <param name="options">How they are scored.</param>
    /// <param name="note">Hears what is left out, and why.</param>
    public IEnumerable<AuditCase> Cases(
        IReadOnlyList<Prediction> predictions, ScoringOptions options, Action<string> note)
    {
        foreach (var change in AuditCase.OfAnswers(predictions, options, note)) yield return change;
        var phrases = predictions.Where(row => row.Truth.Count > 0).GroupBy(row => row.PhraseKey)
            .Select(same => QuestionIndex.Merge([.. same]) with { Answer = null, Boxes = null, MapPlace = null }).ToList();
        var halves = phrases.ConvertAll(row => row with { HeatMap = _left, Truth = [new Box(0, 0, row.Width / 2.0, row.Height)] });
        yield return new AuditCase("maps above no threshold", AuditLaw.Zero, phrases, With(phrases, _none));
        yield return new AuditCase("maps of the whole picture", AuditLaw.Falls, With(Whole(phrases), _all), With(phrases, _all),
            new KnownFigures([.. phrases.Select(row => (row.Class, Share(row), 2 * Share(row) / (1 + Share(row))))]));
        yield return new AuditCase("truth and maps = left half", AuditLaw.One, phrases, halves);
        yield return new AuditCase("truth = left half, maps moved to the right", AuditLaw.Zero, halves, With(halves, _right));
        yield return new AuditCase("truth = left half, maps twice as wide", AuditLaw.Falls, halves, With(halves, _all),
            KnownFigures.OfEach(halves, 1.0 / 2, 2.0 / 3));
        yield return new AuditCase("truth and maps = left half, every second map dropped", AuditLaw.Falls, halves,
            [.. halves.Select((row, i) => i % 2 == 1 ? row : row with { HeatMap = _none })],
            new KnownFigures([.. halves.Select((row, i) => (row.Class, i % 2.0, i % 2.0))]));
        var turns = halves.Select((row, i) => i % 2 == 0 ? row : row with
        {
            HeatMap = _right, Truth = [new Box(row.Width / 2.0, 0, row.Width, row.Height)],
        }).ToList();
        yield return new AuditCase("truth and maps = halves in turn, exchanged among phrases", AuditLaw.Zero, turns,
            [.. turns.Select(row => row with { HeatMap = row.HeatMap == _left ? _right : _left })]);

        static IReadOnlyList<Prediction> With(IReadOnlyList<Prediction> rows, string map) =>
            [.. rows.Select(row => row with { HeatMap = map })];

        static IReadOnlyList<Prediction> Whole(IReadOnlyList<Prediction> rows) =>
            [.. rows.Select(row => row with { Truth = [new Box(0, 0, row.Width, row.Height)] })];
    }

    // IoU of the whole picture with the truth, which may leave it by a rounding.
    private static double Share(Prediction row)
    {
        var (truth, picture) = (new Region(row.Truth), new Region([new Box(0, 0, row.Width, row.Height)]));
        var both = Region.IntersectionArea(truth, picture);
        return both / (truth.Area + picture.Area - both);
    }

    private string Map(string name, params float[] values)
    {
        var path = Path.Combine(_folder, $"{name}.npy");
        HeatMap.Write(path, values, 1, values.Length);
        return path;
    }
}
