namespace Pfmvg.Fuzz.Mutating;

/// <summary>
/// Changes a file that is a row of parts: chunks, segments, elements, operations, lines. Whoever puts the parts together again
/// repairs what depends on them, such as lengths and checksums.
/// </summary>
/// <param name="split">Takes a file apart; null or empty where it is not of this form.</param>
/// <param name="join">Puts parts together.</param>
/// <param name="change">Changes a single part.</param>
internal sealed class Parts<T>(Func<byte[], List<T>?> split, Func<List<T>, byte[]> join, Func<T, Dice, T> change)
{
    public byte[] Change(byte[] input, Dice dice)
    {
        if (split(input) is not { Count: > 0 } parts) return input;
        var at = dice.Below(parts.Count);
        switch (dice.Below(10))
        {
            case 0:
                parts.RemoveAt(at);
                break;
            case 1:
                parts.Insert(dice.Below(parts.Count + 1), parts[at]);
                break;
            case 2:
                var with = dice.Below(parts.Count);
                (parts[at], parts[with]) = (parts[with], parts[at]);
                break;
            case 3:
                parts.InsertRange(at, Enumerable.Repeat(parts[at], 1 + dice.Below(1 << dice.Below(8))));
                break;
            case 4 when split(dice.Other()) is { Count: > 0 } others:
                var (start, length) = dice.Span(others.Count);
                parts.InsertRange(at, others.Skip(start).Take(Math.Min(length, 8)));
                break;
            default:
                parts[at] = change(parts[at], dice);
                break;
        }

        var changed = join(parts);
        return changed.Length <= Dice.LargestInput ? changed : input;
    }
}
