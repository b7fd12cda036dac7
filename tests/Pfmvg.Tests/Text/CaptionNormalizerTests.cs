using Pfmvg.Text;

namespace Pfmvg.Tests.Text;

public class CaptionNormalizerTests
{
    [Theory]
    [InlineData("Small (2.5 cm) nodule; \"stable\"!", "small 2 5 cm nodule stable")]
    [InlineData("A\t\tB \n C", "a b c")]
    [InlineData("line one\nline two\n", "line one\nline two")] // single line feeds inside survive in the original
    [InlineData("...", "")]
    [InlineData("", "")]
    [InlineData("non-ASCII: \u00dcNI\u00c9", "non-ascii \u00fcni\u00e9")]
    public void Captions_come_out_as_blip_caption_leaves_them(string caption, string expected) =>
        Assert.Equal((expected, false), CaptionNormalizer.Normalize(caption));

    [Fact]
    public void Words_beyond_the_limit_are_cut_and_reported()
    {
        var words = Enumerable.Range(0, 60).Select(i => $"w{i}").ToArray();
        Assert.Equal((string.Join(' ', words[..50]), true), CaptionNormalizer.Normalize(string.Join(' ', words)));
        Assert.Equal((string.Join(' ', words[..50]), false), CaptionNormalizer.Normalize(string.Join("  ", words[..50])));
        Assert.Equal(("w0 w1", true), CaptionNormalizer.Normalize(string.Join(' ', words), maxWords: 2));
    }

    [Fact]
    public void A_second_pass_changes_nothing()
    {
        var random = new Random(1);
        const string Alphabet = "abC. !\"()*#:;~\t\n\u00a0-";
        for (var round = 0; round < 2000; round++)
        {
            var once = CaptionNormalizer.Normalize(new string(random.GetItems<char>(Alphabet, random.Next(200))), maxWords: 7).Text;
            Assert.Equal((once, false), CaptionNormalizer.Normalize(once, maxWords: 7));
        }
    }
}
