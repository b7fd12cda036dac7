using Pfmvg.Tensors;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Decoding;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Answering;

/// <summary>Asks the model for the boxes of phrases: the half of an evaluation that answers.</summary>
public sealed class ModelAnswers : IAnswers
{
    private readonly GroundingModel _model;
    private readonly SequenceBuilder _builder;
    private readonly EvalSettings _settings;
    private readonly long _seed;
    private readonly AnswerGenerator _generator;
    private readonly Lazy<IReadOnlyList<int>> _order;
    private readonly Lazy<BoxGrammar?> _usual;

    /// <summary>Prepares to ask.</summary>
    /// <param name="model">The model.</param>
    /// <param name="builder">Turns prompts into tokens.</param>
    /// <param name="settings">Batch size, longest answer, and how tokens are chosen.</param>
    /// <param name="seed">With a temperature, draws depend on this seed, the sample's identifier and the attempt alone.</param>
    /// <exception cref="InputException">
    /// Answers are restricted to boxes, but the longest answer is too short for one, or the tokenizer has no pieces for them.
    /// </exception>
    public ModelAnswers(GroundingModel model, SequenceBuilder builder, EvalSettings settings, long seed = 0)
    {
        (_model, _builder, _settings, _seed) = (model, builder, settings, seed);
        _generator = new AnswerGenerator(model, builder.Tokenizer.EosId);
        // By their texts, so that numbers lie side by side as on the picture, and evenly spread draws are so there, too.
        _order = new(() => [.. Enumerable.Range(0, builder.Tokenizer.VocabularySize)
            .OrderBy(builder.Tokenizer.Piece, StringComparer.Ordinal)]);
        _usual = new(() => BoxGrammar.For(builder.Tokenizer));
        var grammar = settings.Constrain == AnswerConstraint.None ? null : new BoxGrammar(builder.Tokenizer);
        if (settings.MaxNewTokens < grammar?.ShortestAnswer)
            throw new InputException($"eval.max_new_tokens is {settings.MaxNewTokens}, but a box takes at least {grammar.ShortestAnswer} "
                + "tokens with eval.constrain: boxes; give it more (64 is the default).");
        Options = new DecodingOptions(settings.MaxNewTokens) { Grammar = grammar, FusedStep = settings.FusedStep == FusedStep.Auto };
    }

    /// <summary>How prompts are continued, as configured.</summary>
    internal DecodingOptions Options { get; }

    /// <summary>How tokens after the prompt are computed, for the records of a run: it decides on rounding.</summary>
    public string Decoding => _settings.Decode == AnswerChoice.ExpectedIou
        ? FormattableString.Invariant($"expected_iou of {_settings.Draws} draws at temperature {Heat}; modules")
        : _generator.Describe(Options, _settings.BatchSize * _settings.Beams);

    private double Heat => _settings.Temperature > 0 ? _settings.Temperature : 1;

    /// <summary>The prompt that a phrase is asked with: the first wording of the pool, as published.</summary>
    public IReadOnlyList<int> Prompt(string phrase) => Prompt(TaskPrompt.Of(SampleTask.Refer), phrase, null);

    private IReadOnlyList<int> Prompt(Sample sample) => Prompt(TaskPrompt.Of(sample.Task), sample.Text,
        sample.Task == SampleTask.Identify ? BoxCodec.ToGrid(sample.Boxes[0], sample.Width, sample.Height) : null);

    private IReadOnlyList<int> Prompt(TaskPrompt task, string phrase, GridBox? box)
    {
        var text = _settings.NormalizeText ? CaptionNormalizer.Normalize(phrase).Text : phrase;
        return _builder.Generation(task.Build(text, box), _settings.DoubleBos);
    }

    /// <summary>
    /// Answers phrases in batches. The phrases of a picture follow each other, so that it is encoded once for all of them in
    /// a batch.
    /// </summary>
    /// <param name="samples">Phrases in any order.</param>
    /// <param name="picture">
    /// Gives the picture of a sample, S x S, or its features; called on several threads, each with a buffer of its own.
    /// </param>
    /// <param name="answered">Called after each batch with its answers.</param>
    /// <param name="isolate">
    /// A sample whose picture cannot be read gets the reason instead of an answer (<see cref="Prediction.BrokenPicture"/>), and the
    /// others are answered; otherwise it ends the answering.
    /// </param>
    /// <param name="known">
    /// Answers from earlier, by the samples' identifiers. Only a batch of which all are known is left out: batches are what they would be
    /// without, and so are the last bits where they depend on the batch.
    /// </param>
    /// <param name="cancel">Stops before the next token.</param>
    /// <returns>The answers in the order of the samples.</returns>
    /// <exception cref="InputException">A picture cannot be read, and is not isolated.</exception>
    public IReadOnlyList<Prediction> Answer(
        IReadOnlyList<Sample> samples, Func<Sample, DecodeBuffer, VisionInput> picture,
        Action<IReadOnlyList<Prediction>>? answered = null, bool isolate = false,
        IReadOnlyDictionary<string, Prediction>? known = null, CancellationToken cancel = default)
    {
        var predictions = new Prediction[samples.Count];
        // Pictures whose phrases have similar lengths share a batch, so little of it is padding.
        var prompts = samples.Select(s => Prompt(s)).ToList();
        var order = Enumerable.Range(0, samples.Count).GroupBy(i => (samples[i].Source, samples[i].Image))
            .OrderBy(ofPicture => ofPicture.Max(i => prompts[i].Count)).SelectMany(ofPicture => ofPicture);
        foreach (var batch in order.Chunk(_settings.BatchSize))
        {
            cancel.ThrowIfCancellationRequested();
            if (batch.All(i => known?.ContainsKey(samples[i].Id) == true))
            {
                foreach (var i in batch)
                    predictions[i] = Question(samples[i]) with
                    {
                        Answer = known![samples[i].Id].Answer, Confidence = known[samples[i].Id].Confidence,
                        Agreement = known[samples[i].Id].Agreement, Draws = known[samples[i].Id].Draws,
                    };
            }
            else
            {
                var answers = AnswerBatch([.. batch.Select(i => samples[i])], [.. batch.Select(i => prompts[i])], picture, isolate, cancel);
                foreach (var (i, answer) in batch.Zip(answers)) predictions[i] = answer;
            }

            answered?.Invoke([.. batch.Select(i => predictions[i])]);
        }

        return predictions;
    }

