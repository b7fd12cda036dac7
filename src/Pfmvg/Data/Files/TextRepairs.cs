using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Pfmvg.Data.Files;

/// <summary>Which files held bytes that are no UTF-8 and were read as Windows-1252, so that it can be said.</summary>
internal sealed class TextRepairs
{
    private readonly Dictionary<string, long> _characters = [];

    /// <summary>One sentence for all files; none when every text was UTF-8.</summary>
    public IReadOnlyList<string> Notes
    {
        get
        {
            lock (_characters)
                return _characters.Count == 0 ? [] :
                [
                    $"{Units.Count(_characters.Values.Sum())} characters in {Units.Count(_characters.Count)} files are not UTF-8 and were "
                        + $"read as Windows-1252; the first file is {Privacy.Mask(_characters.Keys.First())}.",
                ];
        }
    }

    /// <summary>A file is read again and again; the most that was found in it counts.</summary>
    public void Add(string path, long characters)
    {
        lock (_characters) _characters[path] = Math.Max(characters, _characters.GetValueOrDefault(path));
    }
}

/// <summary>
/// Text as UTF-8: bytes that are none are taken as Windows-1252, one by one, so that nothing becomes U+FFFD. A file may mix both.
/// </summary>
/// <param name="source">The bytes; disposed of with this stream.</param>
/// <param name="repaired">Told how many bytes were taken so, so far.</param>
internal sealed class Utf8Stream(Stream source, Action<long> repaired) : Stream
{
    private static readonly Encoding Windows1252 = CodePagesEncodingProvider.Instance.GetEncoding(1252)!;

    private readonly byte[] _input = new byte[1 << 16];
    private readonly ArrayBufferWriter<byte> _output = new(1 << 16);
    private int _kept, _taken;
    private long _repaired;
    private bool _last;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        while (_taken == _output.WrittenCount && !_last) Fill();
        var ready = _output.WrittenSpan[_taken..];
        var count = Math.Min(ready.Length, buffer.Length);
        ready[..count].CopyTo(buffer);
        _taken += count;
        return count;
    }

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) source.Dispose();
        base.Dispose(disposing);
    }

    private void Fill()
    {
        var read = source.Read(_input, _kept, _input.Length - _kept);
        _last = read == 0;
        var rest = _input.AsSpan(0, _kept + read);
        (_kept, _taken) = (0, 0);
        _output.ResetWrittenCount();
        if (Utf8.IsValid(rest))
        {
            _output.Write(rest);
            return;
        }

        var before = _repaired;
        Span<byte> two = stackalloc byte[4];
        while (rest.Length > 0)
        {
            var status = Rune.DecodeFromUtf8(rest, out _, out var length);
            if (status == OperationStatus.NeedMoreData && !_last)
            {
                rest.CopyTo(_input);
                _kept = rest.Length;
                break;
            }

            if (status == OperationStatus.Done) _output.Write(rest[..length]);
            else
            {
                foreach (var single in rest[..length])
                    _output.Write(two[..Encoding.UTF8.GetBytes(Windows1252.GetString([single]), two)]);
                _repaired += length;
            }

            rest = rest[length..];
        }

        if (_repaired > before) repaired(_repaired);
    }
}
