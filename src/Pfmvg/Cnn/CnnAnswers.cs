using Pfmvg.Answering;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using static TorchSharp.torch;

namespace Pfmvg.Cnn;

/// <summary>The network answers phrases: one box each, in pixels of the original picture, with a confidence.</summary>
/// <param name="network">The network.</param>
/// <param name="words">What it knows of phrases.</param>
/// <param name="size">Side of its pictures.</param>
/// <param name="batch">Phrases at a time.</param>
internal sealed class CnnAnswers(CnnNetwork network, WordList words, int size, int batch) : IAnswers
{
    private readonly Dictionary<string, (int Known, int Unknown)> _read = [];

    /// <summary><see cref="Decoding"/>.</summary>
    public const string Way = "the plain network, one box each";

    public string Decoding => Way;

    /// <summary>How many of the phrases that were asked have unknown words; null where all are known.</summary>
    public string? Unknown
    {
        get
        {
            var (some, none) = (_read.Values.Count(read => read.Unknown > 0), _read.Values.Count(read => read.Known == 0));
            return some == 0 ? null : $"{some} of {_read.Count} different phrases have words that are in no two training phrases: the "
                + $"network passes over these ({_read.Values.Sum(read => read.Unknown)} in all)"
                + (none == 0 ? "." : $"; of {none} phrases it knows no word.");
        }
    }

    public IReadOnlyList<Prediction> Answer(
        IReadOnlyList<Sample> samples, Func<Sample, DecodeBuffer, VisionInput> picture,
        Action<IReadOnlyList<Prediction>>? answered = null, bool isolate = false,
        IReadOnlyDictionary<string, Prediction>? known = null, CancellationToken cancel = default)
    {
        var predictions = new Prediction[samples.Count];
        foreach (var indices in Enumerable.Range(0, samples.Count).Chunk(batch))
        {
            cancel.ThrowIfCancellationRequested();
            var asked = indices.Select(i => samples[i]).ToArray();
            var answers = Array.TrueForAll(asked, sample => known?.ContainsKey(sample.Id) == true)
                ? [.. asked.Select(sample => ModelAnswers.Question(sample) with
                {
                    Boxes = known![sample.Id].Boxes, Confidence = known[sample.Id].Confidence,
                })]
                : AnswerBatch(asked, picture, isolate);
            foreach (var (i, answer) in indices.Zip(answers)) predictions[i] = answer;
            answered?.Invoke(answers);
        }

        return predictions;
    }

    private Prediction[] AnswerBatch(Sample[] samples, Func<Sample, DecodeBuffer, VisionInput> picture, bool isolate)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var looks = ModelAnswers.Look(samples, picture, isolate);
        var predictions = samples.Select(s => ModelAnswers.Question(s) with { BrokenPicture = looks[(s.Source, s.Image)].Fault }).ToArray();
        var sound = Enumerable.Range(0, samples.Length).Where(i => predictions[i].BrokenPicture is null).ToList();
        if (sound.Count == 0) return predictions;
        var read = sound.Select(i => words.Read(samples[i].Text)).ToList();
        foreach (var (i, (places, unknown)) in sound.Zip(read)) _read[samples[i].Text] = (places.Count, unknown);
        var gray = sound.Select(i => CnnInput.Gray(looks[(samples[i].Source, samples[i].Image)].Picture!.Image!)).ToList();
        var output = network.call(CnnInput.Pictures(gray, size, network.Device),
            CnnInput.Bags([.. read.Select(phrase => phrase.Places)], words.Count, network.Device));
        var (edges, confidence) = (output.Boxes.cpu().data<float>().ToArray(), output.Confidence.sigmoid().cpu().data<float>().ToArray());
        foreach (var (row, i) in sound.Index())
        {
            var (width, height) = (samples[i].Width, samples[i].Height);
            var box = new Box(edges[4 * row], edges[4 * row + 1], edges[4 * row + 2], edges[4 * row + 3]).Scale(width, height);
            predictions[i] = predictions[i] with
            {
                Boxes = [box.Intersect(new Box(0, 0, width, height))], Confidence = [confidence[row]],
            };
        }

        return predictions;
    }
}
