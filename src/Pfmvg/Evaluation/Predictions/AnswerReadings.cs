using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>How the boxes in an answer's text are read, where it is not our own notation on the grid of 0..100.</summary>
/// <param name="Notation">How the boxes are written.</param>
/// <param name="Coordinates">What their numbers mean.</param>
/// <param name="Declared">Whether the user said so; otherwise the numbers did.</param>
internal sealed record AnswerReading(AnswerNotation Notation, Coordinates Coordinates, bool Declared)
{
    public override string ToString() => $"read as {Notation.Name}, {Coordinates} ({(Declared ? "declared" : "detected")})";
}

/// <summary>Finds out how the answers of a file are to be read. One reading holds for the whole file, whatever its lines say.</summary>
internal static class AnswerReadings
{
    private static readonly Coordinates Ours = new(100, BoxLayout.Xyxy);

    /// <summary>The predictions, their text answers with a reading where it is not ours.</summary>
    /// <param name="path">The file, for messages.</param>
    /// <param name="predictions">What it holds.</param>
    /// <param name="declared">The coordinates declared for each prediction; null where there are none.</param>
    /// <param name="options">Whether to check, and who hears of it.</param>
    /// <exception cref="InputException">
    /// What most numbers mean cannot be told, or other coordinates fit them far better; the message names those.
    /// </exception>
    public static IReadOnlyList<Prediction> Apply(
        string path, IReadOnlyList<Prediction> predictions, IReadOnlyList<Coordinates?> declared, ReadOptions options)
    {
        var answers = predictions.Zip(declared).Where(pair => !string.IsNullOrWhiteSpace(pair.First.Answer)
            && !PhraseLimit.IsTooLong(pair.First.Answer)).ToList();
        if (answers.Count == 0) return predictions;
        var found = answers.Select(pair => AnswerNotation.Of(pair.First.Answer!)).ToList();
        var common = found.OfType<AnswerNotation>().CountBy(notation => notation).OrderByDescending(pair => pair.Value)
            .ThenByDescending(pair => pair.Key == AnswerNotation.Braces).FirstOrDefault();
        if (common.Key is not { } notation)
        {
            if (answers.Exists(pair => pair.First.Answer!.AsSpan().IndexOfAnyInRange('0', '9') >= 0))
                options.Note($"none of the {answers.Count} answers holds a box in a notation that is known: {Names()}.");
            return predictions;
        }

        var said = answers.Select(pair => pair.Second).OfType<Coordinates>().Distinct().ToList();
        if (said.Count == 0 && options.Frame is { } frame) said = [new Coordinates(null, BoxLayout.Xyxy) { Frame = frame }];
        if (said.Count > 1)
            throw new InputException($"{path}: its answers are declared as {said[0]} and as {said[1]}; one must hold for all.");
        var boxes = answers.SelectMany(pair => notation.Boxes(pair.First.Answer!)).ToList();
        var check = new CoordinateCheck(path);
        var meaning = said.Count == 1 ? said[0] : Meaning(notation, boxes);
        foreach (var (prediction, _) in answers)
            if (notation.Boxes(prediction.Answer!) is { Count: > 0 } of) check.Add(prediction, of[0], meaning ?? Ours);
        if (meaning is null)
        {
            var sentence = $"{common.Value} of {answers.Count} answers hold boxes as {notation.Name}, and nothing says what their numbers "
                + "mean; " + (check.Best() is { } fitting // it only helps the user to decide
                    ? $"they fit {fitting}: declare that with {CoordinateCheck.Option(fitting)}"
                    : $"declare it with --coordinates, one of {string.Join(", ", Coordinates.All)}");
            if (2 * common.Value >= answers.Count) throw new InputException($"{path}: {sentence}.");
            options.Note($"{sentence}. These answers count as failures.");
            return predictions;
        }

        if (notation == AnswerNotation.Braces && meaning == Ours)
        {
            if (!options.TrustCoordinates && boxes.Count(box => box.Max() > 100) > boxes.Count / 2) check.ThrowIfOthersFit();
            return predictions;
        }

        if (!options.TrustCoordinates) check.ThrowIfImplausible();
        var reading = new AnswerReading(notation, meaning, said.Count == 1);
        options.Note($"the answers are {reading}; {common.Value} of {answers.Count} hold a box"
            + (found.Count(other => other is not null && other != notation) is > 0 and var others
                ? $", {others} in another notation count as malformed." : "."));
        return [.. predictions.Select(prediction => prediction.Answer is null ? prediction : prediction with { Reading = reading })];
    }

    /// <summary>What the numbers mean by themselves and by the notation's own description; null when that is not clear.</summary>
    private static Coordinates? Meaning(AnswerNotation notation, List<double[]> boxes)
    {
        var most = boxes.ConvertAll(box => box.Max());
        double Share(Func<double, bool> holds) => (double)most.Count(holds) / most.Count;

        if (Share(value => value <= 1) > 0.5 && boxes.Exists(box => box.Any(value => value != Math.Floor(value)))) return Unit(1);
        if (notation == AnswerNotation.Braces) return Ours;
        if (notation.Range is { } range && Share(value => value <= range) > 0.5) return Unit(range);
        return Share(value => value > 1000) >= 0.1 ? Unit(null) : null;

        static Coordinates Unit(int? range) => new(range, BoxLayout.Xyxy);
    }

    private static string Names() => string.Join("; ", AnswerNotation.All.Select(notation => notation.Name));
}
