using Pfmvg.Text;

namespace Pfmvg.Tests.Text;

public class SideWordsTests
{
    [Theory]
    [InlineData("no acute finding", Side.None)]
    [InlineData("Left effusion", Side.Left)]
    [InlineData("a RIGHT-sided line, right again", Side.Right)]
    [InlineData("left_lower_lobe", Side.Left)]
    [InlineData("on the left and on the right", Side.Both)]
    [InlineData("bilaterally", Side.Both)]
    [InlineData("bibasilar, left more", Side.Both)]
    [InlineData("copyright, leftover, bothersome", Side.None)]
    [InlineData("", Side.None)]
    public void Whole_words_name_the_side_whatever_their_case(string text, Side side) => Assert.Equal(side, SideWords.Find(text).Side);

    [Fact]
    public void Each_word_is_told_apart_from_the_side_that_all_name_together()
    {
        Assert.Equal(new SideWords(Left: true, Right: false, Both: true), SideWords.Find("left, but bilateral"));
        Assert.Equal(new SideWords(Left: true, Right: true, Both: false), SideWords.Find("right before left"));
    }
}
