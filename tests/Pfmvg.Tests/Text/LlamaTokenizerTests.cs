using System.Diagnostics;
using System.Text;
using Google.Protobuf;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Text;

public sealed class LlamaTokenizerTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("pfmvg-tokenizer-").FullName;
    private readonly byte[] _real = File.ReadAllBytes(Fixtures.Path("tokenizer", "tokenizer.model"));

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Of_equal_pairs_the_leftmost_is_merged_first()
    {
        (string, float)[] letters = [("\u2581", -9), ("a", -9), ("b", -9)];
        Assert.Equal(["\u2581", "aa", "aa", "a", "b"], Pieces(Write([.. letters, ("aa", -1)]), "aaaaab"));
        Assert.Equal(["\u2581", "ab", "ab", "a"], Pieces(Write([.. letters, ("ab", -1), ("ba", -1)]), "ababa"));
        Assert.Equal(["\u2581", "a", "ba", "ba"], Pieces(Write([.. letters, ("ab", -2), ("ba", -1)]), "ababa")); // a better score first
        Assert.Equal(["\u2581", "aaa", "aa"], Pieces(Write([.. letters, ("aa", -2), ("aaa", -1)]), "aaaaa"));
    }

    [Fact]
    public void What_no_piece_covers_becomes_its_bytes_and_comes_back()
    {
        var tokenizer = Write(normal: [("\u2581", -1), ("a", -2)]);
        Assert.Equal(["\u2581", "a", "<0xF0>", "<0x9F>", "<0xAB>", "<0x81>"], Pieces(tokenizer, "a\U0001fac1"));
        Assert.Equal("a\U0001fac1", tokenizer.Decode(tokenizer.Encode("a\U0001fac1")));
        Assert.Equal(["\u2581", "<0xEF>", "<0xBF>", "<0xBD>"], Pieces(tokenizer, "\ud800")); // a lone surrogate is U+FFFD
    }

    [Fact]
    public void Every_byte_that_forms_no_character_is_one_replacement_character()
    {
        var tokenizer = Write(normal: [("\u2581", -1), ("a", -2)]);
        int[] broken = [.. new[] { "<0xE4>", "<0xB8>", "a", "<0xFF>" }.Select(piece => tokenizer.IdOf(piece)!.Value)];
        Assert.Equal("\ufffd\ufffda\ufffd", tokenizer.Decode(broken));
    }

    [Fact]
    public void Any_text_without_special_tokens_survives_the_round_trip()
    {
        var tokenizer = LlamaTokenizer.Load(Fixtures.Path("tokenizer", "tokenizer.model"));
        var random = new Random(1);
        string[] parts = ["a", " ", "  ", "effusion", "7", "{<", "><", "\n", "\u00e9", "\u4e2d", "\U0001f600", "the ", ">}"];
        for (var round = 0; round < 500; round++)
        {
            var text = "x" + string.Concat(random.GetItems(parts, random.Next(40)));
            Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text)));
            Assert.Equal(text, tokenizer.Model.Decode(tokenizer.Model.Encode(text).Select(tokenizer.Piece)));
        }
    }

    [Fact]
    public void Padding_is_left_out_with_the_special_tokens()
    {
        var tokenizer = LlamaTokenizer.Load(Fixtures.Path("tokenizer", "tokenizer.model"));
        int[] ids = [tokenizer.BosId, .. tokenizer.Encode("edema"), tokenizer.EosId, tokenizer.PadId, tokenizer.PadId];
        Assert.Equal("edema", tokenizer.Decode(ids));
        Assert.Equal("", tokenizer.Decode([tokenizer.EosId]));
        Assert.Equal("", tokenizer.Decode([], skipSpecial: false));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Decode([tokenizer.VocabularySize]));
    }

    [Theory]
    [InlineData("small right apical pneumothorax ")]
    [InlineData("a")]
    [InlineData("<s>")]
    [InlineData("<")]
    [InlineData("\u4e2d")]
    public void A_megabyte_of_text_takes_moments(string part)
    {
        var tokenizer = LlamaTokenizer.Load(Fixtures.Path("tokenizer", "tokenizer.model"));
        var text = string.Concat(Enumerable.Repeat(part, 1_000_000 / part.Length));
        var watch = Stopwatch.StartNew();
        Assert.Equal(part == "<s>" ? "" : text.TrimStart(), tokenizer.Decode(tokenizer.Encode(text)));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(30), $"took {watch.Elapsed}");
    }

    [Fact]
    public void A_file_that_is_no_tokenizer_is_named_in_one_sentence()
    {
        AssertRefused("empty", []);
        AssertRefused("text", "hello there"u8.ToArray());
        AssertRefused("zeros", new byte[100]);
        AssertRefused("a length beyond the end", [0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]);
        AssertRefused("a bad character", [0x0a, 0x03, 0x0a, 0x01, 0xff]);
        Assert.Contains("no such file", Assert.Throws<InputException>(() => LlamaTokenizer.Load(Path.Combine(_folder, "missing"))).Message,
            StringComparison.Ordinal);
        Assert.Throws<InputException>(() => LlamaTokenizer.Load(_folder));
    }

    [Fact]
    public void A_truncated_or_damaged_file_is_refused_or_still_a_whole_tokenizer()
    {
        var random = new Random(1);
        for (var round = 0; round < 60; round++)
        {
            var bytes = _real.ToArray();
            if (round % 2 == 0) bytes = bytes[..random.Next(bytes.Length)];
            else bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            var path = Store(bytes);
            try
            {
                var tokenizer = LlamaTokenizer.Load(path);
                Assert.True(round % 2 == 1, $"{bytes.Length} of {_real.Length} bytes were accepted");
                tokenizer.Encode("any text"); // a flipped bit in a score or a letter cannot be seen, but must do no harm
            }
            catch (InputException error)
            {
                Assert.Contains(path, error.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Models_that_do_more_than_LLaMA_s_are_refused_by_name()
    {
        (string, float)[] normal = [("a", -1)];
        AssertRefused("unigram", Build(normal, kind: 1), "byte-pair");
        AssertRefused("no byte fallback", Build(normal, byteFallback: false), "byte fallback");
        AssertRefused("no dummy prefix", Build(normal, dummyPrefix: false), "normalises");
        AssertRefused("a replacement table", Build(normal, table: [1, 2, 3, 4]), "normalises");
        AssertRefused("twice", Build([("a", -1), ("a", -2)]), "twice");
        AssertRefused("not finite", Build([("a", float.NaN)]), "finite");
        AssertRefused("no end", Build(normal, controls: ["<s>"]), "</s>");
    }

    private static string[] Pieces(LlamaTokenizer tokenizer, string text) => [.. tokenizer.Encode(text).Select(tokenizer.Piece)];

    private void AssertRefused(string what, byte[] file, string reason = "")
    {
        var path = Store(file);
        var error = Assert.Throws<InputException>(() => LlamaTokenizer.Load(path));
        Assert.StartsWith(path, error.Message, StringComparison.Ordinal);
        Assert.True(error.Message.Contains(reason, StringComparison.Ordinal), $"{what}: {error.Message}");
    }

    private LlamaTokenizer Write((string, float)[] normal) => LlamaTokenizer.Load(Store(Build(normal)));

    private string Store(byte[] file)
    {
        var path = Path.Combine(_folder, Guid.NewGuid().ToString("N"));
        File.WriteAllBytes(path, file);
        return path;
    }

    /// <summary>A SentencePiece model with the three special pieces, the 256 bytes and the given ordinary pieces.</summary>
    private static byte[] Build(
        (string Text, float Score)[] normal, int kind = 2, bool byteFallback = true, bool dummyPrefix = true, byte[]? table = null,
        string[]? controls = null)
    {
        IEnumerable<(string Text, float Score, int Kind)> pieces =
        [
            ("<unk>", 0, 2), .. (controls ?? ["<s>", "</s>"]).Select(text => (text, 0f, 3)),
            .. Enumerable.Range(0, 256).Select(value => ($"<0x{value:X2}>", 0f, 6)),
            .. normal.Select(piece => (piece.Text, piece.Score, 1)),
        ];
        return Message(output =>
        {
            foreach (var piece in pieces)
                WriteMessage(output, 1, entry =>
                {
                    WriteBytes(entry, 1, Encoding.UTF8.GetBytes(piece.Text));
                    entry.WriteTag(2, WireFormat.WireType.Fixed32);
                    entry.WriteFloat(piece.Score);
                    WriteNumber(entry, 3, piece.Kind);
                });
            WriteMessage(output, 2, trainer =>
            {
                WriteNumber(trainer, 3, kind);
                WriteNumber(trainer, 35, byteFallback ? 1 : 0);
            });
            WriteMessage(output, 3, normalizer =>
            {
                WriteBytes(normalizer, 2, table ?? []);
                WriteNumber(normalizer, 3, dummyPrefix ? 1 : 0);
                WriteNumber(normalizer, 4, 0);
            });
        });

        static void WriteMessage(CodedOutputStream output, int field, Action<CodedOutputStream> write) =>
            WriteBytes(output, field, Message(write));

        static void WriteBytes(CodedOutputStream output, int field, byte[] bytes)
        {
            output.WriteTag(field, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(ByteString.CopyFrom(bytes));
        }

        static void WriteNumber(CodedOutputStream output, int field, int value)
        {
            output.WriteTag(field, WireFormat.WireType.Varint);
            output.WriteInt32(value);
        }

        static byte[] Message(Action<CodedOutputStream> write)
        {
            using var memory = new MemoryStream();
            using var output = new CodedOutputStream(memory);
            write(output);
            output.Flush();
            return memory.ToArray();
        }
    }
}
