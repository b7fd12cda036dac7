using System.Text.Json;
using Pfmvg.Data.Files;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>
/// A user's samples as questions and answers, as ms-swift, LLaMA-Factory, LLaVA and TRL train on them. A pair of question and
/// answer is a sample: the phrase is cut out of the question, the boxes are `objects` (ms-swift) or stand in the answer.
/// </summary>
/// <param name="format">ms-swift, llamafactory, llava, llava-padded or trl.</param>
/// <param name="question">How the phrase stands in the question, with {phrase}.</param>
/// <param name="coordinates">What the numbers in answers mean; null: what the format says, where it does.</param>
internal sealed class OwnChats(string format, string question, Coordinates? coordinates)
{
    private const string Phrase = "{phrase}", Picture = "<image>", Reference = "<ref-object>", Placeholder = "<bbox>";

    private static readonly Coordinates Unit = Coordinates.Parse("unit-xyxy"), Percent = Coordinates.Parse("percent-xyxy");

    private readonly string[] _question = question.Split(Phrase) is { Length: 2 } parts ? parts
        : throw new InputException($"--question '{question}': {Phrase} must stand in it once.");

    /// <summary>The samples.</summary>
    /// <exception cref="InputException">The file is no JSON, or nothing says what the numbers in its answers mean.</exception>
    public IEnumerable<ListedSample> Read(string path, TextRepairs repairs)
    {
        foreach (var row in OwnRows.Read(path, repairs))
        {
            var pictures = Pictures(row.Value);
            var sample = OwnRows.Common(row, pictures.Count == 1 ? pictures[0] : "", " ") with { Problem = null };
            var (turns, problem) = OwnTurns.Of(row.Value);
            problem = pictures.Count != 1 ? $"it names {pictures.Count} pictures where one is wanted" : problem;
            var objects = row.Value.Member("objects") is { ValueKind: JsonValueKind.Object } found ? new OwnObjects(found) : null;
            problem ??= objects?.Problem ?? (objects is null ? null : Mismatch(objects, turns));
            if (problem is not null)
            {
                yield return sample with { Problem = problem };
                continue;
            }

            foreach (var (index, turn) in turns.Index())
                yield return Sample(sample with { Id = index == 0 || sample.Id.Length == 0 ? sample.Id : $"{sample.Id}/{index + 1}" },
                    turn, objects);
        }
    }

    private ListedSample Sample(ListedSample sample, OwnTurn turn, OwnObjects? objects)
    {
        var asked = Asked(turn.Question);
        var named = objects is not null && asked.Contains(Reference, StringComparison.Ordinal);
        var phrase = named ? objects!.NextReference() : Cut(asked);
        if (phrase is null)
            return sample with { Problem = $"the question is not '{question}'; say with --question how the phrase stands in it" };
        if (objects is not null)
            return sample with
            {
                Text = phrase,
                Boxes = objects.Next(Count(turn.Answer, Placeholder)),
                ToPixels = objects.IsUnit ? ToPixels(Unit) : ToPixels(new Coordinates(null, BoxLayout.Xyxy)),
                Problem = coordinates is null ? null : "its objects say what their numbers mean; leave --coordinates out",
            };
        var answer = OwnAnswer.Read(turn.Answer, phrase);
        return sample with
        {
            Text = phrase,
            Boxes = answer.Boxes,
            ToPixels = answer.Boxes.Count == 0 ? null : ToPixels(coordinates ?? (answer.IsPercent ? Percent : Declared(sample.Place))),
            Problem = answer.Problem,
        };
    }

    private Coordinates Declared(string place) => format is "llava" or "llava-padded" ? Unit
        : throw new InputException($"{place}: numbers stand in the answer, and nothing says what they mean; say it with '--coordinates', "
            + "for example thousand-xyxy or pixels-xyxy.");

    /// <summary>Numbers to pixels; a padded picture is a square with the picture in its middle, the offset rounded down.</summary>
    private Func<Box, int, int, Box> ToPixels(Coordinates meaning) => (box, width, height) =>
    {
        double[] numbers = [box.Left, box.Top, box.Right, box.Bottom];
        if (format != "llava-padded") return meaning.ToPixels(numbers, width, height);
        var side = Math.Max(width, height);
        var inside = meaning.ToPixels(numbers, side, side).Move(-((side - width) / 2), -((side - height) / 2));
        return new Box(Near(inside.Left, width), Near(inside.Top, height), Near(inside.Right, width), Near(inside.Bottom, height));

        // Three decimals of the square's side may leave a large picture by more than annotations may.
        double Near(double edge, int size) => Math.Abs(edge - Math.Clamp(edge, 0, size)) is > BoxRules.Tolerance and var over
            && over <= side / 1000.0 ? Math.Clamp(edge, 0, size) : edge;
    };

    /// <summary>The question without the mark of the picture, which stands before or behind it.</summary>
    private static string Asked(string text)
    {
        text = text.Trim();
        if (text.StartsWith(Picture, StringComparison.Ordinal)) return text[Picture.Length..].Trim();
        return text.EndsWith(Picture, StringComparison.Ordinal) ? text[..^Picture.Length].Trim() : text;
    }

    private string? Cut(string asked)
    {
        var (before, after) = (_question[0].TrimStart(), _question[1].TrimEnd());
        return asked.Length > before.Length + after.Length && asked.StartsWith(before, StringComparison.Ordinal)
            && asked.EndsWith(after, StringComparison.Ordinal) ? asked[before.Length..(asked.Length - after.Length)] : null;
    }

    private static string? Mismatch(OwnObjects objects, List<OwnTurn> turns)
    {
        var (boxes, references) = (turns.Sum(turn => Count(turn.Answer, Placeholder)), turns.Sum(turn => Count(turn.Question, Reference)));
        return turns.Exists(turn => turn.Question.Contains(Placeholder, StringComparison.Ordinal)) ? $"the question has a {Placeholder}"
            : turns.Exists(turn => Count(turn.Question, Reference) > 1) ? $"a question has several {Reference}, one is wanted"
            : boxes != objects.BoxCount ? $"the answers have {boxes} {Placeholder}, objects.bbox has {objects.BoxCount} boxes"
            : references > objects.ReferenceCount ? $"the questions have {references} {Reference}, objects.ref has {objects.ReferenceCount}"
            : null;
    }

    private static int Count(string text, string part) => text.AsSpan().Count(part);

    private static List<string> Pictures(JsonElement row)
    {
        var value = row.Member("images") ?? row.Member("image");
        return value is { ValueKind: JsonValueKind.Array } list ? [.. list.EnumerateArray().Select(PathOf).OfType<string>()]
            : value is { } single && PathOf(single) is { } path ? [path] : [];

        static string? PathOf(JsonElement element) => element.TextOrNull() ?? element.TextOf("path");
    }
}
