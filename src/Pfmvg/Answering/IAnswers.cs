using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;

namespace Pfmvg.Answering;

/// <summary>A model that is asked for the boxes of phrases.</summary>
internal interface IAnswers
{
    /// <summary>How answers are computed, for the records of a run.</summary>
    string Decoding { get; }

    /// <summary>Answers phrases in batches, each about its own picture.</summary>
    /// <param name="samples">Phrases in any order.</param>
    /// <param name="picture">Gets the picture of a sample; called on several threads, each with a buffer of its own.</param>
    /// <param name="answered">Called after each batch with its answers.</param>
    /// <param name="isolate">A sample whose picture cannot be read gets the reason instead of an answer; otherwise it ends all.</param>
    /// <param name="known">Answers from earlier, by the samples' identifiers.</param>
    /// <param name="cancel">Stops.</param>
    /// <returns>The answers in the order of the samples.</returns>
    IReadOnlyList<Prediction> Answer(
        IReadOnlyList<Sample> samples, Func<Sample, DecodeBuffer, VisionInput> picture,
        Action<IReadOnlyList<Prediction>>? answered = null, bool isolate = false,
        IReadOnlyDictionary<string, Prediction>? known = null, CancellationToken cancel = default);
}
