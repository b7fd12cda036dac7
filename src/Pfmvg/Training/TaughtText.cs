using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Training;

/// <summary>What a sample asks, and the answer that is taught.</summary>
internal static class TaughtText
{
    /// <summary>Prompt and answer of a sample.</summary>
    /// <param name="settings">The stage.</param>
    /// <param name="sample">The sample.</param>
    /// <param name="boxes">Its boxes in pixels of what is shown.</param>
    /// <param name="width">Width of what is shown.</param>
    /// <param name="height">Height of what is shown.</param>
    /// <param name="pick">Draws the wording; null takes the first.</param>
    public static (PromptSegments Prompt, string Answer) Of(
        StageSettings settings, Sample sample, IReadOnlyList<Box> boxes, int width, int height, CounterRandom? pick)
    {
        var text = Normal(sample.Text);
        if (settings.Task == SampleTask.Caption)
            return (PromptTemplate.Build(PromptTemplate.CaptionTask, Choose(InstructionPool.Caption)), text);
        var task = TaskPrompt.Of(sample.Task);
        return task.Task switch
        {
            // The place of a question is written as a question's is when it is asked, whatever targets are.
            SampleTask.Identify => (task.Build("", BoxCodec.ToGrid(boxes[0], width, height), Choose(task.Wordings)), text),
            SampleTask.Detection => (task.Build(text, null), GroundedText.Tag(text, Written(boxes))),
            SampleTask.Grounding => (task.Build("", null, Choose(task.Wordings)), Grounded()),
            _ => (task.Build(text, null, Choose(task.Wordings)), Written(boxes)),
        };

        string Choose(IReadOnlyList<string> pool) => pool[pick?.Next(pool.Count) ?? 0];

        string Normal(string words) => settings.NormalizeText ? CaptionNormalizer.Normalize(words, settings.CaptionWords).Text : words;

        string Written(IReadOnlyList<Box> some) =>
            some.Count == 0 ? BoxCodec.Nothing : BoxCodec.Format(some, width, height, settings.BoxWriting);

        string Grounded()
        {
            var next = 0;
            return GroundedText.Write(sample.Phrases.Select(phrase =>
            {
                IReadOnlyList<Box> own = [.. boxes.Skip(next).Take(phrase.Boxes)];
                next += phrase.Boxes;
                return (Normal(phrase.Phrase), own.Count == 0 ? "" : Written(own));
            }));
        }
    }
}
