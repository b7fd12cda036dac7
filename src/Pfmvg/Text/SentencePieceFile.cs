using System.Globalization;
using System.Text;
using Google.Protobuf;

namespace Pfmvg.Text;

/// <summary>What a piece is for, numbered as in the file.</summary>
internal enum PieceKind
{
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// <summary>
/// The content of a SentencePiece model file (a protocol buffer). A model that does more than LLaMA's, such as normalising
/// the text, is refused with its reason: a tokenizer that is nearly right would spoil every number silently.
/// </summary>
internal sealed record SentencePieceFile(IReadOnlyList<SentencePieceFile.Entry> Pieces, string UnknownSurface)
{
    private const int LargestFile = 64 << 20; // LLaMA-2's has 0.5 MB
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    internal readonly record struct Entry(string Text, float Score, PieceKind Kind);

    public static SentencePieceFile Read(string path)
    {
        try
        {
            if (OtherFile.Recognise(path) is { } other) throw new InputException($"{path}: {other.What}; {other.Advice}.");
            if (new FileInfo(path) is { Exists: true, Length: > LargestFile }) throw new FormatException("it is too large");
            return Parse(InputFile.ReadBytes(path));
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            const string advice = "give the tokenizer.model that came with the language model";
            throw new InputException(File.Exists(Path.Combine(Path.GetDirectoryName(path) ?? "", "tokenizer.json"))
                ? $"{path}: there is no such file, and the tokenizer.json beside it cannot be used; {advice}."
                : $"{path}: there is no such file; {advice}.", error);
        }
        catch (Exception error) when (error is FormatException or InvalidProtocolBufferException or DecoderFallbackException)
        {
            var reason = error is FormatException ? error.Message : "its structure is broken";
            throw new InputException($"{path}: cannot be used as LLaMA's SentencePiece model, because {reason}; get the "
                + "tokenizer.model that came with the language model again.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw FileFault.At(path, error);
        }
    }

    private static SentencePieceFile Parse(byte[] file)
    {
        List<Entry> pieces = [];
        var unknownSurface = " \u2047 ";
        var (byteFallback, bytePairs, dummyPrefix, keepsSpaces, escapesSpaces, normalizes) = (false, false, true, false, true, false);
        Fields(new CodedInputStream(file), (field, input) =>
        {
            switch (field)
            {
                case 1: pieces.Add(ReadEntry(Message(input))); break;
                case 2: Fields(Message(input), ReadTrainer); break;
                case 3: Fields(Message(input), ReadNormalizer); break;
                default: input.SkipLastField(); break;
            }
        });

        Require(pieces.Count > 0, "it holds no pieces");
        Require(bytePairs, "it is not of the byte-pair kind");
        Require(byteFallback, "it has no byte fallback");
        Require(dummyPrefix && keepsSpaces && escapesSpaces && !normalizes,
            "it normalises the text in its own way, which LLaMA's does not");
        Require(pieces.All(piece => Enum.IsDefined(piece.Kind) && piece.Kind is not (PieceKind.UserDefined or PieceKind.Unused)),
            "it has pieces of a kind that LLaMA's does not");
        Require(pieces.All(piece => piece.Text.Length > 0 && float.IsFinite(piece.Score)), "a piece has no text or no finite score");
        Require(pieces.DistinctBy(piece => piece.Text).Count() == pieces.Count, "a piece occurs twice");
        Require(pieces.Any(piece => piece.Kind is PieceKind.Normal), "it holds no ordinary pieces");
        Require(pieces.Count(piece => piece.Kind is PieceKind.Unknown) == 1, "it must have exactly one unknown piece");
        var bytes = pieces.Where(piece => piece.Kind is PieceKind.Byte).Select(piece => piece.Text).Order(StringComparer.Ordinal);
        Require(bytes.SequenceEqual(Enumerable.Range(0, 256)
            .Select(value => string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"))), "it must have the 256 byte pieces");
        return new SentencePieceFile(pieces, unknownSurface);

        void ReadTrainer(int field, CodedInputStream input)
        {
            switch (field)
            {
                case 3: bytePairs = input.ReadInt32() == 2; break;
                case 24: Require(!input.ReadBool(), "it puts the space behind a word, which LLaMA's does not"); break;
                case 35: byteFallback = input.ReadBool(); break;
                case 44: unknownSurface = Text(input); break;
                default: input.SkipLastField(); break;
            }
        }

        void ReadNormalizer(int field, CodedInputStream input)
        {
            switch (field)
            {
                case 2: normalizes = input.ReadBytes().Length > 0; break; // a compiled table of replacements
                case 3: dummyPrefix = input.ReadBool(); break;
                case 4: keepsSpaces = !input.ReadBool(); break;
                case 5: escapesSpaces = input.ReadBool(); break;
                default: input.SkipLastField(); break;
            }
        }
    }

    private static Entry ReadEntry(CodedInputStream message)
    {
        var (text, score, kind) = ("", 0f, PieceKind.Normal);
        Fields(message, (field, input) =>
        {
            switch (field)
            {
                case 1: text = Text(input); break;
                case 2: score = input.ReadFloat(); break;
                case 3: kind = (PieceKind)input.ReadInt32(); break;
                default: input.SkipLastField(); break;
            }
        });
        return new Entry(text, score, kind);
    }

    private static void Fields(CodedInputStream message, Action<int, CodedInputStream> read)
    {
        while (message.ReadTag() is > 0 and var tag) read((int)(tag >> 3), message);
    }

    private static CodedInputStream Message(CodedInputStream input) => input.ReadBytes().CreateCodedInput();

    private static string Text(CodedInputStream input) => StrictUtf8.GetString(input.ReadBytes().Span);

    private static void Require(bool condition, string otherwise)
    {
        if (!condition) throw new FormatException(otherwise);
    }
}
