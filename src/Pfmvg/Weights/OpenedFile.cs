using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Weights;

/// <summary>A file that is open for reading at any place.</summary>
internal sealed class OpenedFile : IDisposable
{
    private readonly SafeFileHandle _handle;
    private readonly Dictionary<ScalarType, Tensor?> _mapped = []; // the whole file as elements of a type

    /// <summary>Opens a file, or says why it cannot be.</summary>
    public OpenedFile(string path)
    {
        Path = path;
        InputFile.Require(path);
        try
        {
            _handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            Length = RandomAccess.GetLength(_handle);
        }
        catch (Exception missing) when (missing is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new FileInfo(path).LinkTarget is { } target
                ? Refusal.ForFile(path, $"is a link to {Refusal.Show(target)}, which is not there", "fetch that file, too")
                : Refusal.ForFile(path, "there is no such file", "check the path");
        }
        catch (Exception closed) when (closed is UnauthorizedAccessException or IOException or NotSupportedException)
        {
            throw FileFault.At(path, closed);
        }
    }

    /// <summary>As the user named it.</summary>
    public string Path { get; }

    /// <summary>Bytes, when it was opened.</summary>
    public long Length { get; }

    /// <summary>Fills a span from a place on; any number of threads may call it.</summary>
    public void Read(long at, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            var read = RandomAccess.Read(_handle, destination, at);
            if (read == 0) throw Refusal.ForFile(Path, $"ended at byte {at} while it was being read");
            destination = destination[read..];
            at += read;
        }
    }

    /// <summary>
    /// The elements from a byte on, as a one-dimensional tensor on the file's own pages, which stay mapped while it lives. Nothing is
    /// copied, processes share the memory, and writing to a page makes a private copy of it. While it is mapped, overwriting the file in
    /// place changes the tensor, and truncating it ends the process; replacing or removing it does neither.
    /// </summary>
    /// <returns>
    /// Null where that is impossible: on other systems than Linux, on some file systems, and for elements that are not aligned.
    /// </returns>
    public Tensor? Map(ScalarType type, long at, long count)
    {
        var width = TensorTypes.Size(type);
        if (!OperatingSystem.IsLinux() || at % width != 0) return null;
        if (!_mapped.TryGetValue(type, out var whole)) _mapped.Add(type, whole = MapAll(type, Length / width));
        return whole?.narrow(0, at / width, count);
    }

    /// <summary>Closes the file; what was mapped stays.</summary>
    public void Dispose()
    {
        foreach (var whole in _mapped.Values) whole?.Dispose();
        _handle.Dispose();
    }

    // By the handle, since the path may mean another file by now.
    private Tensor? MapAll(ScalarType type, long count)
    {
        try
        {
            return from_file($"/proc/self/fd/{_handle.DangerousGetHandle()}", shared: false, count, type, CPU).DetachFromDisposeScope();
        }
        catch (ExternalException)
        {
            return null;
        }
    }
}