    private Prediction[] AnswerBatch(Sample[] samples, IReadOnlyList<int>[] prompts, Func<Sample, DecodeBuffer, VisionInput> picture,
        bool isolate, CancellationToken cancel)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var looks = Look(samples, picture, isolate);
        var predictions = samples.Select(s => Question(s) with { BrokenPicture = looks[(s.Source, s.Image)].Fault }).ToArray();
        var left = Enumerable.Range(0, samples.Length).Where(b => predictions[b].BrokenPicture is null).ToList();
        if (left.Count == 0) return predictions;
        var sound = looks.Where(look => look.Value.Picture is not null).ToList();
        var pictures = samples.Select(s => sound.FindIndex(look => look.Key == (s.Source, s.Image))).ToList();
        var visual = _model.Project(VisionInput.Encode(_model, [.. sound.Select(look => look.Value.Picture!)])); // (U, N, C)
        for (var attempt = 0; left.Count > 0; attempt++)
        {
            var answers = Generate([.. left.Select(b => prompts[b])], visual, [.. left.Select(b => pictures[b])],
                [.. left.Select(b => samples[b].Id)], attempt, cancel);
            foreach (var (b, answer) in left.Zip(answers)) predictions[b] = ToPrediction(samples[b], answer);
            left.RemoveAll(b => attempt >= _settings.Retries || !TaskPrompt.Of(samples[b].Task).AnswersBoxes
                || BoxCodec.Parse(predictions[b].Answer!).Failure == Flaw.None
                || BoxCodec.SaysNothing(predictions[b].Answer!));
        }

