using System.IO.Compression;
using System.Text;

namespace Pfmvg.Data.Files;

/// <summary>One line of a text file.</summary>
/// <param name="Number">Counted from 1.</param>
/// <param name="Text">Without its line end.</param>
internal readonly record struct Line(int Number, string Text);

/// <summary>
/// Opens the text files of data sets (plain or gzip, UTF-8) and reads them in pieces of bounded size, so that no file
/// can take more memory than <see cref="MaxRecord"/> characters at a time.
/// </summary>
internal static class DataFile
{
    /// <summary>The longest line or table row, in characters; longer ones are an error.</summary>
    public const int MaxRecord = 1 << 20;

    /// <summary>Reads a file's text as UTF-8, unpacked when it is gzip.</summary>
    /// <param name="path">The file.</param>
    /// <param name="repairs">Told about bytes that are no UTF-8, which are then read as Windows-1252; null: they are an error.</param>
    /// <exception cref="InputException">The file is missing or cannot be opened.</exception>
    public static Stream Open(string path, TextRepairs? repairs = null)
    {
        return new Utf8Stream(OpenBytes(path), characters =>
        {
            if (repairs is null)
                throw new InputException($"{Privacy.Mask(path)}: it holds bytes that are not UTF-8; save the file as UTF-8.");
            repairs.Add(path, characters);
        });
    }

    /// <summary>The whole text of a small file, a byte order mark left out.</summary>
    public static string ReadText(string path, TextRepairs repairs)
    {
        using var reader = new StreamReader(Open(path, repairs), Encoding.UTF8);
        return Read(path, reader.ReadToEnd);
    }

    private static Stream OpenBytes(string path)
    {
        InputFile.Require(path);
        try
        {
            if (new FileInfo(path).Length == 0) throw new InputException($"{Privacy.Mask(path)}: the file is empty; fetch it again.");
            Stream file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
            Span<byte> magic = stackalloc byte[2];
            var read = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false);
            file.Position = 0;
            return read < 2 ? file : magic switch
            {
                [0x1f, 0x8b] => new GZipStream(file, CompressionMode.Decompress),
                [0xff, 0xfe] => Encoding.CreateTranscodingStream(file, Encoding.Unicode, Encoding.UTF8),
                [0xfe, 0xff] => Encoding.CreateTranscodingStream(file, Encoding.BigEndianUnicode, Encoding.UTF8),
                _ => file,
            };
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException($"{Privacy.Mask(path)}: there is no such file; check the path.");
        }
        catch (Exception e) when (IsReadError(e))
        {
            throw Unreadable(path, e);
        }
    }

    /// <summary>Whether there is a list.</summary>
    /// <exception cref="InputException">A folder stands in its place, as some programs unpack archives.</exception>
    public static bool Exists(string path) => !Directory.Exists(path) ? File.Exists(path)
        : throw new InputException($"{Privacy.Mask(path)}: this is a folder where a file is wanted; take the file out of it.");

    /// <summary>Whether a file is JSON by its name, packed or not.</summary>
    public static bool IsJson(string path) => path.EndsWith(".json", StringComparison.OrdinalIgnoreCase)
        || path.EndsWith(".json.gz", StringComparison.OrdinalIgnoreCase);

    /// <summary>The lines of a text file; \n, \r\n and \r may be mixed.</summary>
    /// <exception cref="InputException">The file cannot be read, or a line is longer than <see cref="MaxRecord"/>.</exception>
    public static IEnumerable<Line> Lines(string path, TextRepairs? repairs = null)
    {
        using var reader = new StreamReader(Open(path, repairs), Encoding.UTF8);
        var buffer = new char[1 << 15];
        var text = new StringBuilder();
        var number = 1;
        var afterReturn = false;
        for (int count; (count = Read(path, () => reader.Read(buffer))) > 0;)
        {
            for (var start = 0; start < count;)
            {
                if (afterReturn && buffer[start] == '\n') start++;
                afterReturn = false;
                var length = buffer.AsSpan(start, count - start).IndexOfAny('\r', '\n');
                if (text.Length + (length < 0 ? count - start : length) > MaxRecord) throw TooLong(path, number);
                if (length < 0)
                {
                    text.Append(buffer, start, count - start);
                    break;
                }

                yield return new Line(number++, text.Append(buffer, start, length).ToString());
                text.Clear();
                afterReturn = buffer[start + length] == '\r';
                start += length + 1;
            }
        }

        if (text.Length > 0) yield return new Line(number, text.ToString());
    }

    /// <summary>Runs a reading step and turns what a broken file or disk throws into one sentence.</summary>
    public static T Read<T>(string path, Func<T> step)
    {
        try
        {
            return step();
        }
        catch (Exception e) when (IsReadError(e))
        {
            throw Unreadable(path, e);
        }
    }

    public static InputException TooLong(string path, long line) =>
        new($"{Privacy.Mask(path)}:{line}: the line is longer than {MaxRecord:N0} characters; "
            + "check that this is the right file and that it is whole.");

    private static bool IsReadError(Exception e) =>
        e is IOException or UnauthorizedAccessException or InvalidDataException or NotSupportedException or ArgumentException;

    private static InputException Unreadable(string path, Exception e) => e is InvalidDataException
        ? new InputException($"{Privacy.Mask(path)}: the compressed file is damaged; fetch it again.", e)
        : e is IOException or UnauthorizedAccessException ? FileFault.At(Privacy.Mask(path), path, e)
        : new InputException($"{Privacy.Mask(path)}: the file cannot be read; check the disk and the permissions.", e);
}
