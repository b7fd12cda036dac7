using System.Runtime.InteropServices;
using System.Text;

namespace Pfmvg;

/// <summary>What stands at a path, links followed.</summary>
internal enum FileKind
{
    /// <summary>Nothing, or nothing that this process may see.</summary>
    Missing,

    /// <summary>An ordinary file.</summary>
    File,

    /// <summary>A folder.</summary>
    Folder,

    /// <summary>A pipe: it has no length, and opening it waits for whoever writes.</summary>
    Pipe,

    /// <summary>A device, which may have no end.</summary>
    Device,

    /// <summary>A socket, which cannot be opened.</summary>
    Socket,
}

/// <summary>
/// The way to files that are read whole. Opening a pipe can wait for ever and reading a device never ends, so both are told apart
/// before, and everything has a limit.
/// </summary>
internal static partial class InputFile
{
    /// <summary>The most bytes of a text that describes something: a configuration of a model, a vocabulary, an index.</summary>
    public const int MostText = 64 << 20;

    /// <summary>The most bytes of a run's own log and answers, which grow with its steps and questions.</summary>
    public const int MostLines = 1 << 30;

    private const int Here = -100, WantKind = 1, Bytes = 256, KindOffset = 28, KindBits = 0xf000;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    /// <summary>What is there.</summary>
    public static FileKind KindOf(string path)
    {
        if (!OperatingSystem.IsLinux() || path.Contains('\0', StringComparison.Ordinal))
            return Directory.Exists(path) ? FileKind.Folder : File.Exists(path) ? FileKind.File : FileKind.Missing;
        Span<byte> facts = stackalloc byte[Bytes]; // struct statx is the same on all machines, struct stat is not
        if (Statx(Here, path, 0, WantKind, ref MemoryMarshal.GetReference(facts)) != 0) return FileKind.Missing;
        return (MemoryMarshal.Read<ushort>(facts[KindOffset..]) & KindBits) switch
        {
            0x4000 => FileKind.Folder,
            0x1000 => FileKind.Pipe,
            0xc000 => FileKind.Socket,
            0x2000 or 0x6000 => FileKind.Device,
            _ => FileKind.File,
        };
    }

    /// <summary>Why what stands there cannot be read as a file, as a clause; null for a file, and where nothing is.</summary>
    public static string? Problem(string path) => KindOf(path) switch
    {
        FileKind.Folder => "this is a folder, not a file",
        FileKind.Pipe => "this is a pipe, not a file",
        FileKind.Device => "this is a device, not a file",
        FileKind.Socket => "this is a socket, not a file",
        _ => null,
    };

    /// <summary>Refuses pipes, devices and sockets; who opens the path says what else is wrong.</summary>
    /// <exception cref="InputException">It is one of them.</exception>
    public static void Require(string path)
    {
        if (KindOf(path) is FileKind.Missing or FileKind.File or FileKind.Folder) return;
        throw new InputException($"{Privacy.Mask(path)}: {Problem(path)}; save what it gives in a file, and name that.");
    }

    /// <summary>The bytes of a file, which is read once.</summary>
    /// <param name="path">The file.</param>
    /// <param name="most">More bytes are refused.</param>
    /// <exception cref="InputException">It is a pipe, a device or a socket, or too large; other failures are the system's.</exception>
    public static byte[] ReadBytes(string path, int most = MostText)
    {
        Require(path);
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        return ReadAll(file, path, most);
    }

    /// <summary>As <see cref="ReadBytes"/>, as text in UTF-8 without its mark.</summary>
    public static string ReadText(string path, int most = MostText)
    {
        using var reader = new StreamReader(new MemoryStream(ReadBytes(path, most)), Encoding.UTF8);
        return reader.ReadToEnd();
    }

    /// <summary>As <see cref="ReadBytes"/>, from a pipe, too, if it ends soon: a shell gives its `&lt;(...)` as one.</summary>
    public static byte[] ReadBytesOrPipe(string path, int most)
    {
        if (KindOf(path) != FileKind.Pipe) return ReadBytes(path, most);
        var reading = new TaskCompletionSource<byte[]>();
        new Thread(() => // it may wait for ever
        {
            try
            {
                using var pipe = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
                reading.SetResult(ReadAll(pipe, path, most));
            }
            catch (Exception failure)
            {
                reading.SetException(failure);
            }
        }) { IsBackground = true, Name = "pipe" }.Start();
        if (!((IAsyncResult)reading.Task).AsyncWaitHandle.WaitOne(Patience))
            throw new InputException($"{path}: this is a pipe, and nothing came to its end within {Patience.TotalSeconds:0} seconds; "
                + "save what it gives in a file, and name that.");
        return reading.Task.GetAwaiter().GetResult();
    }

    private static byte[] ReadAll(FileStream file, string path, int most)
    {
        using var bytes = new MemoryStream(file.CanSeek ? (int)Math.Min(file.Length, most) : 0);
        var piece = new byte[1 << 16];
        for (int read; (read = file.Read(piece)) > 0;)
        {
            if (bytes.Length + read > most)
                throw new InputException($"{Privacy.Mask(path)}: larger than {Units.Bytes(most)}, more than a file of this kind can be; "
                    + "check which file is meant.");
            bytes.Write(piece, 0, read);
        }

        return bytes.ToArray();
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint wanted, ref byte facts);
}
