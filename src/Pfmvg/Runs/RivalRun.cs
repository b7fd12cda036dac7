using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Rivals;
using Pfmvg.Runs.Records;
using static TorchSharp.torch;

namespace Pfmvg.Runs;

/// <summary>A split that a rival is to answer.</summary>
internal sealed record RivalSplitRequest : SplitRequest
{
    /// <summary>Who is asked, and how.</summary>
    public required RivalRequest Asked { get; init; }

    public override string Part => $"eval-{Split.ToString().ToLowerInvariant()}-{Name}";

    /// <summary>The rival in names of folders, and on the command line.</summary>
    public string Name => BioVilFiles.Name(Asked.Rival).ToLowerInvariant();
}

/// <summary>
/// Asks a rival all phrases of a split and writes predictions.jsonl, whose lines point to maps on the rival's grid: what
/// `pfmvg eval --model biovil` does before it scores.
/// </summary>
internal sealed class RivalRun : SplitRun, IDisposable
{
    private const string MapFolder = "maps";

    // The picture that is prepared while the model looks at another one, and one more that waits.
    private const int Ahead = 2;

    private readonly RivalSplitRequest _request;
    private readonly (int Resize, int Crop) _sizes;
    private readonly Dictionary<(string Source, string Image, string Phrase), int> _maps = [];
    private readonly TruncationGuard _truncation;
    private BioVil? _model;

    private RivalRun(PfmvgConfiguration configuration, RivalSplitRequest request, ISessionDisplay display)
        : base(configuration, request, display)
    {
        (_request, _sizes) = (request, RivalView.Sizes(configuration.Rival, request.Asked.Rival));
        _truncation = new TruncationGuard(configuration.Data.TruncatedPictures, display.Tell);
        foreach (var sample in Samples) _maps.TryAdd(KeyOf(sample), _maps.Count + 1);
    }

    protected override IReadOnlyList<string> Relevant => ["rival."];

    protected override IReadOnlyDictionary<string, string> Identity => new OrderedDictionary<string, string>
    {
        ["model"] = _request.Name,
        ["grid"] = _request.Asked.Dilated ? "dilated" : "as published",
        ["interpolation"] = _request.Asked.Smooth ? MapPlace.Bilinear : MapPlace.Nearest,
    };

    protected override string Conditions => "questions, weights and settings";

    /// <summary>Asks what has no answer yet and writes all answers into the run folder.</summary>
    /// <returns>The run folder and the prepared data.</returns>
    /// <exception cref="InputException">The data, a file of the rival or a phrase cannot be used.</exception>
    public static (RunFolder Folder, PreparedData Data) Execute(
        PfmvgConfiguration configuration, RivalSplitRequest request, ISessionDisplay display, CancellationToken interrupt)
    {
        ComputeThreads.Set(configuration, new SingleProcess());
        Prepare(configuration, request, display, needsBase: false, interrupt);
        using var run = new RivalRun(configuration, request, display);
        display.Tell($"data  {run.Data.Title}");
        return run.Execute(interrupt);
    }

    public void Dispose() => _model?.Dispose();

    protected override RunInfo Describe(CancellationToken interrupt)
    {
        var files = BioVilFiles.Find(_request.Asked.Folder, _request.Asked.Rival);
        return new RunInfo
        {
            Environment = RunInfo.DescribeEnvironment(),
            Weights = RunFile.HashAll([files.Image, files.Text], cancel: interrupt),
        };
    }

    protected override void Open(CancellationToken interrupt)
    {
        var asked = _request.Asked;
        _model = BioVil.Open(asked.Folder, asked.Rival, asked.Dilated, ConfiguredModel.Device(Configuration.Device, 0));
        Display.Tell(_model.Files.Note);
        RivalView.CheckPhrases([.. Samples.Select(sample => ((string?)$"{ManifestName}:{Rows[sample.Id]}", sample.Text))], _model, Display);
    }

