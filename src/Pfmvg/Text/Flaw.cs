namespace Pfmvg.Text;

/// <summary>What is wrong with a box or with an answer. Only the first reason that applies counts.</summary>
/// <remarks>The names are written to scores.json, in the order in which they stand here.</remarks>
public enum Flaw
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The file has no answer for the sample.</summary>
    Missing,

    /// <summary>The picture cannot be read, so the model was not asked.</summary>
    BrokenPicture,

    /// <summary>The server that was asked gave no answer.</summary>
    Unanswered,

    /// <summary>The model declined to answer.</summary>
    Refused,

    /// <summary>The answer has more than 64 KiB: no box is looked for in it.</summary>
    TooLong,

    /// <summary>Nothing in the answer looks like a box; also a blank answer.</summary>
    NoBox,

    /// <summary>A box with fewer than four numbers.</summary>
    TooFewNumbers,

    /// <summary>Something in braces that is not four whole numbers, for example decimals or five numbers.</summary>
    Malformed,

    /// <summary>The answer ends inside a box, as at the token limit.</summary>
    CutOff,

    /// <summary>More boxes than any answer can mean (over 1,000).</summary>
    TooManyBoxes,

    /// <summary>A number is NaN or infinite.</summary>
    NotFinite,

    /// <summary>A number lies outside the picture, or outside 0..100 in an answer's text.</summary>
    OutOfRange,

    /// <summary>The second corner lies left of or above the first.</summary>
    Swapped,

    /// <summary>A box without area.</summary>
    Empty,

    /// <summary>Several boxes where one was asked.</summary>
    Several,

    /// <summary>
    /// All edges lie between 0 and 1: the coordinates were divided by the picture's size. Only annotations are checked for it.
    /// </summary>
    Normalised,
}
