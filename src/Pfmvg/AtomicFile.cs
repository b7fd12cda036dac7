namespace Pfmvg;

/// <summary>Files that are either the old ones or the new ones, whole, whatever interrupts the writing.</summary>
internal static class AtomicFile
{
    /// <summary>
    /// Writes a file through a temporary neighbour that is flushed to the disk and then renamed over it.
    /// Creates the folder. When <paramref name="write"/> throws, the old file stays and the temporary one is removed.
    /// </summary>
    /// <exception cref="InputException">Something else than a file or a folder is there.</exception>
    public static void Write(string path, Action<Stream> write)
    {
        if (FileFault.IsSpecial(path))
            throw new InputException($"{path}: this is a device or a pipe, which no file may replace; name a file.");
        var folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        Directory.CreateDirectory(folder);
        var temporary = Path.Combine(folder, $".{Path.GetFileName(path)}.{Environment.ProcessId}.{Guid.NewGuid():N}.tmp");
        Leftovers.Add(temporary);
        try
        {
            using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, 1 << 20))
            {
                write(stream);
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
        finally
        {
            Leftovers.Forget(temporary);
        }
    }

    /// <summary>Writes UTF-8 text without a byte order mark, as <see cref="Write"/> does.</summary>
    public static void WriteText(string path, string text) =>
        Write(path, stream => stream.Write(System.Text.Encoding.UTF8.GetBytes(text)));
}