    protected override IReadOnlyDictionary<string, Prediction> Answer(
        IReadOnlyList<Sample> samples, int known, UnfinishedAnswers unfinished, CancellationToken interrupt)
    {
        using var scope = NewDisposeScope();
        Directory.CreateDirectory(Folder.In(MapFolder));
        // All of them, also of phrases that are answered: texts share batches, and the last bits may depend on the batch.
        string[] phrases = [.. Samples.Select(sample => sample.Text).Distinct()];
        var rows = phrases.Index().ToDictionary(entry => entry.Item, entry => (long)entry.Index);
        var texts = _model!.Text.Encode(phrases);
        var (answers, deep) = (new Dictionary<string, Prediction>(), 0);
        var pictures = AskRun.Pictures(samples).ToList();
        foreach (var (about, (view, fault)) in pictures.Zip(LoadAhead.InOrder(
            pictures, (of, buffer) => Look(of.First(), buffer), workers: 1, Ahead, interrupt)))
        {
            interrupt.ThrowIfCancellationRequested();
            var found = view is null ? [.. about.Select(sample => ModelAnswers.Question(sample) with { BrokenPicture = fault })]
                : Ask(view, about, texts, rows);
            if (view is { IsDeep: true }) deep++;
            if (fault is not null)
                Display.Tell($"{ManifestName}:{string.Join(",", about.Select(sample => Rows[sample.Id]).Order())}: not answered, scores 0: "
                    + fault);
            unfinished.Add(found);
            foreach (var answer in found) answers.Add(answer.Id, answer);
            Display.Answered(known + answers.Count, known + samples.Count);
        }

        RivalView.TellDeep(deep, _request.Asked.Rival, Display);
        return answers;
    }

    protected override bool Holds(Prediction answer) => base.Holds(answer) && File.Exists(answer.HeatMap);

    protected override Prediction About(Sample sample, Prediction answer) => ModelAnswers.Question(sample) with
    {
        HeatMap = answer.BrokenPicture is null ? NameOf(sample) : null, MapPlace = answer.MapPlace, BrokenPicture = answer.BrokenPicture,
    };

    protected override Dictionary<string, long> Count(IReadOnlyList<Prediction> answers) => new()
    {
        ["phrases"] = answers.Count,
        ["pictures"] = AskRun.Pictures(Samples).Count(),
        ["maps"] = answers.Select(answer => answer.HeatMap).OfType<string>().Distinct().Count(),
    };

    // Samples that are the boxes of one phrase share its map.
    private static (string Source, string Image, string Phrase) KeyOf(Sample sample) => (sample.Source, sample.Image, sample.Text);

    private string NameOf(Sample sample) => FormattableString.Invariant($"{MapFolder}/{_maps[KeyOf(sample)]:0000}.npy");

    private List<Prediction> Ask(RivalView view, IEnumerable<Sample> about, Tensor texts, Dictionary<string, long> rows)
    {
        using var scope = NewDisposeScope();
        var phrases = about.GroupBy(sample => sample.Text).ToList();
        var maps = view.Maps(_model!, texts[tensor([.. phrases.Select(phrase => rows[phrase.Key])])], about.First().Image);
        List<Prediction> answers = [];
        foreach (var (phrase, map) in phrases.Zip(maps))
        {
            HeatMap.Write(Folder.In(NameOf(phrase.First())), map.Values, map.Rows, map.Columns);
            answers.AddRange(phrase.Select(sample =>
                ModelAnswers.Question(sample) with { HeatMap = NameOf(sample), MapPlace = view.Place }));
        }

        return answers;
    }

    private (RivalView? View, string? Fault) Look(Sample sample, Imaging.DecodeBuffer buffer)
    {
        try
        {
            var path = Data.ImagePath(sample);
            var view = RivalView.Of(path, _sizes, _request.Asked.Smooth, _truncation, buffer);
            return (view.Gray.Width, view.Gray.Height) == (sample.Width, sample.Height) ? (view, null)
                : throw new InputException($"{Privacy.Mask(path)}: the picture has {view.Gray.Width} x {view.Gray.Height} pixels, but "
                    + $"{sample.Width} x {sample.Height} when the data were prepared; prepare them again.");
        }
        catch (InputException broken) when (_request.Isolate)
        {
            return (null, broken.Message);
        }
    }
}
