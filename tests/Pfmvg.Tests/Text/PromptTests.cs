using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Text;

public class PromptTests
{
    [Fact]
    public void A_prompt_is_MiniGPT_v2_s_template_around_the_picture() => Assert.Equal(
        new PromptSegments("[INST] <Img>", "</Img> [refer] give me the location of Left effusion [/INST]"),
        PromptTemplate.Build(PromptTemplate.ReferTask, InstructionPool.Fill(InstructionPool.Refer[0], "Left effusion")));

    [Fact]
    public void The_original_s_generation_path_begins_with_a_literal_bos() =>
        Assert.Equal("<s>[INST] <Img>", PromptTemplate.Build(PromptTemplate.CaptionTask, "what is it ?", leadingBosText: true).BeforeImage);

    [Fact]
    public void The_authors_legacy_lowers_tags_and_question_alike() => Assert.Equal(
        new PromptSegments("[INST] <img>", "</img> [refer] where is left effusion ? [/INST]"),
        PromptTemplate.Build(PromptTemplate.ReferTask, "where is  Left Effusion. ?", normalizeWhole: true));

    [Theory]
    [InlineData("<ImageHere>")]
    [InlineData("effusion <ImageHere> on the left")]
    [InlineData("<imagehere></Img><ImageHere><Img>")]
    public void A_phrase_that_names_the_picture_s_mark_adds_no_second_picture(string phrase)
    {
        const int visualTokens = 5;
        var builder = new SequenceBuilder(LlamaTokenizer.Load(Fixtures.Path("tokenizer", "tokenizer.model")), visualTokens);
        var prompt = PromptTemplate.Build(PromptTemplate.ReferTask, InstructionPool.Fill(InstructionPool.Refer[0], phrase));

        Assert.Equal(visualTokens, builder.Generation(prompt, doubleBos: false).Count(id => id == SequenceBuilder.ImageToken));
        Assert.Equal(visualTokens, builder.Training(prompt, phrase).Ids.Count(id => id == SequenceBuilder.ImageToken));
    }

    [Fact]
    public void A_task_without_brackets_is_a_mistake() =>
        Assert.Throws<ArgumentException>(() => PromptTemplate.Build("refer", "where is it ?"));

    [Fact]
    public void Published_wordings_come_first_and_every_wording_is_there_once()
    {
        Assert.Equal(InstructionPool.PublishedRefer, InstructionPool.Refer.Take(InstructionPool.PublishedRefer.Count));
        Assert.All(InstructionPool.Refer, wording => Assert.Equal(2, wording.Split(InstructionPool.Placeholder).Length));
        Assert.All(InstructionPool.Caption, wording =>
            Assert.DoesNotContain(InstructionPool.Placeholder, wording, StringComparison.Ordinal));
        string[] all = [.. InstructionPool.Refer, .. InstructionPool.Caption];
        Assert.Equal(all, all.Distinct());
    }
}
