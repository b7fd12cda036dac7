using System.Collections.Concurrent;
using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>A loaded model that answers about single pictures: the way in for programs that use the library.</summary>
/// <remarks>
/// Calls from several threads are answered one after the other. Answers are plain numbers and texts; only the grounder itself
/// has to be disposed of, since it owns the model's memory.
/// </remarks>
public sealed class PhraseGrounder : IDisposable
{
    private readonly PfmvgConfiguration _configuration;
    private readonly IModelSetup _setup;
    private readonly IAnswers _answers;
    private readonly Lock _oneCall = new();

    private PhraseGrounder(PfmvgConfiguration configuration, IModelSetup setup) =>
        (_configuration, _setup, _answers) = (configuration, setup, setup.Answers());

    /// <summary>The model itself, for work below the level of questions; freed with the grounder.</summary>
    public GroundingModel Model => (_setup as GroundingSetup)?.Model ?? throw new InvalidOperationException("it is the plain network");

    /// <summary>The trained tensors that answer; null for the base weights alone.</summary>
    public UsedCheckpoint? Trained { get; private init; }

    /// <summary>What the user should read about the weights: taken from their config.json, left at its start, left out.</summary>
    public IReadOnlyList<string> Notes => _setup.Notes;

    /// <summary>What the plain network says of the phrases' words; null of our own model.</summary>
    internal string? Unknown => (_setup as CnnSetup)?.Summary;

    /// <summary>Loads the model of a configuration. No prepared data are needed.</summary>
    /// <param name="configuration">Names the base weights and says how answers are decoded.</param>
    /// <param name="from">
    /// The trained tensors: the folder of a training, for its last or best checkpoint as `eval.checkpoint` says, or a checkpoint; null
    /// takes the configuration's own stage 2.
    /// </param>
    /// <param name="fromBase">Uses the base weights alone.</param>
    /// <exception cref="InputException">The device, the weights or the trained tensors are absent, or do not fit.</exception>
    public static PhraseGrounder Open(PfmvgConfiguration configuration, string? from = null, bool fromBase = false) =>
        Open(configuration, new EvaluationOptions { Split = Split.Test, From = from, FromBase = fromBase });

    /// <summary>Loads the model that the options name; their split does not matter.</summary>
    internal static PhraseGrounder Open(PfmvgConfiguration configuration, EvaluationOptions options)
    {
        var trained = options.Trained(configuration);
        var setup = options.Load(configuration, localRank: 0, trained?.Path);
        try
        {
            return new PhraseGrounder(configuration, setup) { Trained = trained };
        }
        catch
        {
            setup.Dispose();
            throw;
        }
    }

    /// <summary>Finds a phrase in a picture.</summary>
    /// <param name="image">Path of the picture, of one of <see cref="ImageFile.Formats"/>.</param>
    /// <param name="phrase">What to find.</param>
    /// <returns>Boxes in pixels of the original picture, with a confidence each, and what is wrong with the answer, if anything.</returns>
    /// <exception cref="InputException">The picture cannot be read.</exception>
    public AnswerLine Ask(string image, string phrase) =>
        AnswerLine.Read(Ask([new PredictionCase("1", image, phrase)])[0], _configuration.Eval.BoxReading);

    /// <summary>Finds phrases in pictures, in batches of the configured size.</summary>
    /// <param name="cases">Pictures and phrases; a picture is encoded once for all of its phrases in a batch.</param>
    /// <param name="answered">Called after each batch with the cases of it and their answers, in the order of the cases.</param>
    /// <param name="noted">Told once about each picture that decoding changed: its path, and how.</param>
    /// <param name="isolate">
    /// A case whose picture cannot be read gets the reason instead of an answer (<see cref="Prediction.BrokenPicture"/>), and the others
    /// are answered; otherwise it ends the answering.
    /// </param>
    /// <param name="cancel">Stops before the next token.</param>
    /// <returns>The answers in the order of the cases, without a truth.</returns>
    /// <exception cref="InputException">A picture cannot be read, and is not isolated.</exception>
    public IReadOnlyList<Prediction> Ask(
        IReadOnlyList<PredictionCase> cases, Action<PredictionCase, Prediction>? answered = null,
        Action<string, string>? noted = null, bool isolate = false, CancellationToken cancel = default)
    {
        var notes = new ConcurrentDictionary<string, string>();
        var told = new HashSet<string>();
        var guard = new TruncationGuard(_configuration.Data.TruncatedPictures);
        var (size, dicom) = (_setup.ImageSize, _configuration.Data.Dicom);
        List<Prediction> all = [];
        foreach (var batch in cases.Chunk(_configuration.Eval.BatchSize)) // so they come in their order
        {
            var questions = batch.Select(asked => ToSample(asked, isolate)).ToList();
            var sound = questions.Where(question => question.Fault is null).Select(question => question.Sample).ToList();
            Queue<Prediction> answers;
            lock (_oneCall) answers = new(_answers.Answer(sound, Look, null, isolate, cancel: cancel));
            foreach (var (picture, note) in batch.Select(asked => asked.Image).Where(notes.ContainsKey).Select(p => (p, notes[p])))
                if (told.Add(picture)) noted?.Invoke(picture, note);
            foreach (var (asked, (sample, fault)) in batch.Zip(questions))
            {
                var answer = fault is null ? answers.Dequeue() : ModelAnswers.Question(sample) with { BrokenPicture = fault };
                all.Add(sample.Dicom ? answer with { Dicom = dicom.Word() } : answer);
                answered?.Invoke(asked, all[^1]);
            }
        }

        return all;

        VisionInput Look(Sample sample, DecodeBuffer buffer)
        {
            var picture = guard.Judge(ImageFile.Decode(sample.Image, buffer, dicom), sample.Image);
            if ((picture.EndsEarly ?? picture.Note) is not null)
                notes[sample.Image] = string.Join("; ", new[] { picture.EndsEarly, picture.Note }.OfType<string>());
            return new VisionInput(ImageTransform.Resize(picture, size));
        }
    }

    /// <summary>Frees the model.</summary>
    public void Dispose() => _setup.Dispose();

    /// <summary>A case as a question; where the picture has no header to be read, why not, and no size.</summary>
    private static (Sample Sample, string? Fault) ToSample(PredictionCase asked, bool isolate)
    {
        var (width, height, isDicom, fault) = (0, 0, false, (string?)null);
        try
        {
            var header = ImageFile.ReadHeader(asked.Image);
            (width, height, isDicom) = (header.Width, header.Height, header.Format == "DICOM");
        }
        catch (InputException broken) when (isolate)
        {
            fault = broken.Message;
        }

        return (new Sample
        {
            Id = asked.Id,
            Task = asked.Task,
            Boxes = asked.Box is { } box ? [box] : [],
            Image = asked.Image,
            Width = width,
            Height = height,
            Text = asked.Phrase,
            Source = "files",
            Dicom = isDicom,
        }, fault);
    }
}
