using System.Runtime.ExceptionServices;

namespace Pfmvg.Tensors;

/// <summary>Cuts a long run of bytes into pieces that fit into a core's cache and works on them in parallel.</summary>
internal static class Chunks
{
    /// <summary>Bytes of a piece; a multiple of every element size.</summary>
    public const int Size = 1 << 20;

    // More threads than this do not read a page cache or an NVMe disk faster.
    private static readonly ParallelOptions Options = new() { MaxDegreeOfParallelism = Math.Min(Environment.ProcessorCount, 8) };

    /// <summary>Calls <paramref name="work"/> with the start and length of every piece, in any order, several at once.</summary>
    public static void ForEach(long bytes, Action<long, int> work)
    {
        var count = (bytes + Size - 1) / Size;
        if (count == 1) work(0, (int)bytes);
        if (count <= 1) return;
        try
        {
            Parallel.For(0, count, Options, index => work(index * Size, (int)Math.Min(Size, bytes - index * Size)));
        }
        catch (AggregateException several)
        {
            ExceptionDispatchInfo.Throw(several.InnerExceptions[0]);
        }
    }
}
