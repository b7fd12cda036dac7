namespace Pfmvg.Runs;

/// <summary>The disk that a run is written to.</summary>
internal static class OutputDisk
{
    /// <summary>Bytes that this user may still write there, by the file system's count and quota; null where it does not tell.</summary>
    public static long? Free(string folder)
    {
        try
        {
            return new DriveInfo(Existing(folder)).AvailableFreeSpace;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null;
        }
    }

    /// <summary>Whether a locked file is locked there; true where nothing can be written, which is refused elsewhere.</summary>
    public static bool HasLocks(string folder)
    {
        var probe = Path.Combine(Existing(folder), $".lock.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp");
        try
        {
            using var first = new FileStream(probe, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
            using var second = HoldFile.TryTake(probe);
            return second is null;
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private static string Existing(string folder)
    {
        var existing = Path.GetFullPath(folder);
        while (!Directory.Exists(existing)) existing = Path.GetDirectoryName(existing)!;
        return existing;
    }
}
