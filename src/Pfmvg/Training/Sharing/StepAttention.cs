namespace Pfmvg.Training.Sharing;

/// <summary>
/// Attention of the rows of a picture's group: a row of a rest sees the shared rows and those of its own rest before it, so what two
/// phrases have in common is attended to where it lies.
/// </summary>
/// <param name="heads">H.</param>
/// <param name="headSize">D, a multiple of 16.</param>
internal sealed class StepAttention(int heads, int headSize)
{
    private readonly float _scale = 1 / MathF.Sqrt(headSize);

    /// <summary>Probabilities of a segment: a row for each head and row, columns for the shared rows, then for its own.</summary>
    private static int Width(PictureGroup group, Segment segment) => Start(group, segment) + StepMatrix.Padded(segment.Count);

    private static int Start(PictureGroup group, Segment segment) => segment.Position > 0 ? StepMatrix.Padded(group.Shared.Count) : 0;

    private static int SeenOfShared(PictureGroup group, Segment segment) => segment.Position > 0 ? group.Shared.Count : 0;

    /// <summary>Mixes the values (R, H D); returns the probabilities of each segment.</summary>
    /// <param name="group">The rows.</param>
    /// <param name="q">Rotated queries (R, H D).</param>
    /// <param name="k">Rotated keys (R, H D).</param>
    /// <param name="v">Values (R, H D).</param>
    /// <param name="mixed">Gets the result.</param>
    /// <param name="memory">For the probabilities.</param>
    public unsafe List<StepMatrix> Forward(
        PictureGroup group, StepMatrix q, StepMatrix k, StepMatrix v, StepMatrix mixed, StepMemory memory)
    {
        var all = group.Segments.Select(segment => memory.Take(heads * segment.Count, Width(group, segment))).ToList();
        var longest = group.Segments.Max(segment => segment.Count);
        var (shared, own) = (memory.Take(headSize, Math.Max(1, group.Shared.Count)), memory.Take(headSize, longest));
        for (var head = 0; head < heads; head++)
        {
            var at = head * headSize;
            if (group.Shared.Count > 0) StepVectors.Transpose(k.From(0, at), group.Shared.Count, headSize, shared);
            foreach (var (segment, probabilities) in group.Segments.Zip(all))
            {
                var (seen, start, count) = (SeenOfShared(group, segment), Start(group, segment), segment.Count);
                var (scores, queries, to) = (probabilities.From(head * count), q.From(segment.Row, at), mixed.From(segment.Row, at));
                var ownKeys = own with { Columns = StepMatrix.Padded(count) };
                StepVectors.Transpose(k.From(segment.Row, at), count, headSize, ownKeys);
                if (seen > 0) scores.Product(count, headSize, queries, shared, columns: shared.Columns);
                scores.From(0, start).Product(count, headSize, queries, ownKeys, columns: ownKeys.Columns);
                for (var row = 0; row < count; row++)
                    StepVectors.Softmax(scores.Row(row), seen, start, row + 1, scores.Columns, _scale);
                if (seen > 0) to.Product(count, seen, scores, v.From(0, at), columns: headSize);
                to.Product(count, count, scores.From(0, start), v.From(segment.Row, at), add: seen > 0, columns: headSize);
            }
        }

        return all;
    }

    /// <summary>From the gradient towards the mixed values to those towards queries, keys and values, which are overwritten.</summary>
    public unsafe void Backward(PictureGroup group, StepMatrix q, StepMatrix k, StepMatrix v, List<StepMatrix> all, StepMatrix gradient,
        StepMatrix toQ, StepMatrix toK, StepMatrix toV, StepMemory memory)
    {
        toK.Clear(group.Ids.Count);
        toV.Clear(group.Ids.Count);
        var longest = group.Segments.Max(segment => segment.Count);
        var (shared, own) = (memory.Take(headSize, Math.Max(1, group.Shared.Count)), memory.Take(headSize, longest));
        var work = memory.Take(longest, all.Max(probabilities => probabilities.Columns));
        for (var head = 0; head < heads; head++)
        {
            var at = head * headSize;
            if (group.Shared.Count > 0) StepVectors.Transpose(v.From(0, at), group.Shared.Count, headSize, shared);
            foreach (var (segment, probabilities) in group.Segments.Zip(all))
            {
                var (seen, start, count) = (SeenOfShared(group, segment), Start(group, segment), segment.Count);
                var (given, queries, from) = (probabilities.From(head * count), q.From(segment.Row, at), gradient.From(segment.Row, at));
                var (to, ownValues) = (toQ.From(segment.Row, at), own with { Columns = StepMatrix.Padded(count) });
                StepVectors.Transpose(v.From(segment.Row, at), count, headSize, ownValues);
                if (seen > 0) work.Product(count, headSize, from, shared, columns: shared.Columns);
                work.From(0, start).Product(count, headSize, from, ownValues, columns: ownValues.Columns);
                for (var row = 0; row < count; row++)
                    StepVectors.SoftmaxGradient(given.Row(row), work.Row(row), given.Columns, _scale);
                if (seen > 0)
                {
                    to.Product(count, seen, work, k.From(0, at), columns: headSize);
                    toK.From(0, at).AddTransposedProduct(seen, count, work, queries, headSize);
                    toV.From(0, at).AddTransposedProduct(seen, count, given, from, headSize);
                }

                to.Product(count, count, work.From(0, start), k.From(segment.Row, at), add: seen > 0, columns: headSize);
                toK.From(segment.Row, at).AddTransposedProduct(count, count, work.From(0, start), queries, headSize);
                toV.From(segment.Row, at).AddTransposedProduct(count, count, given.From(0, start), from, headSize);
            }
        }
    }
}
