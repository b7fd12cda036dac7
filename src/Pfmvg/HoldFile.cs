namespace Pfmvg;

/// <summary>
/// Takes a folder for one process. The lock is advisory and goes with the process, so a killed one leaves nothing to clean up.
/// </summary>
internal static class HoldFile
{
    /// <summary>Takes a lock file, which is made when it does not exist; null while another process, or this one, has it.</summary>
    public static IDisposable? TryTake(string path, FileOptions options = FileOptions.None)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, options);
        }
        catch (IOException) when (File.Exists(path))
        {
            return null;
        }
    }
}
