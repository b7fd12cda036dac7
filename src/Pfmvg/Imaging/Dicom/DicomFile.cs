using System.IO.Compression;

namespace Pfmvg.Imaging.Dicom;

/// <summary>A file as its data set and transfer syntax: with preamble and meta group, without the one, or without both.</summary>
internal readonly ref struct DicomFile
{
    private const int Preamble = 128;
    private const long Inflation = 1032; // deflate cannot make more bytes than this from one
    private const int MostInflated = 128 << 20; // a picture of 64 million pixels

    public DataSet Set { get; private init; }

    public TransferSyntax Syntax { get; private init; }

    public IReadOnlyList<string> Notes { get; private init; }

    /// <summary>Whether a file is DICOM: by its mark, or by its first two elements, which must be of the groups that come first.</summary>
    public static bool Is(ReadOnlySpan<byte> file) => HasMark(file) || (Guess(file) is { } encoding && BeginsAsDataSet(file, encoding));

    public static DicomFile Open(ReadOnlySpan<byte> file, PictureName picture, DecodeBuffer buffer)
    {
        var start = HasMark(file) ? Preamble + 4 : 0;
        var notes = new List<string>();
        TransferSyntax syntax;
        if (file.Length >= start + 2 && file[start] == 2 && file[start + 1] == 0)
        {
            var meta = new ElementReader(file, start, file.Length, Guess(file[start..]) ?? TransferSyntax.ExplicitLittle, picture);
            var uid = "";
            while (meta.Position + 2 <= file.Length && file[meta.Position] == 2 && file[meta.Position + 1] == 0 && meta.MoveNext())
            {
                if (meta.Element.Tag != Tag.TransferSyntax) continue;
                if (uid.Length > 0) throw picture.Broken(Tag.TransferSyntax, "stands twice");
                uid = System.Text.Encoding.Latin1.GetString(file.Slice(meta.Element.Start, meta.Element.Length).Trim(" \0"u8));
            }

            if (uid.Length == 0) throw picture.Refuse(Tag.TransferSyntax, "is missing", "export the file again");
            syntax = TransferSyntax.Find(uid, picture);
            start = meta.Position;
            if (syntax.Deflated)
            {
                file = Inflate(file[start..], picture, buffer);
                start = 0;
            }
        }
        else
        {
            syntax = new(Guess(file[start..])
                ?? throw picture.Refuse(Tag.TransferSyntax, "is missing, and no data set begins here", "fetch the file again"));
            notes.Add(DicomNotes.NoMeta);
        }

        var encoding = syntax.Encoding;
        if (Guess(file[start..]) is { } guess && guess != encoding && BeginsAsDataSet(file[start..], guess))
        {
            notes.Add(DicomNotes.OtherEncoding);
            encoding = guess;
        }

        return new DicomFile { Set = DataSet.Read(file, start, file.Length, encoding, picture), Syntax = syntax, Notes = notes };
    }

    /// <summary>Inflates a data set, no further than the largest picture needs: who reads on names the element that is cut.</summary>
    private static unsafe ReadOnlySpan<byte> Inflate(ReadOnlySpan<byte> deflated, PictureName picture, DecodeBuffer buffer)
    {
        if (deflated.IsEmpty) throw picture.Broken(Tag.TransferSyntax, "is deflated, but no data follow");
        fixed (byte* start = deflated)
        {
            using var stream = new DeflateStream(new UnmanagedMemoryStream(start, deflated.Length), CompressionMode.Decompress);
            // Memory that is never written to costs nothing, so the most that can be needed is asked for at once.
            var most = (int)Math.Min(deflated.Length * Inflation, MostInflated);
            var inflated = buffer.Scratch(most).AsSpan(0, most);
            try
            {
                return inflated[..stream.ReadAtLeast(inflated, most, throwOnEndOfStream: false)];
            }
            catch (InvalidDataException e)
            {
                throw picture.Broken(Tag.TransferSyntax, "is deflated, but the data are broken", e);
            }
        }
    }

    private static bool HasMark(ReadOnlySpan<byte> file) => file.Length >= Preamble + 4 && file[Preamble..].StartsWith("DICM"u8);

    /// <summary>The encoding that the first element seems to have.</summary>
    private static DataEncoding? Guess(ReadOnlySpan<byte> start)
    {
        if (start.Length < 8) return null;
        var named = new Vr(start[4], start[5]).IsPlausible;
        return start[1] == 0 && start[0] is > 0 and <= 8 ? named ? TransferSyntax.ExplicitLittle : TransferSyntax.ImplicitLittle
            : start[0] == 0 && start[1] is > 0 and <= 8 && named ? TransferSyntax.ExplicitBig : null;
    }

    private static bool BeginsAsDataSet(ReadOnlySpan<byte> file, DataEncoding encoding)
    {
        const int longest = 1024;
        var (position, last) = (0, 0u);
        for (var element = 0; element < 2; element++)
        {
            if (file.Length - position < 12) return false;
            var head = file[position..];
            var tag = encoding.Tag(head);
            var vr = new Vr(head[4], head[5]);
            var wide = encoding.Implicit || vr.HasWideLength;
            var length = !wide ? encoding.UInt16(head[6..]) : encoding.UInt32(head[(encoding.Implicit ? 4 : 8)..]);
            if (tag.Number <= last || tag.Group is not (2 or 4 or 8 or 0x10)
                || length > longest || (!encoding.Implicit && !vr.IsPlausible)) return false;
            position += (encoding.Implicit || !wide ? 8 : 12) + (int)length;
            if (position > file.Length) return false;
            last = tag.Number;
        }

        return true;
    }
}
