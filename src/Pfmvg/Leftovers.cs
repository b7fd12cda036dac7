using System.Collections.Concurrent;

namespace Pfmvg;

/// <summary>
/// Files and folders that are being written and must not outlive this process. Whoever makes one removes it in the ordinary way; this is
/// for an end that waits for nobody.
/// </summary>
internal static class Leftovers
{
    private static readonly ConcurrentDictionary<string, bool> Paths = new();

    /// <summary>Names a path that is about to be made.</summary>
    public static void Add(string path) => Paths.TryAdd(path, true);

    /// <summary>The path has been removed or has become what it was to become.</summary>
    public static void Forget(string path) => Paths.TryRemove(path, out _);

    /// <summary>Removes what is there, as far as the disk allows it.</summary>
    public static void RemoveAll()
    {
        foreach (var path in Paths.Keys)
        {
            try
            {
                if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
                else File.Delete(path);
            }
            catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
            {
                // Another thread may write there still; the next run removes what is left.
            }
        }
    }
}
