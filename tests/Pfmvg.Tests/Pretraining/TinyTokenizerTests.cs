using Pfmvg.Pretraining;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Pretraining;

public class TinyTokenizerTests
{
    [Fact]
    public void The_tokenizer_is_like_llamas_and_has_a_padding_piece()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "tokenizer.model");
        var count = TinyTokenizer.Write(path);
        var tokenizer = LlamaTokenizer.Load(path);
        Assert.InRange(count, 500, 1000);
        Assert.Equal(count, tokenizer.VocabularySize);
        Assert.Equal((0, 1, 2), (tokenizer.UnknownId, tokenizer.BosId, tokenizer.EosId));
        Assert.Equal("$$", tokenizer.Piece(tokenizer.PadId));
    }

    [Fact]
    public void A_box_answer_takes_fourteen_tokens_with_its_end_and_every_digit_is_a_token()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Tokenizer(folder);
        var ids = tokenizer.Encode("{<12><34><56><78>}");
        Assert.Equal(13, ids.Length);
        Assert.Equal("12345678", string.Concat(
            ids.Select(tokenizer.Piece).Where(piece => piece.Length == 1 && char.IsAsciiDigit(piece[0]))));
    }

    [Theory]
    [InlineData("{<0><7><100><99>}<delim>{<1><2><3><4>}")]
    [InlineData("small apical pneumothorax on the right")]
    [InlineData("a large striped disc above the letter K")]
    [InlineData("size 12.5 cm \u4e2d")]
    public void What_is_encoded_decodes_to_itself(string text)
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Tokenizer(folder);
        Assert.Equal(text, tokenizer.Decode(tokenizer.Encode(text), skipSpecial: false));
    }

    [Fact]
    public void The_file_is_the_same_every_time()
    {
        using var folder = new TemporaryFolder();
        var (first, second) = (Path.Combine(folder.Path, "a"), Path.Combine(folder.Path, "b"));
        TinyTokenizer.Write(first);
        TinyTokenizer.Write(second);
        Assert.Equal(File.ReadAllBytes(first), File.ReadAllBytes(second));
    }

    private static LlamaTokenizer Tokenizer(TemporaryFolder folder)
    {
        var path = Path.Combine(folder.Path, "tokenizer.model");
        TinyTokenizer.Write(path);
        return LlamaTokenizer.Load(path);
    }
}
