using System.Globalization;
using Pfmvg.Geometry;

namespace Pfmvg.Data.Sets;

/// <summary>A box of one reader.</summary>
internal readonly record struct ReaderBox(string Reader, Box Box);

/// <summary>
/// How the boxes of several readers of one picture and class become true boxes: all of them (`union`), those that at least so
/// many readers agree on (`agree:2`, or `agree:2:0.4` with the least IoU), or one reader's (`R9`).
/// </summary>
internal sealed record VinDrRule
{
    private const double UsualIou = 0.5;

    private VinDrRule(int readers, double iou, string? reader) => (Readers, LeastIou, Reader) = (readers, iou, reader);

    /// <summary>Readers who must agree; 1: no agreement is asked for.</summary>
    public int Readers { get; }

    /// <summary>Boxes of two readers that overlap so much agree.</summary>
    public double LeastIou { get; }

    /// <summary>The one reader whose boxes count; null: all readers'.</summary>
    public string? Reader { get; }

    /// <summary>Reads a rule.</summary>
    /// <exception cref="InputException">It is none.</exception>
    public static VinDrRule Parse(string text)
    {
        var parts = text.Split(':');
        if (text.Equals("union", StringComparison.OrdinalIgnoreCase)) return new VinDrRule(1, 0, null);
        if (parts[0].Equals("agree", StringComparison.OrdinalIgnoreCase))
        {
            var iou = UsualIou;
            if (parts.Length is 2 or 3 && int.TryParse(parts[1], CultureInfo.InvariantCulture, out var readers) && readers is 2 or 3
                && (parts.Length == 2 || double.TryParse(parts[2], CultureInfo.InvariantCulture, out iou) && iou is > 0 and <= 1))
                return new VinDrRule(readers, iou, null);
        }
        else if (text.Length > 1 && char.ToUpperInvariant(text[0]) == 'R' && text.AsSpan(1).IndexOfAnyExceptInRange('0', '9') < 0)
            return new VinDrRule(1, 0, text.ToUpperInvariant());
        throw new InputException($"--vindr-readers {text}: this is no rule; write union, agree:2 or agree:3 (agree:2:0.4 for an IoU of 0.4 "
            + "instead of 0.5), or one reader, such as R9.");
    }

    /// <summary>What the rule does, as a clause.</summary>
    public override string ToString() => Reader is not null ? $"only the boxes of reader {Reader} are taken"
        : Readers == 1 ? "the boxes of all readers are kept as separate boxes (union)"
        : string.Create(CultureInfo.InvariantCulture,
            $"a box is kept where at least {Readers} readers agree with IoU {LeastIou} or more, as the mean of their edges");

    /// <summary>The true boxes of one picture and class.</summary>
    public IReadOnlyList<Box> Merge(IReadOnlyList<ReaderBox> boxes)
    {
        if (Readers == 1) return [.. boxes.Where(box => Reader is null || box.Reader == Reader).Select(box => box.Box)];
        var (left, merged) = (boxes.ToList(), new List<Box>());
        while (true)
        {
            // The group of most readers, of those the one that overlaps most, is taken first.
            var best = left.Select(seed => Group(seed, left)).OrderByDescending(group => group.Count)
                .ThenByDescending(group => group.Sum(box => Iou(group[0].Box, box.Box))).FirstOrDefault();
            if (best is null || best.Count < Readers) return merged;
            merged.Add(new Box(best.Average(b => b.Box.Left), best.Average(b => b.Box.Top), best.Average(b => b.Box.Right),
                best.Average(b => b.Box.Bottom)));
            foreach (var box in best) left.Remove(box);
        }
    }

    /// <summary>A box, and of every other reader the one that overlaps it most, where it does enough.</summary>
    private List<ReaderBox> Group(ReaderBox seed, List<ReaderBox> boxes) =>
    [
        seed,
        .. boxes.Where(box => box.Reader != seed.Reader && Iou(seed.Box, box.Box) >= LeastIou).GroupBy(box => box.Reader)
            .Select(reader => reader.MaxBy(box => Iou(seed.Box, box.Box))),
    ];

    private static double Iou(Box a, Box b) =>
        a.Intersect(b) is { IsEmpty: false, Area: var common } ? common / (a.Area + b.Area - common) : 0;
}
