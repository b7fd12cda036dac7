using System.IO.Compression;
using CsvHelper;

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
            using var text = new StreamWriter(packed ?? stream, leaveOpen: true);
            using var writer = CsvWriter.Create(text, new CsvWriterOptions { Separator = separator, NewLine = "\n" }, leaveOpen: true);
            foreach (var row in rows.Prepend(header)) writer.WriteRecord([.. row]);
        });
    }
}
