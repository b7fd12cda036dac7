using Pfmvg.Answering;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Imaging;

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
        IReadOnlyDictionary<string, Prediction>? known = null, CancellationToken cancel = default) =>
        BoxBatches.Answer(samples, batch, Ask, picture, answered, isolate, known, cancel);

    private List<BoxAnswer> Ask(SeenBatch seen)
    {
        var read = seen.Samples.Select(sample => words.Read(sample.Text)).ToList();
        foreach (var (sample, (places, unknown)) in seen.Samples.Zip(read)) _read[sample.Text] = (places.Count, unknown);
        var gray = seen.PictureOf.Select(i => CnnInput.Gray(seen.Pictures[i].Image!)).ToList();
        var output = network.call(CnnInput.Pictures(gray, size, network.Device),
            CnnInput.Bags([.. read.Select(phrase => phrase.Places)], words.Count, network.Device));
        var (edges, confidence) = (output.Boxes.cpu().data<float>().ToArray(), output.Confidence.sigmoid().cpu().data<float>().ToArray());
        return [.. edges.Chunk(4).Zip(confidence).Select(pair =>
            new BoxAnswer(new Box(pair.First[0], pair.First[1], pair.First[2], pair.First[3]), pair.Second))];
    }
}
