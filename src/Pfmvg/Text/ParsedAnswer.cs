namespace Pfmvg.Text;

/// <summary>The boxes of an answer and what is wrong with it.</summary>
/// <param name="Boxes">Every box found, in the order of the text, raw: flawed ones included.</param>
/// <param name="Failure">
/// None when at least one box is sound, else why there is none: the flaw of the first box, or what stands in its place.
/// </param>
public sealed record ParsedAnswer(IReadOnlyList<GridBox> Boxes, Flaw Failure);
