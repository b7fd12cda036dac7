using Pfmvg.Decoding;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Pretraining.Scenes;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining;

/// <summary>Scores of a base on scenes it never saw.</summary>
/// <param name="Iou">Mean intersection over union, an answer without a box counting 0.</param>
/// <param name="Half">Share of the answers with an IoU of 0.5 or more.</param>
/// <param name="Unreadable">Share of the answers without a box.</param>
/// <param name="Phrases">Number of phrases.</param>
public sealed record HeldOutScore(double Iou, double Half, double Unreadable, int Phrases);

/// <summary>Generic scenes of another stream than the training's, asked in the evaluation's wording, answered greedily.</summary>
public sealed class HeldOutScenes
{
    private const int Batch = 64, LongestAnswer = 32;

    private readonly LlamaTokenizer _tokenizer;
    private readonly List<(Scene Scene, IReadOnlyList<SceneQuestion> Questions)> _scenes = [];
    private readonly SceneQuestions _asking;

    /// <summary>Draws the scenes.</summary>
    public HeldOutScenes(GroundingConfig config, LlamaTokenizer tokenizer, long seed, int count, int objects, int phrases)
    {
        _tokenizer = tokenizer;
        _asking = new SceneQuestions(tokenizer, config.VisualTokens);
        for (var i = 0; i < count; i++)
        {
            var scene = SceneSampler.Sample(seed, "held out", i, config.Vision.ImageSize, objects);
            _scenes.Add((scene, _asking.Ask(scene, phrases, caption: false, new CounterRandom(seed, "held out questions", i), null)));
        }
    }

    /// <summary>Asks the model.</summary>
    public HeldOutScore Score(GroundingModel model)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var side = model.Config.Vision.ImageSize;
        var images = new float[_scenes.Count * 3 * side * side];
        for (var i = 0; i < _scenes.Count; i++)
            ImageTransform.Normalise(_scenes[i].Scene.Pixels, 1, images.AsSpan(i * 3 * side * side, 3 * side * side));
        var visual = model.Project(model.EncodeImages(tensor(images, [_scenes.Count, 3, side, side])));     // (pictures, N, C)
        var asked = _scenes.SelectMany((scene, index) => scene.Questions.Select(question => (Index: (long)index, Question: question)))
            .OrderBy(a => a.Question.Prompt.Length).ToList();
        var generator = new AnswerGenerator(model, _tokenizer.EosId);
        var (sum, half, unreadable) = (0.0, 0, 0);
        foreach (var chunk in asked.Chunk(Batch))
        {
            using var chunkScope = NewDisposeScope();
            var prompts = chunk.Select(a => (IReadOnlyList<int>)[.. _asking.Prefix, .. a.Question.Prompt]).ToList();
            var answers = generator.Greedy(
                prompts, visual.index_select(0, tensor(chunk.Select(a => a.Index).ToArray())), new DecodingOptions(LongestAnswer));
            for (var i = 0; i < chunk.Length; i++)
            {
                var parsed = BoxCodec.Parse(_tokenizer.Decode(answers[i].Ids));
                var region = new Region([.. parsed.Boxes.Select(box => box.ToPixels(side, side, sortAndClamp: false))]);
                var iou = Region.Iou(region, new Region(chunk[i].Question.Boxes));
                sum += iou;
                if (iou >= 0.5) half++;
                if (parsed.Boxes.Count == 0) unreadable++;
            }
        }

        return new HeldOutScore(sum / asked.Count, (double)half / asked.Count, (double)unreadable / asked.Count, asked.Count);
    }
}
