using System.Collections.Concurrent;

namespace Pfmvg;

/// <summary>
/// Files and folders that are being written and must not outlive this process. Whoever makes one removes it in the ordinary way; this is
/// for an end that waits for nobody.
/// </summary>
internal static class Leftovers
{
    private const int MostLooks = 25;

    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMilliseconds(20);

    private static readonly ConcurrentDictionary<string, bool> Paths = new();

    /// <summary>Names a path that is about to be made.</summary>
    public static void Add(string path) => Paths.TryAdd(path, true);

    /// <summary>The path has been removed or has become what it was to become.</summary>
    public static void Forget(string path) => Paths.TryRemove(path, out _);

    /// <summary>Removes what is there, as far as the disk allows it.</summary>
    public static void RemoveAll()
    {
        // Other threads may write there still: what they make after one look is found by the next.
        for (var (looks, clean) = (0, Paths.IsEmpty ? 2 : 0); looks < MostLooks && clean < 2; looks++)
        {
            if (looks > 0) Thread.Sleep(BetweenLooks);
            var there = Paths.Keys.Where(Path.Exists).ToList();
            clean = there.Count == 0 ? clean + 1 : 0;
            there.ForEach(Remove);
        }
    }

    private static void Remove(string path)
    {
        try
        {
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
            else File.Delete(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // The next look tries again, and after the last one the next run does.
        }
    }
}
