using System.IO.Compression;
using System.Text;

namespace Pfmvg.Phantoms.Files;

/// <summary>Writes tables with a header, separated by commas or tabs; a name that ends in .gz is compressed.</summary>
internal static class DelimitedText
{
    public static void Write(string path, char separator, IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
    {
        AtomicFile.Write(path, stream =>
        {
            var pack = path.EndsWith(".gz", StringComparison.Ordinal);
            using var packed = pack ? new GZipStream(stream, CompressionLevel.Optimal, leaveOpen: true) : null;
            using var writer = new StreamWriter(packed ?? stream, new UTF8Encoding(false), leaveOpen: true);
            foreach (var row in rows.Prepend(header)) writer.Write(string.Join(separator, row.Select(Quote)) + "\n");
        });

        string Quote(string field) =>
            field.AsSpan().IndexOfAny(separator, '"', '\n') < 0 ? field : $"\"{field.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }
}
