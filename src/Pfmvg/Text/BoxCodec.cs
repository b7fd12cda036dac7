using System.Globalization;
using System.Text.RegularExpressions;
using Pfmvg.Geometry;

namespace Pfmvg.Text;

/// <summary>
/// Boxes to answer text and back: <c>{&lt;x1&gt;&lt;y1&gt;&lt;x2&gt;&lt;y2&gt;}</c>, several joined by
/// <c>&lt;delim&gt;</c>.
/// </summary>
/// <remarks>
/// MiniGPT-v2's notation. Reading takes time linear in the length of the answer, whatever it holds.
/// </remarks>
public static partial class BoxCodec
{
    /// <summary>What stands between two boxes.</summary>
    public const string Delimiter = "<delim>";

    /// <summary>
    /// The answer to a phrase that names nothing in the picture. A plain word that the language model has; nothing of it looks like a box.
    /// </summary>
    public const string Nothing = "none";

    /// <summary>Whether an answer says that nothing of the kind is in the picture, and nothing else.</summary>
    public static bool SaysNothing(string answer) =>
        Clean(answer).AsSpan().TrimEnd('.').Equals(Nothing, StringComparison.OrdinalIgnoreCase);

    /// <summary>The answer text for boxes of a picture.</summary>
    /// <remarks>
    /// Each number is int(v / size * 100), truncated, in double precision and in this order, as the original computes it:
    /// 0.29 of the width gives 28, since 0.29 * 100 is a little below 29.
    /// </remarks>
    /// <param name="boxesInPixels">At least one box, in pixels of the original picture.</param>
    /// <param name="width">Width of the picture in pixels.</param>
    /// <param name="height">Height of the picture in pixels.</param>
    /// <param name="writing">Which whole number stands for a corner.</param>
    /// <exception cref="ArgumentException">There is no box, or one that leaves the picture so far that a number is not
    /// in 0..100.</exception>
    public static string Format(
        IReadOnlyList<Box> boxesInPixels, int width, int height, BoxWriting writing = BoxWriting.Truncated)
    {
        if (boxesInPixels.Count == 0) throw new ArgumentException("There is no box to write.", nameof(boxesInPixels));
        return string.Join(Delimiter, boxesInPixels.Select(box => ToGrid(box, width, height, writing)));
    }

    /// <summary>The box on the grid of an answer, as <see cref="Format"/> writes it.</summary>
    /// <exception cref="ArgumentException">The box leaves the picture so far that a number is not in 0..100.</exception>
    public static GridBox ToGrid(Box box, int width, int height, BoxWriting writing = BoxWriting.Truncated)
    {
        return new GridBox(Grid(box.Left, width), Grid(box.Top, height), Grid(box.Right, width), Grid(box.Bottom, height));

        int Grid(double value, int size) => value / size * 100 is > -1 and < 101 and var hundredths
            ? writing == BoxWriting.Rounded ? (int)Math.Clamp(Math.Floor(hundredths + 0.5), 0, 100) : (int)hundredths
            : throw new ArgumentException($"{box} leaves its picture of {width} x {height} pixels.", nameof(box));
    }

    /// <summary>Removes <c>&lt;unk&gt;</c>, then spaces, then white space at both ends, as the original evaluation does.</summary>
    public static string Clean(string answer)
    {
        var text = answer.Replace("<unk>", "", StringComparison.Ordinal).Replace(" ", "", StringComparison.Ordinal).AsSpan();
        while (text.Length > 0 && IsWhite(text[0])) text = text[1..];
        while (text.Length > 0 && IsWhite(text[^1])) text = text[..^1];
        return text.ToString();

        static bool IsWhite(char c) => char.IsWhiteSpace(c) || c is >= '\x1c' and <= '\x1f'; // what Python strips
    }

    /// <summary>Every box anywhere in an answer, and why it gives no region when it gives none.</summary>
    /// <param name="answer">The model's text.</param>
    public static ParsedAnswer Parse(string answer)
    {
        var text = Clean(answer);
        List<GridBox> boxes = [.. AnyBox().Matches(text).Select(ToBox)];
        var failure =
            boxes.Count == 0 ? Diagnose(text) :
            boxes.Exists(box => box.Flaw is Flaw.None) ? Flaw.None : boxes[0].Flaw;
        return new ParsedAnswer(boxes, failure);
    }

    /// <summary>
    /// The box that the authors' own evaluation reads: only one at the very start of the cleaned answer, and with any
    /// Unicode decimal digits, as <c>\d</c> of a Python string means them. Null when there is none: they leave such an answer out.
    /// </summary>
    public static GridBox? ParseAtStart(string answer) =>
        BoxAtStart().Match(Clean(answer)) is { Success: true } match ? ToBox(match) : null;

    /// <summary>What is wrong with a text without any box, by its first pair of braces.</summary>
    private static Flaw Diagnose(string text)
    {
        var open = text.IndexOf('{');
        if (open < 0) return Flaw.NoBox;
        var close = text.IndexOf('}', open);
        if (close < 0) return UnfinishedBox().IsMatch(text.AsSpan(open)) ? Flaw.CutOff : Flaw.NoBox;
        var inside = text.AsSpan(open + 1, close - open - 1);
        if (!Integers().IsMatch(inside)) return Flaw.Malformed;
        return inside.Count('<') switch
        {
            < 4 => Flaw.TooFewNumbers,
            4 => Flaw.OutOfRange, // whole numbers, yet no box: a minus sign or more than three digits
            _ => Flaw.Malformed,
        };
    }

    private static GridBox ToBox(Match match)
    {
        return new GridBox(Number(1), Number(2), Number(3), Number(4));

        int Number(int group)
        {
            var number = 0;
            foreach (var digit in match.Groups[group].ValueSpan) number = 10 * number + CharUnicodeInfo.GetDecimalDigitValue(digit);
            return number;
        }
    }

    [GeneratedRegex(@"\{<([0-9]{1,3})><([0-9]{1,3})><([0-9]{1,3})><([0-9]{1,3})>\}")] private static partial Regex AnyBox();

    [GeneratedRegex(@"\A\{<(\d{1,3})><(\d{1,3})><(\d{1,3})><(\d{1,3})>\}")] private static partial Regex BoxAtStart();

    [GeneratedRegex(@"\A(?:<-?[0-9]+>)*\z", RegexOptions.NonBacktracking)] private static partial Regex Integers();

    [GeneratedRegex(@"\A\{[<>0-9-]*\z")] private static partial Regex UnfinishedBox();
}
