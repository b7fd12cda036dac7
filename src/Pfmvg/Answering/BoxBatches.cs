using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using static TorchSharp.torch;

namespace Pfmvg.Answering;

/// <summary>A box for a phrase, as shares of its picture, and its confidence where there is one.</summary>
internal readonly record struct BoxAnswer(Box Shares, double? Confidence = null);

/// <summary>The pictures of a batch, each once, and of each sample that can be answered which of them is its.</summary>
/// <param name="Samples">The samples whose pictures could be read.</param>
/// <param name="Pictures">Their distinct pictures.</param>
/// <param name="PictureOf">Place of each sample's picture among these.</param>
internal sealed record SeenBatch(IReadOnlyList<Sample> Samples, IReadOnlyList<VisionInput> Pictures, IReadOnlyList<int> PictureOf);

/// <summary>Phrases answered batch by batch with one box each.</summary>
internal static class BoxBatches
{
    // The parameters are those of IAnswers.Answer, and how many phrases are asked at a time, by whom: within a dispose scope and
    // without gradients.
    /// <summary>The answers in the order of the samples.</summary>
    public static IReadOnlyList<Prediction> Answer(
        IReadOnlyList<Sample> samples, int batch, Func<SeenBatch, IReadOnlyList<BoxAnswer>> ask,
        Func<Sample, DecodeBuffer, VisionInput> picture, Action<IReadOnlyList<Prediction>>? answered, bool isolate,
        IReadOnlyDictionary<string, Prediction>? known, CancellationToken cancel)
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
                : AnswerBatch(asked, ask, picture, isolate);
            foreach (var (i, answer) in indices.Zip(answers)) predictions[i] = answer;
            answered?.Invoke(answers);
        }

        return predictions;
    }

    private static Prediction[] AnswerBatch(Sample[] samples, Func<SeenBatch, IReadOnlyList<BoxAnswer>> ask,
        Func<Sample, DecodeBuffer, VisionInput> picture, bool isolate)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var looks = ModelAnswers.Look(samples, picture, isolate);
        var predictions = samples.Select(s => ModelAnswers.Question(s) with { BrokenPicture = looks[(s.Source, s.Image)].Fault }).ToArray();
        var left = Enumerable.Range(0, samples.Length).Where(i => predictions[i].BrokenPicture is null).ToList();
        if (left.Count == 0) return predictions;
        var sound = looks.Where(look => look.Value.Picture is not null).ToList();
        var seen = new SeenBatch([.. left.Select(i => samples[i])], sound.ConvertAll(look => look.Value.Picture!),
            left.ConvertAll(i => sound.FindIndex(look => look.Key == (samples[i].Source, samples[i].Image))));
        foreach (var (i, answer) in left.Zip(ask(seen)))
        {
            var (width, height) = (samples[i].Width, samples[i].Height);
            predictions[i] = predictions[i] with
            {
                Boxes = [answer.Shares.Scale(width, height).Intersect(new Box(0, 0, width, height))],
                Confidence = answer.Confidence is { } confidence ? [confidence] : null,
            };
        }

        return predictions;
    }
}
