using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Auditing;

/// <summary>Changes of answers in boxes. Most begin with the truth as the answer, of which is known what a change must do.</summary>
internal static class AuditBoxes
{
    /// <summary>Average precision counts no more boxes of a phrase.</summary>
    private const int MostBoxes = 100;

    /// <summary>The changes for a protocol.</summary>
    /// <param name="predictions">The file's truth and answers.</param>
    /// <param name="options">How they are scored.</param>
    /// <param name="note">Hears what is left out, and why.</param>
    public static IEnumerable<AuditCase> Cases(
        IReadOnlyList<Prediction> predictions, ScoringOptions options, Action<string> note)
    {
        foreach (var change in AuditCase.OfAnswers(predictions, options, note)) yield return change;
        var perfect = Perfect(predictions, options.Protocol);
        if (perfect.Count == 0) yield break;
        var single = options.Protocol is Protocol.PfmvgBox or Protocol.SingleBox && !options.AddsPixel;
        yield return new AuditCase("answers = truth", AuditLaw.One, predictions, perfect);
        yield return new AuditCase("truth, its corners swapped",
            options.Rule switch { AnswerRule.Repair => AuditLaw.One, AnswerRule.Original => AuditLaw.Falls, _ => AuditLaw.Zero }, perfect,
            Answer(perfect, (_, box) => new Box(box.Right, box.Bottom, box.Left, box.Top)));
        yield return new AuditCase("truth, moved by half its width", AuditLaw.Falls, perfect, // on a wider picture: nothing leaves it
            Answer([.. perfect.Select(row => row with { Width = 2 * row.Width })], (_, box) => box.Move(box.Width / 2, 0)),
            single ? KnownFigures.OfEach(perfect, 1.0 / 3, 1.0 / 2) : null);
        yield return new AuditCase("truth, sides twice as long", AuditLaw.Falls, perfect,
            Answer([.. perfect.Select(Amid)], (_, box) => new Box(
            box.Left - box.Width / 2, box.Top - box.Height / 2, box.Right + box.Width / 2, box.Bottom + box.Height / 2)),
            single ? KnownFigures.OfEach(perfect, 1.0 / 4, 2.0 / 5) : null);
        yield return new AuditCase("truth, every second answer dropped", AuditLaw.Falls, perfect,
            [.. perfect.Select((row, i) => i % 2 == 1 ? row : row with { Boxes = [] })],
            options.Protocol == Protocol.Map50 ? null : new KnownFigures([.. perfect.Select((row, i) => (row.Class, i % 2.0, i % 2.0))]));
        if (Exchanged(perfect) is { } exchanged)
            yield return new AuditCase("truth, exchanged among phrases", AuditLaw.Falls, perfect, exchanged);

        static IReadOnlyList<Prediction> Answer(IReadOnlyList<Prediction> rows, Func<Prediction, Box, Box> change) =>
            [.. rows.Select(row => row with { Boxes = [.. row.Truth.Select(box => change(row, box))] })];
    }

    /// <summary>The same on a picture of twice the size; texts in parts of the picture say so as they stand.</summary>
    public static Prediction Twice(Prediction row) => row with
    {
        Width = 2 * row.Width,
        Height = 2 * row.Height,
        Truth = [.. row.Truth.Select(box => box.Scale(2, 2))],
        Crowds = [.. row.Crowds.Select(box => box.Scale(2, 2))],
        Boxes = row.Boxes is { } boxes ? [.. boxes.Select(box => box.Scale(2, 2))] : null,
        Reading = row.Reading is { Coordinates: { Range: null, Frame: null } pixels } reading
            ? reading with { Coordinates = pixels with { Frame = PictureFrame.Scaled(0.5) } } // pixels of the picture as it was
            : row.Reading is { Coordinates: { Frame: { Factor: { } factor } } scaled } other
                ? other with { Coordinates = scaled with { Frame = PictureFrame.Scaled(factor / 2) } }
            : row.Reading,
    };

    /// <summary>The truth as the answer, one row for each sample of the protocol: a true box, or a phrase with all of its boxes.</summary>
    private static List<Prediction> Perfect(IReadOnlyList<Prediction> predictions, Protocol protocol)
    {
        var rows = predictions.Select(row => row with
        {
            // Annotations may leave the picture by a rounding, and an answer that is clamped to it may not.
            Truth = [.. row.Truth.Select(box => box.Intersect(new Box(0, 0, row.Width, row.Height))).Where(box => !box.IsEmpty)],
            Answer = null,
            Confidence = null,
            Reading = null,
            BrokenPicture = null,
        });
        var samples = protocol == Protocol.PfmvgBox
            ? rows.SelectMany(row => row.Truth.Select((box, i) => row with { Id = i == 0 ? row.Id : $"{row.Id}#{i + 1}", Truth = [box] }))
            : rows.GroupBy(row => row.PhraseKey).Select(same => QuestionIndex.Merge([.. same]));
        return [.. samples.Select(row => row with { Boxes = row.Truth })
            .Where(row => row.Truth.Count is > 0 and <= MostBoxes && (protocol != Protocol.SingleBox || row.Truth.Count == 1))];
    }

    /// <summary>
    /// Each phrase with the answer to another one that means another place: one of the same picture, where it has one. Null where no two
    /// phrases of the file mean different places.
    /// </summary>
    private static List<Prediction>? Exchanged(List<Prediction> perfect)
    {
        var pictures = perfect.GroupBy(row => row.Image).ToDictionary(same => same.Key, same => same.ToList());
        var partners = perfect.ConvertAll(row => Next(row, pictures[row.Image]));
        if (partners.TrueForAll(partner => partner is null)) partners = perfect.ConvertAll(row => Next(row, perfect));
        return partners.TrueForAll(partner => partner is null) ? null : [.. perfect.Zip(partners, (row, partner) => row with
        {
            Boxes = partner?.Truth ?? row.Boxes,
            Width = Math.Max(row.Width, partner?.Width ?? 0),
            Height = Math.Max(row.Height, partner?.Height ?? 0),
        })];

        // The next one in turn, so that each answer goes to one phrase where that can be.
        static Prediction? Next(Prediction row, List<Prediction> among)
        {
            var at = among.FindIndex(other => ReferenceEquals(other, row));
            return among.Skip(at + 1).Concat(among.Take(at)).FirstOrDefault(other => IsElsewhere(row, other));
        }

        static bool IsElsewhere(Prediction row, Prediction other) =>
            Region.Iou(new Region(row.Truth), new Region(other.Truth)) < 0.4
            && !row.Truth.Any(box => other.Truth.Any(theirs => Region.Iou(new Region([box]), new Region([theirs])) > 0.4));
    }

    /// <summary>The same amid a picture of three times the size.</summary>
    private static Prediction Amid(Prediction row) => row with
    {
        Width = 3 * row.Width,
        Height = 3 * row.Height,
        Truth = [.. row.Truth.Select(box => box.Move(row.Width, row.Height))],
        Crowds = [.. row.Crowds.Select(box => box.Move(row.Width, row.Height))],
    };
}
