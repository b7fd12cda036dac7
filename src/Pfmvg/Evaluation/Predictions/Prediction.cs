using Pfmvg.Geometry;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>One question, the truth and what a model answered: a line of predictions.jsonl.</summary>
/// <remarks>
/// The answer is exactly one of <see cref="Answer"/>, <see cref="Boxes"/> and <see cref="HeatMap"/>; none of them is a
/// missing answer, of which <see cref="BrokenPicture"/> may say why.
/// </remarks>
public sealed record Prediction
{
    /// <summary>Unique within the file and stable from run to run.</summary>
    public required string Id { get; init; }

    /// <summary>Path of the picture, relative to its data set's image root with '/' separators.</summary>
    public required string Image { get; init; }

    /// <summary>Finding class, for example "Pneumothorax".</summary>
    public required string Class { get; init; }

    /// <summary>The phrase that was asked for.</summary>
    public required string Phrase { get; init; }

    /// <summary>Width of the original picture in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Height of the original picture in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>True boxes in original pixels, at least one.</summary>
    public required IReadOnlyList<Box> Truth { get; init; }

    /// <summary>
    /// The model's text, with boxes as <c>{&lt;x1&gt;&lt;y1&gt;&lt;x2&gt;&lt;y2&gt;}</c> on the 0-100 grid; null when the
    /// answer has another form.
    /// </summary>
    public string? Answer { get; init; }

    /// <summary>Predicted boxes in original pixels, best first; null when the answer has another form.</summary>
    public IReadOnlyList<Box>? Boxes { get; init; }

    /// <summary>
    /// Path of a heat map (.npy, two dimensions, any size, covering the whole picture); null when the answer has another form.
    /// </summary>
    public string? HeatMap { get; init; }

    /// <summary>The square of the picture that the heat map covers; null where it covers the whole picture.</summary>
    internal MapPlace? MapPlace { get; init; }

    /// <summary>Confidence in 0..1 of each predicted box, in the order of the boxes; null when the model gives none.</summary>
    public IReadOnlyList<double>? Confidence { get; init; }

    /// <summary>
    /// A second confidence, in 0..1, of the whole answer: its mean IoU with answers that the model has drawn; null where none were drawn.
    /// </summary>
    public double? Agreement { get; init; }

    /// <summary>How many answers were drawn for it; null where that is unknown.</summary>
    internal int? Draws { get; init; }

    /// <summary>
    /// The patient, for the intervals; an opaque name unless patient identifiers were asked for. Null when unknown.
    /// </summary>
    public string? Patient { get; init; }

    /// <summary>The picture is a phantom, so its score is not a clinical one.</summary>
    public bool Synthetic { get; init; }

    /// <summary>The rule by which the values of its DICOM picture became gray; null for other pictures, or when unknown.</summary>
    internal string? Dicom { get; init; }

    /// <summary>Why the picture cannot be read, so that the model was not asked; null for a sound picture.</summary>
    public string? BrokenPicture { get; init; }

    /// <summary>Why the server that was asked gave no answer; null where it gave one, or none was asked.</summary>
    internal string? Unanswered { get; init; }

    /// <summary>The model declined; <see cref="Answer"/> is what it said.</summary>
    internal bool Refused { get; init; }

    /// <summary>The size in which the picture was sent; null for the original one.</summary>
    internal PictureFrame? Sent { get; init; }

    /// <summary>The tokens of question and answer as the server counts them; null when unknown.</summary>
    internal TokenUsage? Usage { get; init; }

    /// <summary>What is known of the patient and the picture, for subgroups.</summary>
    internal Traits Traits { get; init; } = Traits.Unknown;

    /// <summary>How the boxes in <see cref="Answer"/> are read; null for our own notation.</summary>
    internal AnswerReading? Reading { get; init; }

    /// <summary>What the numbers of <see cref="Boxes"/> meant in their file; null for pixels from memory.</summary>
    internal Coordinates? BoxCoordinates { get; init; }

    /// <summary>COCO's iscrowd regions of the class: a predicted box that mostly lies in one counts neither way.</summary>
    internal IReadOnlyList<Box> Crowds { get; init; } = [];

    /// <summary>Place of the picture in COCO's order, in which equally certain boxes count; 0 where there is none.</summary>
    internal int Rank { get; init; }

    /// <summary>A box of the answer in original pixels. Pixels without a frame are those of the picture as it was sent.</summary>
    internal Box ToPixels(IReadOnlyList<double> numbers, Coordinates meaning) =>
        (meaning is { Range: null, Frame: null } ? meaning with { Frame = Sent } : meaning).ToPixels(numbers, Width, Height);

    /// <summary>What makes two questions the same phrase.</summary>
    internal (string Image, string Class, string Phrase) PhraseKey => (Image, Class, Phrase);
}

/// <summary>Tokens as a server counts them.</summary>
/// <param name="Prompt">Of the question, with its picture.</param>
/// <param name="Completion">Of the answer.</param>
internal sealed record TokenUsage(long Prompt, long Completion);
