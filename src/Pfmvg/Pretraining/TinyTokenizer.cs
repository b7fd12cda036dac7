using System.Text;

namespace Pfmvg.Pretraining;

/// <summary>
/// Makes the tiny base's tokenizer: byte-pair merges learned from <see cref="TinyCorpus"/>, in a SentencePiece
/// <c>tokenizer.model</c> like LLaMA's (unknown, beginning, end = 0, 1, 2, then 256 byte pieces, merges, characters; each digit is
/// a piece; a space in front; nothing normalised; the padding piece <c>$$</c>). The file has the same bytes every time.
/// </summary>
internal static class TinyTokenizer
{
    /// <summary>Merges to learn; the vocabulary has these, the characters, 256 bytes and three special pieces.</summary>
    public const int Merges = 640;

    private const char Space = '\u2581';
    private const int Normal = 1, Unknown = 2, Control = 3, Byte = 6;

    /// <summary>Writes the model file.</summary>
    /// <returns>The number of pieces.</returns>
    public static int Write(string path)
    {
        var pieces = Pieces();
        AtomicFile.Write(path, file => file.Write(Serialize(pieces)));
        return pieces.Count;
    }

    private static List<(string Text, float Score, int Kind)> Pieces()
    {
        List<(string, float, int)> pieces = [("<unk>", 0, Unknown), ("<s>", 0, Control), ("</s>", 0, Control)];
        for (var value = 0; value < 256; value++) pieces.Add(($"<0x{value:X2}>", 0, Byte));
        var words = CountWords();
        // Any printable ASCII character is a piece of its own, so that only other scripts fall back to bytes.
        var characters = Enumerable.Range('!', '~' - '!' + 1).Select(c => $"{(char)c}").Prepend($"{Space}").ToList();
        foreach (var text in LearnMerges(words).ToList().Concat(characters)) pieces.Add((text, -(pieces.Count - 259), Normal));
        return pieces;
    }

    private static SortedDictionary<string, long> CountWords()
    {
        var counts = new SortedDictionary<string, long>(StringComparer.Ordinal);
        foreach (var (text, count) in TinyCorpus.Texts())
        {
            // Also without the space mark: the padding piece must be exactly "$$".
            if (!text.Contains(' ') && text.StartsWith('$')) counts[text] = counts.GetValueOrDefault(text) + count;
            foreach (var word in text.Split(' ')) counts[Space + word] = counts.GetValueOrDefault(Space + word) + count;
        }

        return counts;
    }

    /// <summary>
    /// Repeatedly joins the most frequent pair of neighbours; digits never join. Of equally frequent pairs the ordinally first wins.
    /// </summary>
    private static IEnumerable<string> LearnMerges(SortedDictionary<string, long> counts)
    {
        var words = counts.Select(pair => (Symbols: pair.Key.Select(c => $"{c}").ToList(), Count: pair.Value)).ToList();
        var known = new HashSet<string>();
        while (known.Count < Merges)
        {
            var pairs = new Dictionary<(string, string), long>();
            foreach (var (symbols, count) in words)
                for (var i = 0; i + 1 < symbols.Count; i++)
                    if (!char.IsAsciiDigit(symbols[i][0]) && !char.IsAsciiDigit(symbols[i + 1][0]))
                        pairs[(symbols[i], symbols[i + 1])] = pairs.GetValueOrDefault((symbols[i], symbols[i + 1])) + count;
            if (pairs.Count == 0) yield break;
            var best = pairs.OrderByDescending(pair => pair.Value)
                .ThenBy(pair => pair.Key.Item1 + pair.Key.Item2, StringComparer.Ordinal)
                .ThenBy(pair => pair.Key.Item1, StringComparer.Ordinal).First().Key;
            foreach (var (symbols, _) in words)
                for (var i = 0; i + 1 < symbols.Count; i++)
                    if ((symbols[i], symbols[i + 1]) == best)
                    {
                        symbols[i] += symbols[i + 1];
                        symbols.RemoveAt(i + 1);
                    }

            if (known.Add(best.Item1 + best.Item2)) yield return best.Item1 + best.Item2;
        }
    }

    /// <summary>The message `ModelProto` of sentencepiece_model.proto, with the fields that define the model.</summary>
    private static byte[] Serialize(List<(string Text, float Score, int Kind)> pieces)
    {
        var model = new ProtocolBuffer();
        foreach (var (text, score, kind) in pieces)
            model.Message(1, new ProtocolBuffer().Text(1, text).Float(2, score).Number(3, (ulong)kind));
        model.Message(2, new ProtocolBuffer()
            .Number(3, 2)                                                  // model_type: BPE
            .Number(4, (ulong)pieces.Count)                                // vocab_size
            .Number(24, 0).Number(25, 1).Number(35, 1)                     // space in front, digits split, byte fallback
            .Number(40, 0).Number(41, 1).Number(42, 2).Number(43, ulong.MaxValue) // unk, bos, eos; no pad id
            .Text(44, " \u2047 ").Text(45, "<unk>").Text(46, "<s>").Text(47, "</s>"));
        // dummy prefix, spaces kept and marked
        model.Message(3, new ProtocolBuffer().Text(1, "identity").Number(3, 1).Number(4, 0).Number(5, 1));
        return model.ToArray();
    }

    /// <summary>A protocol buffer, with the few wire types that a model file needs.</summary>
    private sealed class ProtocolBuffer
    {
        private readonly List<byte> _bytes = [];

        public ProtocolBuffer Number(int field, ulong value)
        {
            Varint((ulong)field << 3);
            Varint(value);
            return this;
        }

        public ProtocolBuffer Float(int field, float value)
        {
            Varint((ulong)field << 3 | 5);
            _bytes.AddRange(BitConverter.GetBytes(value));
            return this;
        }

        public ProtocolBuffer Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

        public ProtocolBuffer Message(int field, ProtocolBuffer message) => Bytes(field, message.ToArray());

        public byte[] ToArray() => [.. _bytes];

        private ProtocolBuffer Bytes(int field, byte[] value)
        {
            Varint((ulong)field << 3 | 2);
            Varint((ulong)value.Length);
            _bytes.AddRange(value);
            return this;
        }

        private void Varint(ulong value)
        {
            for (; value >= 0x80; value >>= 7) _bytes.Add((byte)(value | 0x80));
            _bytes.Add((byte)value);
        }
    }
}
