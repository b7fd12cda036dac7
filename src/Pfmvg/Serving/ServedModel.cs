using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Decoding;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;
using Pfmvg.Runs;
using Pfmvg.Tensors;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Serving;

/// <summary>A loaded model that answers batches of questions about pictures in memory.</summary>
/// <remarks><see cref="Answer"/> is for one thread; the rest for any. Letters: U pictures, N visual tokens, V vision width.</remarks>
internal sealed partial class ServedModel : IDisposable
{
    private readonly GroundingSetup _setup;
    private readonly ModelAnswers _answers;
    private readonly BoxGrammar? _grammar;

    private ServedModel(GroundingSetup setup)
    {
        _setup = setup;
        _answers = setup.Answers();
        _grammar = _answers.Options.Grammar ?? BoxGrammar.For(setup.Builder.Tokenizer);
        var settings = setup.Configuration.Eval;
        Usual = new AnswerManner(settings.Constrain == AnswerConstraint.Boxes, settings.MaxNewTokens,
            settings.Beams == 1 && settings.Decode == AnswerChoice.Greedy ? settings.Temperature : 0, settings.TopP,
            settings.Decode == AnswerChoice.ExpectedIou);
    }

    /// <summary>What was loaded.</summary>
    public GroundingSetup Setup => _setup;

    /// <summary>The name under which it is served.</summary>
    public string Name => $"pfmvg-{_setup.Configuration.Name}".Replace("pfmvg-pfmvg", "pfmvg", StringComparison.Ordinal);

    /// <summary>What the user should read about the weights.</summary>
    public IReadOnlyList<string> Notes => _setup.Notes;

    /// <summary>How answers are decoded unless a question says otherwise: as configured.</summary>
    public AnswerManner Usual { get; }

    /// <summary>The seed of drawn answers unless a question brings one.</summary>
    public long Seed => _setup.Configuration.Seed;

    /// <summary>Tokens of the shortest answer that holds a box; null when the tokenizer cannot be restricted to boxes.</summary>
    public int? ShortestBox => _grammar?.ShortestAnswer;

    /// <summary>Questions that are answered together at most.</summary>
    public int BatchSize => _setup.Configuration.Eval.BatchSize;

    /// <summary>Side of what it sees of a picture.</summary>
    public int ImageSize => _setup.Configuration.Model.ImageSize;

    /// <summary>How DICOM values become gray.</summary>
    public DicomGray Dicom => _setup.Configuration.Data.Dicom;

    /// <summary>Bytes of one picture's features.</summary>
    public long FeatureBytes => (long)_setup.Model.Config.VisualTokens * _setup.Model.Config.FeatureWidth * sizeof(float);

