using System.IO.Compression;

namespace Pfmvg.Fuzz.Mutating;

/// <summary>Entries of the archives that torch.save writes, packed again with right lengths and checksums.</summary>
internal static class Zip
{
    private sealed record Entry(string Name, byte[] Content);

    private static readonly DateTimeOffset Long = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    private static readonly string[] Names = ["data.pkl", "data/0", "data/1", "byteorder", "version", "../x", "/x", "", "data/-1",
        "constants.pkl"];

    public static Mutation Entries { get; } = new Parts<Entry>(Split, Join, Change).Change;

    private static List<Entry>? Split(byte[] file)
    {
        try
        {
            using var archive = new ZipArchive(new MemoryStream(file));
            List<Entry> entries = [];
            foreach (var entry in archive.Entries)
            {
                using var stream = entry.Open();
                var content = new byte[Math.Min(entry.Length, Dice.LargestInput)];
                entries.Add(new Entry(entry.FullName, content[..stream.ReadAtLeast(content, content.Length, throwOnEndOfStream: false)]));
            }

            return entries;
        }
        catch (Exception other) when (other is InvalidDataException or IOException or NotSupportedException or ArgumentException)
        {
            return null;
        }
    }

    private static byte[] Join(List<Entry> entries)
    {
        using var memory = new MemoryStream();
        using (var archive = new ZipArchive(memory, ZipArchiveMode.Create, leaveOpen: true))
        {
            foreach (var (name, content) in entries)
            {
                var entry = archive.CreateEntry(name.Length == 0 ? "x" : name, CompressionLevel.NoCompression);
                entry.LastWriteTime = Long;
                using var stream = entry.Open();
                stream.Write(content);
            }
        }

        return memory.ToArray();
    }

    private static Entry Change(Entry entry, Dice dice)
    {
        if (dice.OneIn(12)) return entry with { Name = Path.GetDirectoryName(entry.Name) + "/" + dice.Pick(Names) };
        return entry with
        {
            Content = entry.Name.EndsWith(".pkl", StringComparison.Ordinal) && !dice.OneIn(6) ? Pickle.Operations(entry.Content, dice)
                : Bytes.Change(entry.Content, dice),
        };
    }
}
