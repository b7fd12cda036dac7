using System.Diagnostics.CodeAnalysis;

namespace Pfmvg.Distributed;

/// <summary>A process on its own.</summary>
public sealed class SingleProcess : ICommunicator
{
    /// <inheritdoc/>
    public int Rank => 0;

    /// <inheritdoc/>
    public int Size => 1;

    /// <inheritdoc/>
    public int LocalRank => 0;

    /// <inheritdoc/>
    public int LocalSize => 1;

    /// <inheritdoc/>
    public void AllReduceSum(Span<float> values) { }

    /// <inheritdoc/>
    public void AllReduceSum(Span<double> values) { }

    /// <inheritdoc/>
    public void AllReduceSum(nint address, long count) { }

    /// <inheritdoc/>
    public void Broadcast(Span<byte> bytes, int root = 0) { }

    /// <inheritdoc/>
    public void Barrier() { }

    /// <inheritdoc/>
    public IReadOnlyList<byte[]> Gather(ReadOnlySpan<byte> bytes) => [bytes.ToArray()];

    /// <inheritdoc/>
    public void Leave(int code, TimeSpan patience) { }

    /// <inheritdoc/>
    [DoesNotReturn]
    public void Abort(int code, string message)
    {
        Console.Error.WriteLine(message);
        Environment.Exit(code);
        throw new InvalidOperationException(message);
    }

    /// <inheritdoc/>
    public void Dispose() { }
}
