using System.Text;

namespace Pfmvg.Text;

/// <summary>
/// LLaMA's tokenizer as MiniGPT-4 uses it: the slow Hugging Face LlamaTokenizer (legacy behaviour) over a SentencePiece
/// model, with <c>$$</c> as padding. It adds no begin or end token by itself: callers put these ids where they belong.
/// </summary>
public sealed class LlamaTokenizer
{
    private const string Unknown = "<unk>", Bos = "<s>", Eos = "</s>", Pad = "$$";

    private LlamaTokenizer(SentencePieceModel model, int bos, int eos)
    {
        Model = model;
        (UnknownId, BosId, EosId, PadId) = (model.UnknownId, bos, eos, model.IdOf(Pad) ?? model.UnknownId);
    }

    /// <summary>Reads a <c>tokenizer.model</c> file.</summary>
    /// <exception cref="InputException">The file is missing, broken, or not a tokenizer of LLaMA's kind.</exception>
    public static LlamaTokenizer Load(string modelPath)
    {
        var model = SentencePieceModel.Load(modelPath);
        int Id(string piece) => model.IdOf(piece) ?? throw new InputException(
            $"{modelPath}: has no piece {piece}, so it is not LLaMA's tokenizer; "
            + "get the tokenizer.model that came with the language model.");
        if (Id(Unknown) != model.UnknownId)
            throw new InputException($"{modelPath}: the piece {Unknown} is not its unknown piece, so it is not LLaMA's tokenizer.");
        return new LlamaTokenizer(model, Id(Bos), Id(Eos));
    }

    /// <summary>The SentencePiece model underneath, for the plain pieces of a text.</summary>
    public SentencePieceModel Model { get; }

    /// <summary>Number of pieces.</summary>
    public int VocabularySize => Model.Count;

    /// <summary>Id of <c>&lt;s&gt;</c>, the beginning of a sequence.</summary>
    public int BosId { get; }

    /// <summary>Id of <c>&lt;/s&gt;</c>, the end of an answer.</summary>
    public int EosId { get; }

    /// <summary>Id of <c>&lt;unk&gt;</c>.</summary>
    public int UnknownId { get; }

    /// <summary>
    /// Id of padding: the piece <c>$$</c> without a space (the text "$$" alone becomes the piece with one); the unknown
    /// id when the model has no such piece, as in Hugging Face.
    /// </summary>
    public int PadId { get; }

    /// <inheritdoc cref="SentencePieceModel.Piece"/>
    public string Piece(int id) => Model.Piece(id);

    /// <inheritdoc cref="SentencePieceModel.IdOf"/>
    public int? IdOf(string piece) => Model.IdOf(piece);

    /// <summary>
    /// The ids of one segment of text. The literal texts <c>&lt;s&gt;</c>, <c>&lt;/s&gt;</c> and <c>&lt;unk&gt;</c> become
    /// their ids; every stretch between them is encoded on its own, so each gets its own leading space mark.
    /// </summary>
    public int[] Encode(string text)
    {
        List<int> ids = [];
        var start = 0;
        for (var at = text.IndexOf('<'); at >= 0; at = at < text.Length ? text.IndexOf('<', at) : -1)
        {
            var rest = text.AsSpan(at);
            var (special, id) =
                rest.StartsWith(Bos) ? (Bos, BosId) :
                rest.StartsWith(Eos) ? (Eos, EosId) :
                rest.StartsWith(Unknown) ? (Unknown, UnknownId) : ("<", -1);
            if (id >= 0)
            {
                ids.AddRange(Model.Encode(text[start..at]));
                ids.Add(id);
                start = at + special.Length;
            }

            at += special.Length;
        }

        ids.AddRange(Model.Encode(text[start..]));
        return [.. ids];
    }

    /// <summary>The text of ids, without a space that stands in front.</summary>
    /// <remarks>
    /// Two habits of the reference are kept, because numbers were made with them: with special tokens kept, a space goes
    /// before the whole stretch that precedes one, not before the token; and a first piece that is <c>$$</c> after its
    /// space mark counts as the padding token.
    /// </remarks>
    /// <param name="ids">Ids of this tokenizer.</param>
    /// <param name="skipSpecial">Leave out beginning, end, unknown and padding.</param>
    /// <exception cref="ArgumentOutOfRangeException">An id is not in the vocabulary.</exception>
    public string Decode(IReadOnlyList<int> ids, bool skipSpecial = true)
    {
        List<string> pieces = [.. ids.Where(id => !skipSpecial || !IsSpecial(id)).Select(Piece)];
        if (pieces.Count == 0) return "";
        if (pieces[0].StartsWith(SentencePieceModel.SpaceMark)) pieces[0] = pieces[0][1..];

        var text = new StringBuilder();
        var start = 0;
        for (var at = 0; at < pieces.Count; at++)
        {
            if (pieces[at] is not (Unknown or Bos or Eos or Pad)) continue;
            if (at > start) text.Append(' ');
            text.Append(Model.Decode(pieces[start..at])).Append(pieces[at]);
            start = at + 1;
        }

        return text.Append(Model.Decode(pieces[start..])).ToString();
    }

    private bool IsSpecial(int id) => id == BosId || id == EosId || id == UnknownId || id == PadId;
}
