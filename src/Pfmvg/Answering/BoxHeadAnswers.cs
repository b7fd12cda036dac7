using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Models.Language;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Answering;

/// <summary>
/// The box head answers phrases: one box each, in pixels of the original picture, without a confidence. The prompt is the one that text
/// is asked for; no token is generated.
/// </summary>
internal sealed class BoxHeadAnswers : IAnswers
{
    private readonly GroundingModel _model;
    private readonly ModelAnswers _text;
    private readonly int _batch;

    /// <summary>Prepares to ask.</summary>
    /// <param name="model">The model.</param>
    /// <param name="text">Makes the prompts.</param>
    /// <param name="batch">Phrases at a time.</param>
    /// <exception cref="InputException">The model's head was never trained.</exception>
    public BoxHeadAnswers(GroundingModel model, ModelAnswers text, int batch)
    {
        (_model, _text, _batch) = (model, text, batch);
        if (model.BoxHead?.IsTrained != true)
            throw new InputException("eval.answer is box_head, but the checkpoint has no trained box head; train stage 2 with "
                + "stage2.box_head: true, or set eval.answer to text.");
    }

    public string Decoding => "the box head, one box each";

    public IReadOnlyList<Prediction> Answer(
        IReadOnlyList<Sample> samples, Func<Sample, DecodeBuffer, VisionInput> picture,
        Action<IReadOnlyList<Prediction>>? answered = null, bool isolate = false,
        IReadOnlyDictionary<string, Prediction>? known = null, CancellationToken cancel = default) =>
        BoxBatches.Answer(samples, _batch, Ask, picture, answered, isolate, known, cancel);

    private List<BoxAnswer> Ask(SeenBatch seen)
    {
        var visual = _model.Project(VisionInput.Encode(_model, seen.Pictures));                             // (U, N, C)
        var rows = tensor([.. seen.PictureOf.Select(i => (long)i)]).Send(visual.device);
        var boxes = Boxes([.. seen.Samples.Select(sample => _text.Prompt(sample.Text))], visual.Rows(rows));
        return [.. boxes.Chunk(4).Select(edges => new BoxAnswer(new Box(edges[0], edges[1], edges[2], edges[3])))];
    }

    /// <summary>Four numbers for each prompt. What fills a prompt up stands behind it, where it is not seen.</summary>
    private float[] Boxes(IReadOnlyList<int>[] prompts, Tensor visual)
    {
        using var scope = NewDisposeScope();
        var length = prompts.Max(prompt => prompt.Count);
        var ids = new long[prompts.Length * length];
        foreach (var (row, prompt) in prompts.Index())
            for (var i = 0; i < prompt.Count; i++) ids[row * length + i] = prompt[i];
        var ends = prompts.Select((prompt, row) => (long)row * length + prompt.Count - 1).ToArray();
        var language = _model.Language;
        var pass = new DecoderPass(language.RotaryAt(HeldScalars.Range(0, length, _model.Device)));
        var hidden = language.call(_model.Embed(tensor(ids, [prompts.Length, length]).Send(_model.Device), visual), pass); // (B, T, C)
        return _model.BoxHead!.call(hidden.flatten(0, 1).Rows(tensor(ends).Send(_model.Device))).cpu().data<float>().ToArray();
    }
}
