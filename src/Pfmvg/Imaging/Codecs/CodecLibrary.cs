using System.Runtime.InteropServices;

namespace Pfmvg.Imaging.Codecs;

/// <summary>
/// A library of the distribution that is looked for when a stream needs it, so that the program starts and reads everything else
/// without it.
/// </summary>
/// <param name="reads">What it reads: JPEG-LS.</param>
/// <param name="files">The names of its file; the first is the one to tell.</param>
/// <param name="debian">The package of Debian and Ubuntu.</param>
/// <param name="redHat">The package of RHEL and Fedora.</param>
internal sealed class CodecLibrary(string reads, string[] files, string debian, string redHat)
{
    private readonly Lazy<nint> _handle = new(() => Find(files));

    /// <summary>What it reads.</summary>
    public string Reads { get; } = reads;

    /// <summary>Whether it is installed.</summary>
    public bool IsFound => _handle.Value != 0;

    /// <summary>What is said where it is missing.</summary>
    public string Missing => $"{Reads} needs the library {files[0]}; install it with 'apt-get install {debian}' "
        + $"(RHEL: 'dnf install {redHat}')";

    /// <summary>The address of one of its functions.</summary>
    /// <exception cref="StreamException">The library is missing, or has no such function.</exception>
    public nint Function(string name) => TryFunction(name, out var function) ? function
        : throw new StreamException($"{Reads} cannot be decoded by the library {files[0]} of this machine, which has no function "
            + $"{name}; install a newer one with 'apt-get install {debian}' (RHEL: 'dnf install {redHat}')");

    /// <summary>Finds a function that only newer versions have.</summary>
    /// <exception cref="StreamException">The library is missing.</exception>
    public bool TryFunction(string name, out nint function) =>
        IsFound ? NativeLibrary.TryGetExport(_handle.Value, name, out function) : throw new StreamException(Missing);

    private static nint Find(string[] files)
    {
        foreach (var file in files)
            if (NativeLibrary.TryLoad(file, out var handle)) return handle;
        return 0;
    }
}