    /// <summary>Loads the model of a configuration.</summary>
    /// <param name="configuration">Names the base weights and says how answers are decoded.</param>
    /// <param name="from">The trained tensors; null takes the result of the configuration's own stage 2.</param>
    /// <param name="fromBase">Uses the base weights alone.</param>
    /// <param name="cancel">Stops between two tensors.</param>
    /// <exception cref="InputException">The device, the weights or the trained tensors are absent, or do not fit.</exception>
    public static ServedModel Open(
        PfmvgConfiguration configuration, string? from = null, bool fromBase = false, CancellationToken cancel = default)
    {
        if (configuration.Eval.Answer != AnswerForm.Text)
            throw new InputException("eval.answer is box_head, but a server answers with text; set eval.answer to text.");
        from = new EvaluationOptions { Split = Split.Test, From = from, FromBase = fromBase }.Trained(configuration)?.Path;
        var setup = GroundingSetup.Load(configuration, localRank: 0, configuration.Stage2.MaxAnswerTokens, from, cancel);
        try
        {
            return new ServedModel(setup);
        }
        catch
        {
            setup.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The prompt of a text: a phrase is asked as in an evaluation; a text that begins with a task, such as [refer], is the instruction as
    /// it stands.
    /// </summary>
    /// <exception cref="InputException">There is nothing to look for.</exception>
    public IReadOnlyList<int> Prompt(string text)
    {
        if (TaskFirst().Match(text) is { Success: true } match)
            return _setup.Builder.Generation(PromptTemplate.Build(match.Groups[1].Value, match.Groups[2].Value.TrimEnd()),
                _setup.Configuration.Eval.DoubleBos);
        PhraseForecast.Check([("the phrase", text)], _setup.Configuration.Eval.NormalizeText, _ => { });
        return _answers.Prompt(text);
    }

    /// <summary>Whether a text asks for the box of a phrase: it is one, or an instruction of that task.</summary>
    public static bool AsksForBox(string text) =>
        TaskFirst().Match(text) is not { Success: true } match || match.Groups[1].Value == PromptTemplate.ReferTask;

    /// <summary>Answers questions of one manner together; a picture is encoded once, ever, while it is kept.</summary>
    public IReadOnlyList<ServedAnswer> Answer(IReadOnlyList<Question> questions, CancellationToken cancel)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var (manner, settings) = (questions[0].Manner, _setup.Configuration.Eval);
        var pictures = questions.Select(question => question.Picture).Distinct().ToList();
        Encode(pictures);
        var visual = _setup.Model.Project(Features(pictures));                                              // (U, N, C)
        var answers = new ServedAnswer[questions.Count];
        var left = Enumerable.Range(0, questions.Count).ToList();
        for (var attempt = 0; left.Count > 0; attempt++)
        {
            var asked = left.Select(i => questions[i]).ToList();
            var options = _answers.Options with
            {
                MaxNewTokens = manner.MaxTokens,
                Grammar = manner.Constrained ? _grammar : null,
                Cancel = cancel,
                Progress = asked.Exists(question => question.Grown is not null) ? ids => Tell(asked, ids) : null,
            };
            var sampling = manner.Temperature > 0 ? new Sampling(manner.Temperature, manner.TopP,
                [.. asked.Select(question => ModelAnswers.Draws(question.Seed, "1", attempt))]) : null;
            IReadOnlyList<IReadOnlyList<int>> prompts = [.. asked.Select(question => question.Prompt)];
            IReadOnlyList<int> rows = [.. asked.Select(question => pictures.IndexOf(question.Picture))];
            var generated = manner.Expected ? _answers.Expected(prompts, visual, rows, options)
                : _answers.Continue(prompts, visual, rows, options, sampling);
            foreach (var (i, answer) in left.Zip(generated)) answers[i] = Read(questions[i], answer);
            left.RemoveAll(i => attempt >= settings.Retries || sampling is null || answers[i].Line.Boxes.Count > 0);
        }

        return answers;
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => _setup.Dispose();

    private void Encode(List<ServedPicture> pictures)
    {
        var fresh = pictures.Where(picture => picture.Features is null).ToList();
        if (fresh.Count == 0) return;
        using var scope = NewDisposeScope();
        var images = stack([.. fresh.Select(picture => ImageTransform.ToTensor(picture.Image!))]).Send(_setup.Model.Device);
        var features = _setup.Model.EncodeImages(images).cpu().contiguous();                                // (U, N, 4V)
        foreach (var (row, picture) in fresh.Index())
            picture.Keep(MemoryMarshal.Cast<byte, float>(features.narrow(0, row, 1).contiguous().bytes).ToArray());
    }

    private Tensor Features(List<ServedPicture> pictures)
    {
        var config = _setup.Model.Config;
        var features = empty([pictures.Count, config.VisualTokens, config.FeatureWidth], ScalarType.Float32);
        foreach (var (row, picture) in pictures.Index())
        {
            using var part = features.narrow(0, row, 1);
            picture.Features!.CopyTo(MemoryMarshal.Cast<byte, float>(part.bytes));
        }

        return features.Send(_setup.Model.Device);
    }

    private void Tell(List<Question> questions, IReadOnlyList<IReadOnlyList<int>> ids)
    {
        foreach (var (question, tokens) in questions.Zip(ids)) question.Grown?.Invoke(_setup.Builder.Tokenizer.Decode(tokens));
    }

    private ServedAnswer Read(Question question, GeneratedAnswer generated)
    {
        var (text, confidence) = _answers.Read(generated);
        var end = question.Stops.Select(stop => text.IndexOf(stop, StringComparison.Ordinal)).Where(at => at >= 0).DefaultIfEmpty(-1).Min();
        if (end >= 0) (text, confidence) = (text[..end], confidence?.Take(BoxCodec.Parse(text[..end]).Boxes.Count).ToList());
        return new ServedAnswer(AnswerLine.Read(new Prediction
        {
            Id = "1",
            Image = "",
            Class = "",
            Phrase = question.Text,
            Width = question.Picture.Width,
            Height = question.Picture.Height,
            Truth = [],
            Answer = text,
            Confidence = confidence,
            Agreement = generated.Agreement,
            Dicom = question.Picture.Dicom,
        }, _setup.Configuration.Eval.BoxReading), generated.Ended || end >= 0, generated.Ids.Count);
    }

    [GeneratedRegex(@"\A\s*(\[[a-z]{3,20}\])\s*(\S.*)\z", RegexOptions.Singleline)] private static partial Regex TaskFirst();
}
