using System.Text.Json.Serialization;
using Pfmvg.Decoding;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Pretraining.Scenes;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining;

/// <summary>Scores of a base on scenes that it was not trained on.</summary>
/// <param name="Iou">Mean intersection over union; an answer without a box counts 0.</param>
/// <param name="Accuracy50">Share of the answers with an IoU of 0.5 or more.</param>
/// <param name="Unreadable">Share of the answers without a box.</param>
/// <param name="Phrases">Number of phrases.</param>
internal sealed record HeldOutScore(
    double Iou, [property: JsonPropertyName("half")] double Accuracy50, double Unreadable, int Phrases);

/// <summary>
/// Generic scenes from another random stream than the training's, asked in the evaluation's wording and answered greedily.
/// </summary>
internal sealed class HeldOutScenes
{
    private const int Batch = 64, LongestAnswer = 32;

    private readonly LlamaTokenizer _tokenizer;
    private readonly List<(Scene Scene, IReadOnlyList<SceneQuestion> Questions)> _scenes = [];
    private readonly SceneQuestions _questions;

    /// <summary>Draws the scenes.</summary>
    public HeldOutScenes(GroundingConfig config, LlamaTokenizer tokenizer, long seed, int count, int objects, int phrases)
    {
        _tokenizer = tokenizer;
        _questions = new SceneQuestions(tokenizer, config.VisualTokens);
        for (var i = 0; i < count; i++)
        {
            var scene = SceneSampler.Sample(seed, "held out", i, config.Vision.ImageSize, objects);
            _scenes.Add((scene, _questions.Ask(scene, phrases, caption: false, new CounterRandom(seed, "held out questions", i), null)));
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
        var (sum, hits, unreadable) = (0.0, 0, 0);
        foreach (var chunk in asked.Chunk(Batch))
        {
            using var chunkScope = NewDisposeScope();
            var prompts = chunk.Select(a => (IReadOnlyList<int>)[.. _questions.Prefix, .. a.Question.Prompt]).ToList();
            var answers = generator.Greedy(
                prompts, visual.index_select(0, tensor(chunk.Select(a => a.Index).ToArray())), new DecodingOptions(LongestAnswer));
            for (var i = 0; i < chunk.Length; i++)
            {
                var parsed = BoxCodec.Parse(_tokenizer.Decode(answers[i].Ids));
                var region = new Region([.. parsed.Boxes.Select(box => box.ToPixels(side, side, sortAndClamp: false))]);
                var iou = Region.Iou(region, new Region(chunk[i].Question.Boxes));
                sum += iou;
                if (iou >= 0.5) hits++;
                if (parsed.Boxes.Count == 0) unreadable++;
            }
        }

        return new HeldOutScore(sum / asked.Count, (double)hits / asked.Count, (double)unreadable / asked.Count, asked.Count);
    }
}