        return predictions;
    }

    private IReadOnlyList<GeneratedAnswer> Generate(
        IReadOnlyList<IReadOnlyList<int>> prompts, Tensor visual, IReadOnlyList<int> pictures, IReadOnlyList<string> ids, int attempt,
        CancellationToken cancel)
    {
        if (_settings.Decode == AnswerChoice.ExpectedIou)
            return Expected(prompts, visual, pictures, Options with { Cancel = cancel });
        var sampling = _settings is { Beams: 1, Temperature: > 0 }
            ? new Sampling(_settings.Temperature, _settings.TopP, [.. ids.Select(id => Draws(_seed, id, attempt))]) : null;
        return Continue(prompts, visual, pictures, Options with { Cancel = cancel }, sampling);
    }

    /// <summary>The random numbers of a drawn answer.</summary>
    internal static CounterRandom Draws(long seed, string id, int attempt) => new(seed, $"answer to {id}", attempt);

    /// <summary>Continues prompts about pictures: drawn with <paramref name="sampling"/>, else with the configured beams.</summary>
    internal IReadOnlyList<GeneratedAnswer> Continue(
        IReadOnlyList<IReadOnlyList<int>> prompts, Tensor visual, IReadOnlyList<int> pictures, DecodingOptions options, Sampling? sampling)
    {
        using var scope = NewDisposeScope();
        (visual, var shared) = Placed(visual, pictures);
        return sampling is null && _settings.Beams > 1 ? _generator.Beam(prompts, visual, _settings.Beams, options, shared)
            : _generator.Greedy(prompts, visual, options, shared, sampling);
    }

    /// <summary>Answers with the largest expected IoU under the model's own distribution.</summary>
    /// <param name="prompts">That ask for boxes.</param>
    /// <param name="visual">The pictures' visual tokens (U, N, C).</param>
    /// <param name="pictures">Of each prompt its row there.</param>
    /// <param name="options">Longest answer and more.</param>
    /// <remarks>
    /// The draws lie evenly among all possible answers, so there is no chance in them: the same question has the same answer, whoever
    /// asks it, and fewer draws tell as much as many random ones.
    /// </remarks>
    internal IReadOnlyList<GeneratedAnswer> Expected(
        IReadOnlyList<IReadOnlyList<int>> prompts, Tensor visual, IReadOnlyList<int> pictures, DecodingOptions options)
    {
        using var scope = NewDisposeScope();
        (visual, var shared) = Placed(visual, pictures);
        double[] places = [.. Enumerable.Range(0, _settings.Draws).Select(draw => (draw + 0.5) / _settings.Draws)];
        return _generator.Drawn(prompts, visual, options, shared,
            new Drawing(Heat, [.. prompts.Select(_ => places)], _order.Value, _usual.Value), Choose);
    }

    /// <summary>The answer that a prompt's draws make: boxes, or where no draw has any the most frequent draw.</summary>
    private GeneratedAnswer Choose(IReadOnlyList<GeneratedAnswer> draws)
    {
        var best = ExpectedIou.Best([.. draws.Select(draw => BoxCodec.Parse(Text(draw)).Boxes)], _settings.BoxReading);
        if (best is not { } found)
            return draws.GroupBy(draw => (draw.Ended, Ids: string.Join(' ', draw.Ids)))
                .MaxBy(same => (same.Key.Ended, same.Count()))!.First() with { Agreement = 0 }; // whole ones before those that are cut
        return new GeneratedAnswer(_builder.Tokenizer.Encode(string.Join(BoxCodec.Delimiter, found.Boxes)), Ended: true, [])
        {
            Agreement = found.Agreement,
        };
    }

    private (Tensor Visual, IReadOnlyList<int>? Shared) Placed(Tensor visual, IReadOnlyList<int> pictures) => _settings.SharePrefix
        ? (visual, pictures) : (visual.Rows(tensor([.. pictures.Select(p => (long)p)]).Send(visual.device)), null);

    /// <summary>A batch's distinct pictures in the order of its samples, or why one cannot be read.</summary>
    internal static OrderedDictionary<(string Source, string Image), (VisionInput? Picture, string? Fault)> Look(
        Sample[] batch, Func<Sample, DecodeBuffer, VisionInput> picture, bool isolate)
    {
        var distinct = batch.DistinctBy(s => (s.Source, s.Image)).ToList();
        return new(distinct.Zip(LoadAhead.InOrder(distinct, TryLook, Environment.ProcessorCount, distinct.Count),
            (s, look) => KeyValuePair.Create((s.Source, s.Image), look)));

        (VisionInput? Picture, string? Fault) TryLook(Sample sample, DecodeBuffer buffer)
        {
            try
            {
                return (picture(sample, buffer), null);
            }
            catch (InputException broken) when (isolate)
            {
                return (null, broken.Message);
            }
        }
    }

    private Prediction ToPrediction(Sample sample, GeneratedAnswer answer)
    {
        var (text, confidence) = Read(answer);
        return Question(sample) with { Answer = text, Confidence = confidence, Agreement = answer.Agreement,
            Draws = answer.Agreement is null ? null : _settings.Draws };
    }

    /// <summary>An answer's text, and the confidence of each of its boxes.</summary>
    internal (string Text, IReadOnlyList<double>? Confidence) Read(GeneratedAnswer answer)
    {
        var text = Text(answer);
        return (text.Trim(), Confidence(answer, text));
    }

    private string Text(GeneratedAnswer answer)
    {
        var text = _builder.Tokenizer.Decode(answer.Ids);
        // As the original code does: what follows the last closing tag.
        var start = text.LastIndexOf("[/INST]", StringComparison.Ordinal);
        return start < 0 ? text : text[(start + "[/INST]".Length)..];
    }

    /// <summary>A sample as a question without an answer.</summary>
    internal static Prediction Question(Sample sample) => new()
    {
        Id = sample.Id,
        Image = sample.Image,
        Class = sample.Class ?? "",
        Phrase = sample.Text,
        Width = sample.Width,
        Height = sample.Height,
        Truth = sample.Task == SampleTask.Identify ? [] : sample.Boxes, // there the box is the question
        Patient = sample.Patient,
        Synthetic = sample.Synthetic,
        Traits = Traits.Unknown with { Source = sample.Source },
    };

    /// <summary>The confidence of each box: the geometric mean of the probabilities of its tokens.</summary>
    private List<double>? Confidence(GeneratedAnswer answer, string text)
    {
        var boxes = new List<double>();
        double sum = 0;
        var (tokens, open) = (0, false);
        for (var i = 0; i < answer.Ids.Count; i++)
        {
            var piece = _builder.Tokenizer.Decode([answer.Ids[i]]);
            // One token may close a box and open the next, and belongs to both.
            var (close, begin) = (piece.IndexOf('}', StringComparison.Ordinal), piece.LastIndexOf('{'));
            if (open) (sum, tokens) = (sum + answer.LogProbabilities[i], tokens + 1);
            if (open && close >= 0)
            {
                boxes.Add(Math.Exp(sum / tokens));
                open = false;
            }

            if (begin > close) (open, sum, tokens) = (true, answer.LogProbabilities[i], 1);
        }

        return boxes.Count > 0 && boxes.Count == BoxCodec.Parse(text).Boxes.Count ? boxes : null;
    }
}
