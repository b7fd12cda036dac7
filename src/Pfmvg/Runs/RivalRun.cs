using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Rivals;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>A split that a rival is to answer.</summary>
internal sealed record RivalSplitRequest : SplitRequest
{
    /// <summary>Who is asked, and how.</summary>
    public required RivalRequest Asked { get; init; }

    /// <summary>Answers for the controls, too.</summary>
    public bool Controls { get; init; }

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
    private readonly RivalSplitRequest _request;
    private readonly (int Resize, int Crop) _sizes;
    private readonly TruncationGuard _truncation;
    private BioVil? _model;
    private RivalMaps? _maps;

    private RivalRun(PfmvgConfiguration configuration, RivalSplitRequest request, ISessionDisplay display)
        : base(configuration, request, display)
    {
        (_request, _sizes) = (request, RivalView.Sizes(configuration.Rival, request.Asked.Rival));
        _truncation = new TruncationGuard(configuration.Data.TruncatedPictures, display.Tell);
    }

    protected override IReadOnlyList<string> Relevant => ["rival."];

    protected override IReadOnlyDictionary<string, string> Identity => new OrderedDictionary<string, string>
    {
        ["model"] = _request.Name,
        ["grid"] = _request.Asked.Dilated ? "dilated" : "as published",
        ["interpolation"] = _request.Asked.Smooth ? MapPlace.Bilinear : MapPlace.Nearest,
    };

    protected override string Conditions => "questions, weights and settings";

    protected override bool HasMore => _request.Controls && RivalControls.AreMissing(Folder);

    /// <summary>Asks what has no answer yet and writes all answers into the run folder.</summary>
    /// <returns>The answers as they were written, and those of the controls where they are wanted.</returns>
    /// <exception cref="InputException">The data, a file of the rival or a phrase cannot be used.</exception>
    public static EvaluationResult Execute(
        PfmvgConfiguration configuration, RivalSplitRequest request, ISessionDisplay display, CancellationToken interrupt)
    {
        ComputeThreads.Set(configuration, new SingleProcess());
        Prepare(configuration, request, display, needsBase: false, interrupt);
        using var run = new RivalRun(configuration, request, display);
        display.Tell($"data  {run.Data.Title}");
        var (folder, data) = run.Execute(interrupt);
        return new EvaluationResult(
            folder, PredictionFile.Read(folder.PredictionsPath), request.Controls ? RivalControls.Read(folder) : [], data);
    }

    public void Dispose()
    {
        _model?.Dispose();
        _maps?.Dispose();
    }

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
        _maps = new RivalMaps(_model!, _request, Folder, Data, Samples, _sizes, _truncation);
        var answers = new Dictionary<string, Prediction>();
        foreach (var found in _maps.Ask(samples, RivalMaps.Own, interrupt))
        {
            if (found[0].BrokenPicture is { } fault)
                Display.Tell($"{ManifestName}:{string.Join(",", found.Select(answer => Rows[answer.Id]).Order())}: not answered, scores 0: "
                    + fault);
            unfinished.Add(found);
            foreach (var answer in found) answers.Add(answer.Id, answer);
            Display.Answered(known + answers.Count, known + samples.Count);
        }

        RivalView.TellDeep(_maps.Deep, _request.Asked.Rival, Display);
        return answers;
    }

    protected override void AnswerMore(string key, CancellationToken interrupt)
    {
        if (_request.Controls) new RivalControls(_maps!, Folder, Data, Samples, Display).Answer(Configuration.Seed, key, interrupt);
    }

    protected override bool Holds(Prediction answer) => base.Holds(answer) && File.Exists(answer.HeatMap);

    protected override Prediction About(Sample sample, Prediction answer) => ModelAnswers.Question(sample) with
    {
        HeatMap = answer.BrokenPicture is null ? _maps!.NameOf(sample, RivalMaps.Own) : null,
        MapPlace = answer.MapPlace,
        BrokenPicture = answer.BrokenPicture,
    };

    protected override Dictionary<string, long> Count(IReadOnlyList<Prediction> answers) => new()
    {
        ["phrases"] = answers.Count,
        ["pictures"] = AskRun.Pictures(Samples).Count(),
        ["maps"] = answers.Select(answer => answer.HeatMap).OfType<string>().Distinct().Count(),
    };
}
