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
        IReadOnlyDictionary<string, Prediction>? known = null, CancellationToken cancel = default)
    {
        var predictions = new Prediction[samples.Count];
        foreach (var indices in Enumerable.Range(0, samples.Count).Chunk(_batch))
        {
            cancel.ThrowIfCancellationRequested();
            var asked = indices.Select(i => samples[i]).ToArray();
            var answers = Array.TrueForAll(asked, sample => known?.ContainsKey(sample.Id) == true)
                ? [.. asked.Select(sample => ModelAnswers.Question(sample) with { Boxes = known![sample.Id].Boxes })]
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
        var left = Enumerable.Range(0, samples.Length).Where(i => predictions[i].BrokenPicture is null).ToList();
        if (left.Count == 0) return predictions;
        var sound = looks.Where(look => look.Value.Picture is not null).ToList();
        var visual = _model.Project(VisionInput.Encode(_model, [.. sound.Select(look => look.Value.Picture!)]));    // (U, N, C)
        var seen = left.Select(i => (long)sound.FindIndex(look => look.Key == (samples[i].Source, samples[i].Image)));
        var boxes = Boxes([.. left.Select(i => _text.Prompt(samples[i].Text))], visual.Rows(tensor([.. seen]).Send(visual.device)));
        foreach (var (row, i) in left.Index())
        {
            var (width, height) = (samples[i].Width, samples[i].Height);
            var box = new Box(boxes[4 * row], boxes[4 * row + 1], boxes[4 * row + 2], boxes[4 * row + 3]).Scale(width, height);
            predictions[i] = predictions[i] with { Boxes = [box.Intersect(new Box(0, 0, width, height))] };
        }

        return predictions;
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
