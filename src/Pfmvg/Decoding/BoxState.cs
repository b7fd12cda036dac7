using Pfmvg.Text;

namespace Pfmvg.Decoding;

/// <summary>How far an answer in box form is, character by character.</summary>
public readonly record struct BoxState
{
    private const int Largest = 100;

    private enum Part
    {
        Start,     // before the space or the brace
        Open,      // before '{'
        Mark,      // before the '<' of a number
        Number,    // within a number or before its '>'
        Close,     // before '}'
        Whole,     // behind '}'
        Delimiter, // within <delim>
        Ended,
    }

    private readonly Part _part;
    private readonly byte _field;     // 0..3: x1, y1, x2, y2; within the delimiter, characters read
    private readonly sbyte _number;   // what is read of the number; -1 before its first digit
    private readonly byte _x1, _y1;   // as far as they are read and still matter

    private BoxState(Part part, int field = 0, int number = -1, int x1 = 0, int y1 = 0) =>
        (_part, _field, _number, _x1, _y1) = (part, (byte)field, (sbyte)number, (byte)x1, (byte)y1);

    /// <summary>Before the first character.</summary>
    public static BoxState Start => new(Part.Start);

    /// <summary>Behind the end token.</summary>
    public static BoxState Ended => new(Part.Ended);

    /// <summary>True when the box is complete, so that the answer may end here.</summary>
    public bool MayEnd => _part == Part.Whole;

    private int Lowest => _field switch { 2 => _x1 + 1, 3 => _y1 + 1, _ => 0 };

    private int Highest => _field < 2 ? Largest - 1 : Largest;

    private bool IsNumber => _number >= Lowest && _number <= Highest;

    /// <summary>The state after a character; null when it may not come here.</summary>
    public BoxState? After(char character) => (_part, character) switch
    {
        (Part.Start, SentencePieceModel.SpaceMark) => new(Part.Open),
        (Part.Start or Part.Open, '{') => new(Part.Mark),
        (Part.Mark, '<') => new(Part.Number, _field, -1, _x1, _y1),
        (Part.Number, >= '0' and <= '9') => Digit(character - '0'),
        (Part.Number, '>') when IsNumber => _field switch
        {
            0 => new(Part.Mark, 1, -1, _number),
            1 => new(Part.Mark, 2, -1, _x1, _number),
            2 => new(Part.Mark, 3, -1, 0, _y1),
            _ => new(Part.Close),
        },
        (Part.Close, '}') => new(Part.Whole),
        (Part.Whole, '<') => new(Part.Delimiter, 1),
        (Part.Delimiter, _) when character == BoxCodec.Delimiter[_field] =>
            _field + 1 < BoxCodec.Delimiter.Length ? new(Part.Delimiter, _field + 1) : new BoxState(Part.Open),
        _ => null,
    };

    /// <summary>
    /// The next character of the shortest text that completes the box; among equally short ones, of the one with the smallest numbers.
    /// </summary>
    internal char ShortestWay() => _part switch
    {
        Part.Start or Part.Open => '{',
        Part.Mark => '<',
        Part.Number when IsNumber => '>',
        Part.Number => ShortestDigit(),
        Part.Close => '}',
        Part.Delimiter => BoxCodec.Delimiter[_field],
        _ => throw new InvalidOperationException("The box is complete."),
    };

    private char ShortestDigit()
    {
        var (best, fewest) = (0, int.MaxValue);
        for (var digit = 9; digit >= 0; digit--)
            if (Digit(digit) is { } after && after.DigitsMissing() is var missing && missing <= fewest) (best, fewest) = (digit, missing);
        return (char)('0' + best);
    }

    private BoxState? Digit(int digit)
    {
        if (_number == 0 || _number > Largest / 10) return null; // no leading zero, at most three digits
        var longer = new BoxState(_part, _field, Math.Max(0, (int)_number) * 10 + digit, _x1, _y1);
        return longer.DigitsMissing() < int.MaxValue ? longer : null;
    }

    /// <summary>How many digits must still come for the number to be in its range; int.MaxValue when none can help.</summary>
    private int DigitsMissing()
    {
        var (low, high) = ((int)_number, (int)_number);
        for (var digits = 0; digits < 3; digits++, low *= 10, high = high * 10 + 9)
        {
            if (low <= Highest && high >= Lowest) return digits;
            if (_number == 0) break;
        }

        return int.MaxValue;
    }
}
