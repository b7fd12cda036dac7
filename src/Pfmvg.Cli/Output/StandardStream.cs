using System.Runtime.InteropServices;

namespace Pfmvg.Cli.Output;

/// <summary>
/// Standard output or standard error. .NET's own stream takes no notice of a reader that has gone, and an error on it can end the process
/// in the middle of its work.
/// </summary>
/// <param name="handle">1 or 2.</param>
internal sealed partial class StandardStream(int handle) : Stream
{
    private const int Output = 1, Interrupted = 4, TryAgain = 11;

    private static readonly TimeSpan UntilNextTry = TimeSpan.FromMilliseconds(5);

    public override bool CanRead => false;
    public override bool CanSeek => false;
    public override bool CanWrite => true;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Writes all of it. Messages that cannot be written are dropped: no work is lost for want of a terminal.</summary>
    /// <exception cref="OutputException">A result cannot be written.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            var written = WriteTo(handle, in buffer[0], buffer.Length);
            if (written >= 0) buffer = buffer[(int)written..];
            else if (Marshal.GetLastPInvokeError() is var error && error == TryAgain) Thread.Sleep(UntilNextTry);
            else if (error == Interrupted) continue;
            else if (handle == Output) throw new OutputException(error);
            else return;
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() { }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    private static partial nint WriteTo(int handle, in byte first, nint count);
}

/// <summary>A result that nobody can get: the reader has gone, or standard output is full or closed.</summary>
/// <param name="number">The system's error number.</param>
internal sealed class OutputException(int number) : Exception(number switch
{
    Pipe => "The reader of standard output has gone.",
    28 or 122 => "Standard output cannot be written: the disk is full (No space left on device); free some room, or send it elsewhere.",
    9 => "Standard output is closed; send it to a file or to /dev/null.",
    _ => $"Standard output cannot be written ({Marshal.GetPInvokeErrorMessage(number)}); send it elsewhere.",
})
{
    private const int Pipe = 32;

    /// <summary>Whether a reader such as `head` had enough.</summary>
    public bool IsReaderGone { get; } = number == Pipe;
}
