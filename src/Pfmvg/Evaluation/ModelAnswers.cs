using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Decoding;
using Pfmvg.Models;
using Pfmvg.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Evaluation;

/// <summary>Asks the model for the box of phrases: the answering half of the evaluation.</summary>
/// <param name="model">The model.</param>
/// <param name="builder">Prompts to tokens.</param>
/// <param name="settings">Batch, longest answer, beams.</param>
public sealed class ModelAnswers(GroundingModel model, SequenceBuilder builder, EvalSettings settings)
{
    private readonly AnswerGenerator _generator = new(model, builder.Tokenizer.EosId);

    /// <summary>The prompt that a phrase is asked with: the first wording of the pool, as published.</summary>
    public IReadOnlyList<int> Prompt(string phrase)
    {
        var text = settings.NormalizeText ? CaptionNormalizer.Normalize(phrase).Text : phrase;
        var prompt = PromptTemplate.Build(PromptTemplate.ReferTask, InstructionPool.Fill(InstructionPool.Refer[0], text));
        return builder.Generation(prompt.Whole, settings.DoubleBos);
    }

    /// <summary>Answers phrases in batches; each picture is encoded once for neighbouring phrases on it.</summary>
    /// <param name="samples">Phrases; any order, neighbours on one picture share its encoding.</param>
    /// <param name="picture">The picture of a sample, S x S, or its features; called on several threads, each with memory of its own.</param>
    /// <param name="answered">Told after every batch how many phrases are answered.</param>
    /// <param name="cancel">Stops between batches.</param>
    public IReadOnlyList<Prediction> Answer(
        IReadOnlyList<Sample> samples, Func<Sample, DecodeBuffer, VisionInput> picture, Action<int>? answered = null, CancellationToken cancel = default)
    {
        var predictions = new List<Prediction>(samples.Count);
        foreach (var batch in samples.Chunk(settings.BatchSize))
        {
            cancel.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using var quiet = no_grad();
            var visual = model.Project(Features(batch, picture));                                  // (B, N, C)
            var prompts = batch.Select(s => Prompt(s.Text)).ToList();
            var answers = settings.Beams > 1
                ? _generator.Beam(prompts, visual, settings.Beams, settings.MaxNewTokens)
                : _generator.Greedy(prompts, visual, settings.MaxNewTokens);
            predictions.AddRange(batch.Zip(answers, ToPrediction));
            answered?.Invoke(predictions.Count);
        }

        return predictions;
    }

    private Tensor Features(Sample[] batch, Func<Sample, DecodeBuffer, VisionInput> picture)
    {
        var distinct = batch.DistinctBy(s => (s.Source, s.Image)).ToList();
        var pictures = LoadAhead.InOrder(distinct, picture, Environment.ProcessorCount, distinct.Count).ToList();
        var features = VisionInput.Encode(model, pictures);                                        // (pictures, N, 4V)
        var rows = batch.Select(s => (long)distinct.FindIndex(d => d.Source == s.Source && d.Image == s.Image)).ToArray();
        return features.index_select(0, tensor(rows, device: features.device));
    }

    private Prediction ToPrediction(Sample sample, GeneratedAnswer answer)
    {
        var text = builder.Tokenizer.Decode(answer.Ids);
        // As the original: what follows the last closing tag, without outer white space.
        var start = text.LastIndexOf("[/INST]", StringComparison.Ordinal);
        if (start >= 0) text = text[(start + "[/INST]".Length)..];
        return new Prediction
        {
            Id = sample.Id,
            Image = sample.Image,
            Class = sample.Class ?? "",
            Phrase = sample.Text,
            Width = sample.Width,
            Height = sample.Height,
            Truth = sample.Boxes,
            Patient = sample.Patient,
            Answer = text.Trim(),
            Confidence = Confidence(answer),
        };
    }

    /// <summary>For each box the geometric mean of the probabilities of the tokens that wrote it.</summary>
    private List<double>? Confidence(GeneratedAnswer answer)
    {
        var boxes = new List<double>();
        double sum = 0;
        var (tokens, open) = (0, false);
        for (var i = 0; i < answer.Ids.Count; i++)
        {
            var piece = builder.Tokenizer.Decode([answer.Ids[i]]);
            if (piece.Contains('{', StringComparison.Ordinal)) (open, sum, tokens) = (true, 0, 0);
            if (open) (sum, tokens) = (sum + answer.LogProbabilities[i], tokens + 1);
            if (open && piece.Contains('}', StringComparison.Ordinal))
            {
                boxes.Add(Math.Exp(sum / tokens));
                open = false;
            }
        }

        return boxes.Count > 0 && boxes.Count == BoxCodec.Parse(builder.Tokenizer.Decode(answer.Ids)).Boxes.Count ? boxes : null;
    }
}
