namespace Pfmvg;

/// <summary>
/// Takes a folder for one process. The lock is advisory and goes with the process, so a killed one leaves nothing to clean up.
/// </summary>
internal static class HoldFile
{
    /// <summary>The lock's name within a folder.</summary>
    public const string Name = ".hold";

    /// <summary>Takes a lock file, which is made when it does not exist; null while another process, or this one, has it.</summary>
    public static IDisposable? TryTake(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException) when (File.Exists(path))
        {
            return null;
        }
    }

    /// <summary>Whether a process, this one included, has taken a lock file; null where this user may not look. Writes nothing.</summary>
    public static bool? IsTaken(string path)
    {
        const int WouldBlock = 11; // .NET asks for a shared lock, which is refused while somebody has the whole one
        try
        {
            using var look = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
            return false;
        }
        catch (Exception nothing) when (nothing is FileNotFoundException or DirectoryNotFoundException)
        {
            return false;
        }
        catch (IOException taken) when (taken.HResult == WouldBlock)
        {
            return true;
        }
        catch (Exception closed) when (closed is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>A new folder beside the one that is to be written, in which it is made.</summary>
    public static string Beside(string folder) => $"{folder}.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp";

    /// <summary>Removes what <see cref="Beside"/> named and a killed process left: folders that nobody holds.</summary>
    public static void RemoveAbandoned(string folder)
    {
        var parent = Path.GetDirectoryName(Path.GetFullPath(folder));
        if (!Directory.Exists(parent)) return;
        foreach (var left in Directory.GetDirectories(parent, $"{Path.GetFileName(folder)}.*.tmp"))
        {
            using var hold = TryTake(Path.Combine(left, Name));
            if (hold is not null) Directory.Delete(left, recursive: true);
        }
    }
}
