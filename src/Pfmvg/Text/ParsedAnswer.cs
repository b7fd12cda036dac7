namespace Pfmvg.Text;

/// <summary>Why an answer gives no region.</summary>
public enum ParseFailure
{
    /// <summary>It does give one.</summary>
    None,

    /// <summary>Nothing in it looks like a box; also a blank answer.</summary>
    NoBox,

    /// <summary>A box with fewer than four numbers.</summary>
    TooFewNumbers,

    /// <summary>Something in braces that is not four whole numbers, for example decimals or five numbers.</summary>
    Malformed,

    /// <summary>The text ends within a box.</summary>
    CutOff,

    /// <summary>A number below 0 or above 100.</summary>
    OutOfRange,

    /// <summary>The second corner lies left of or above the first.</summary>
    Swapped,

    /// <summary>A box without width or height.</summary>
    Empty,

    /// <summary>Several boxes where one was asked for.</summary>
    Several,
}

/// <summary>The boxes of an answer and what is wrong with it.</summary>
/// <param name="Boxes">Every box found, in the order of the text, raw: flawed ones included.</param>
/// <param name="Failure">
/// None when at least one box is sound, else why there is none: the flaw of the first box, or what stands in its place.
/// </param>
public sealed record ParsedAnswer(IReadOnlyList<GridBox> Boxes, ParseFailure Failure)
{
    /// <summary>The boxes without a flaw.</summary>
    public IEnumerable<GridBox> SoundBoxes => Boxes.Where(box => box.Flaw is ParseFailure.None);
}
