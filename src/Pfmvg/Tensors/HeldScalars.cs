using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tensors;

/// <summary>
/// Operations whose hidden scalars live long enough. TorchSharp passes a scalar's native handle without keeping the object
/// alive; `x.add(y)` makes a temporary scalar (alpha = 1) that a garbage collection on any thread may free in the middle of
/// the call, which has been seen to fail ("toFloat") under constant collections. A test keeps such collections going.
/// </summary>
internal static class HeldScalars
{
    private static readonly Scalar One = 1;

    /// <summary>x + y.</summary>
    public static Tensor Plus(this Tensor x, Tensor y) => x.add(y, One);

    /// <summary>x + y.</summary>
    public static Tensor Plus(this Tensor x, Scalar y)
    {
        var sum = x.add(y, One);
        GC.KeepAlive(y);
        return sum;
    }

    /// <summary>Adds y to x in place and returns x.</summary>
    public static Tensor PlusInPlace(this Tensor x, Tensor y) => x.add_(y, One);

    /// <summary>Adds y to x in place and returns x.</summary>
    public static Tensor PlusInPlace(this Tensor x, Scalar y)
    {
        var sum = x.add_(y, One);
        GC.KeepAlive(y);
        return sum;
    }

    /// <summary>The whole numbers from start to before stop, int64.</summary>
    public static Tensor Range(long start, long stop, Device device)
    {
        using Scalar first = start, end = stop, step = 1;
        return arange(first, end, step, ScalarType.Int64, device);
    }
}
