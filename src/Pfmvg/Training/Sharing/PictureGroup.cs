using Pfmvg.Geometry;

namespace Pfmvg.Training.Sharing;

/// <summary>One sequence that is taught.</summary>
/// <param name="Ids">Token ids; <see cref="Models.GroundingModel.ImageToken"/> where a visual token comes.</param>
/// <param name="Targets">The same length; <see cref="Models.GroundingModel.NoTarget"/> where nothing is predicted.</param>
/// <param name="DropoutSeed">Seed of its dropout masks.</param>
/// <param name="Box">What the box head has to give where the answer begins, as shares of the picture; null when nothing.</param>
internal readonly record struct TaughtSequence(
    IReadOnlyList<int> Ids, IReadOnlyList<int> Targets, long DropoutSeed, Box? Box = null);

/// <summary>Neighbouring positions of one sequence.</summary>
/// <param name="Row">Row of the first one.</param>
/// <param name="Count">How many.</param>
/// <param name="Position">Position of the first one in its sequence.</param>
/// <param name="DropoutSeed">Seed of their dropout masks.</param>
internal readonly record struct Segment(int Row, int Count, int Position, long DropoutSeed);

/// <summary>
/// Sequences about one picture, laid out row by row: all up to the last visual token once, then the rest of each. A row of a rest sees the
/// shared rows and the rows of its own rest before it.
/// </summary>
internal sealed class PictureGroup
{
    /// <summary>Lays out sequences.</summary>
    /// <param name="sequences">All about the same picture.</param>
    /// <param name="picture">Place of the picture's features.</param>
    /// <param name="sharedSeed">Seed of the shared rows' dropout masks.</param>
    /// <param name="terms">How the loss is made up; null for the plain sum.</param>
    public PictureGroup(IReadOnlyList<TaughtSequence> sequences, int picture, long sharedSeed, LossTerms? terms = null)
    {
        (Picture, Terms) = (picture, terms);
        var shared = SharedLength(sequences[0].Ids);
        if (sequences.Any(sequence => !sequence.Ids.Take(shared).SequenceEqual(sequences[0].Ids.Take(shared))))
            throw new ArgumentException("The sequences differ before the end of their picture.", nameof(sequences));
        Shared = new Segment(0, shared, 0, sharedSeed);
        var (ids, targets, rests) = (new List<int>(sequences[0].Ids.Take(shared)), new List<(int, int)>(), new List<Segment>());
        var boxes = new List<(int, Box)>();
        foreach (var (tokens, answer, seed, box) in sequences)
        {
            var (row, first) = (ids.Count, targets.Count);
            rests.Add(new Segment(row, tokens.Count - shared, shared, seed));
            ids.AddRange(tokens.Skip(shared));
            for (var at = shared + 1; at < tokens.Count; at++)
                if (answer[at] != Models.GroundingModel.NoTarget) targets.Add((row + at - shared - 1, answer[at]));
            if (box is not null && targets.Count > first) boxes.Add((first, box.Value));
        }

        (Ids, Targets, Boxes, Rests) = (ids, targets, boxes, rests);
    }

    /// <summary>The token of each row.</summary>
    public IReadOnlyList<int> Ids { get; }

    /// <summary>Rows that predict, and the token that each has to.</summary>
    public IReadOnlyList<(int Row, int Token)> Targets { get; }

    /// <summary>Which of <see cref="Targets"/> are the first of an answer that is one box, and that box.</summary>
    public IReadOnlyList<(int Target, Box Box)> Boxes { get; }

    /// <summary>How their losses are made up, one for each; null for the plain sum.</summary>
    public LossTerms? Terms { get; }

    /// <summary>What all sequences begin with.</summary>
    public Segment Shared { get; }

    /// <summary>The rest of each sequence.</summary>
    public IReadOnlyList<Segment> Rests { get; }

    /// <summary>Place of the picture's features.</summary>
    public int Picture { get; }

    /// <summary>The shared beginning and the rests.</summary>
    public IEnumerable<Segment> Segments => Shared.Count > 0 ? Rests.Prepend(Shared) : Rests;

    // Up to the last visual token, whatever else two prompts have in common: so what is shared, and with it the dropout of a row, does not
    // depend on which sequences are together.
    private static int SharedLength(IReadOnlyList<int> ids)
    {
        for (var at = ids.Count; at > 0; at--)
            if (ids[at - 1] == Models.GroundingModel.ImageToken) return at;
        return 0;
    }
}
