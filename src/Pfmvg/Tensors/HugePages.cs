using System.Runtime.InteropServices;

namespace Pfmvg.Tensors;

/// <summary>
/// Asks the system to back memory with huge pages before it is written for the first time: the kernel then clears some megabytes at
/// once and not page by page, which otherwise takes most of the time of loading, and what is there is read faster. Linux; elsewhere, or
/// where it is refused, nothing changes.
/// </summary>
internal static unsafe partial class HugePages
{
    private const int HugePageAdvice = 14;   // MADV_HUGEPAGE
    private const long Least = 4L << 20;     // bytes; less would hold no whole huge page for certain
    private const ulong Page = 4096;

    /// <summary>Asks for them in a piece of native memory.</summary>
    public static void Ask(byte* first, long bytes)
    {
        if (bytes < Least || !OperatingSystem.IsLinux()) return;
        var begin = ((ulong)first + Page - 1) / Page * Page;
        _ = Advise((void*)begin, (nuint)((ulong)first + (ulong)bytes - begin), HugePageAdvice);
    }

    [LibraryImport("libc", EntryPoint = "madvise")] private static partial int Advise(void* address, nuint length, int advice);
}
