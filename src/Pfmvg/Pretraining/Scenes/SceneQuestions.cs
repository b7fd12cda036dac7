using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Pretraining.Scenes;

/// <summary>One question about a scene.</summary>
/// <param name="Prompt">Token ids after the picture, up to the answer.</param>
/// <param name="Answer">Token ids of the answer, with the end token.</param>
/// <param name="Boxes">True boxes in pixels; empty for a caption.</param>
internal sealed record SceneQuestion(int[] Prompt, int[] Answer, IReadOnlyList<Box> Boxes);

/// <summary>Turns scenes into the questions that MiniGPT-v2's template asks, as token ids.</summary>
/// <param name="tokenizer">The base's tokenizer.</param>
/// <param name="visualTokens">N, visual tokens of a picture.</param>
internal sealed class SceneQuestions(LlamaTokenizer tokenizer, int visualTokens)
{
    /// <summary>The common beginning of all questions: the begin token, the text before the picture, the visual tokens.</summary>
    public IReadOnlyList<int> Prefix { get; } =
    [
        tokenizer.BosId, .. tokenizer.Encode(PromptTemplate.Build(PromptTemplate.ReferTask, "").BeforeImage),
        .. Enumerable.Repeat((int)Models.GroundingModel.ImageToken, visualTokens),
    ];

    /// <summary>The questions about one scene.</summary>
    /// <param name="scene">The scene.</param>
    /// <param name="count">Largest number of phrases.</param>
    /// <param name="caption">Whether a caption is asked for, too.</param>
    /// <param name="random">Draws the phrases.</param>
    /// <param name="wording">Draws the wording of the questions; null always takes the evaluation's.</param>
    public IReadOnlyList<SceneQuestion> Ask(Scene scene, int count, bool caption, CounterRandom random, CounterRandom? wording)
    {
        var questions = new List<SceneQuestion>();
        foreach (var phrase in ScenePhrases.Refer(scene, count, random))
            questions.Add(Question(PromptTemplate.ReferTask, InstructionPool.Fill(Pick(InstructionPool.Refer), phrase.Text),
                BoxCodec.Format(phrase.Boxes, scene.Side, scene.Side), phrase.Boxes));
        if (caption && scene.Objects.Count > 0)
            questions.Add(Question(PromptTemplate.CaptionTask, Pick(InstructionPool.Caption), ScenePhrases.Caption(scene, random), []));
        return questions;

        // The evaluation's wording is asked half of the time.
        string Pick(IReadOnlyList<string> pool) => pool[wording is null || wording.Next(2) == 0 ? 0 : wording.Next(pool.Count)];
    }

    private SceneQuestion Question(string task, string instruction, string answer, IReadOnlyList<Box> boxes) =>
        new(tokenizer.Encode(PromptTemplate.Build(task, instruction).AfterImage), [.. tokenizer.Encode(answer), tokenizer.EosId], boxes);
}
