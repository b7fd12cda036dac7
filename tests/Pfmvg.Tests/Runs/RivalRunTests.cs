using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Rivals;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

/// <summary>A split that BioViL answers with maps, with the small weights of the fixtures on phantoms.</summary>
[Collection(nameof(Alone))]
public sealed class RivalRunTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string Weights = Path.Combine(
        Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "rivals", "biovil", "weights");
    private static readonly string[] Small = ["rival.resize=96", "rival.crop=80", "device=cpu"];

    private PreparedData Data => PreparedData.Open(workspace.Data);

    private List<Sample> Samples => [.. Data.Read(SampleTask.Refer, Split.Train).Where(sample => sample.Boxes.Count > 0)];

    [Theory]
    [InlineData("biovil", false, false)]
    [InlineData("biovil", true, true)]
    [InlineData("biovil-t", false, false)]
    public void Maps_of_an_evaluation_are_those_of_predict_and_score_as_those_at_the_size_of_the_picture(
        string model, bool dilated, bool smooth)
    {
        var name = $"same-{model}-{dilated}";
        var (folder, lines) = Execute(name, model, dilated, smooth);
        var answers = PredictionFile.Read(folder.PredictionsPath);
        Assert.Equal(Samples.Select(sample => sample.Id), answers.Select(answer => answer.Id));
        Assert.Contains(lines, line => line.Contains("not the published file", StringComparison.Ordinal));
        Assert.Equal(Samples.DistinctBy(sample => (sample.Image, sample.Text)).Count(), Directory.GetFiles(folder.In("maps")).Length);
        var (info, weights) = (RunInfo.Read(folder.InfoPath), Path.Combine(Weights, model));
        Assert.Equal((RunStatus.Finished, true), (info.Status, info.Weights.Count >= 4)); // image model, text model, its sizes and words

        var asked = Samples.Select(sample => new PredictionCase(sample.Id, Data.ImagePath(sample), sample.Text)).ToList();
        var predicted = RivalPrediction.Execute(workspace.Configuration(name, Small), asked, Request(model, dilated, smooth),
            new SingleProcess(), new Lines(), interrupt: TestContext.Current.CancellationToken);
        List<Prediction> whole = [];
        var maps = Directory.CreateDirectory(Path.Combine(workspace.Path, $"{name}-maps")).FullName;
        foreach (var (answer, expected) in answers.Zip(predicted))
        {
            Assert.Equal(expected.Place, answer.MapPlace);
            var grid = HeatMap.Read(answer.HeatMap!, keepValues: true);
            Assert.Equal((expected.Map.Rows, expected.Map.Columns), (grid.Rows, grid.Columns));
            Assert.Equal(expected.Map.Values.Select(value => (double)value), grid.Values!); // to the last bit
            whole.Add(answer with { MapPlace = null, HeatMap = Path.Combine(maps, $"{whole.Count}.npy") });
            HeatMap.Write(whole[^1].HeatMap!, expected.FullMap(), answer.Height, answer.Width);
        }

        foreach (var scale in Enum.GetValues<MapScale>())
            Assert.Equal(Scores(whole, scale, holes: true), Scores(answers, scale, holes: false));
    }

    [Fact]
    public void An_evaluation_that_stopped_goes_on_where_it_was_and_ends_with_the_bytes_of_an_undisturbed_one()
    {
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => Execute("stopped", "biovil", interrupt: stop,
            answered: done => { if (done >= 4) stop.Cancel(); }));
        var folder = Folder("stopped", "biovil");
        Assert.Equal(RunStatus.Interrupted, RunInfo.Read(folder.InfoPath).Status);
        Assert.False(File.Exists(folder.PredictionsPath));
        Assert.Contains("--overwrite", Assert.Throws<InputException>(() => Execute("stopped", "biovil")).Message, StringComparison.Ordinal);
        Assert.Contains("grid:", Assert.Throws<InputException>(
            () => Execute("stopped", "biovil", dilated: true, existing: ExistingRun.Resume)).Message, StringComparison.Ordinal);

        var lines = Execute("stopped", "biovil", existing: ExistingRun.Resume).Lines;
        Assert.Contains(lines, line => line.EndsWith("are there already", StringComparison.Ordinal));
        var whole = Execute("whole", "biovil").Folder;
        Assert.Equal(File.ReadAllBytes(whole.PredictionsPath), File.ReadAllBytes(folder.PredictionsPath));
        foreach (var map in Directory.GetFiles(whole.In("maps")))
            Assert.Equal(File.ReadAllBytes(map), File.ReadAllBytes(folder.In("maps", Path.GetFileName(map))));
        Assert.Empty(Directory.GetFiles(folder.Path, "*.part"));
        // A kill between the last answer and the note that all are there.
        var finished = RunInfo.Read(folder.InfoPath);
        (finished with { Status = RunStatus.Running, Ended = null, Counts = new Dictionary<string, long>() }).Write(folder.InfoPath);
        Assert.Contains($"answers  as they are in {folder.Path}", Execute("stopped", "biovil", existing: ExistingRun.Resume).Lines);
        Assert.Equal(RunStatus.Finished, RunInfo.Read(folder.InfoPath).Status);
        Assert.Equal(finished.Counts, RunInfo.Read(folder.InfoPath).Counts);
    }

    [Fact]
    public void A_picture_that_cannot_be_read_costs_its_own_phrases_or_ends_the_asking()
    {
        var bad = Samples.GroupBy(sample => sample.Image).First().ToList();
        var path = Data.ImagePath(bad[0]);
        var bytes = File.ReadAllBytes(path);
        File.WriteAllText(path, "broken");
        try
        {
            Assert.Throws<InputException>(() => Execute("strict", "biovil", isolate: false));
            var answers = PredictionFile.Read(Execute("isolated", "biovil").Folder.PredictionsPath);
            Assert.Equal(bad.Select(sample => sample.Id),
                answers.Where(answer => answer.BrokenPicture is not null).Select(answer => answer.Id));
        }
        finally
        {
            File.WriteAllBytes(path, bytes);
        }

        Execute("isolated", "biovil", existing: ExistingRun.Resume); // mended
        Assert.All(PredictionFile.Read(Folder("isolated", "biovil").PredictionsPath), answer => Assert.NotNull(answer.HeatMap));
    }

    [Fact]
    public void The_command_scores_the_maps_and_reads_them_again_digit_for_digit()
    {
        string[] model = ["--split", "train", "--model", "biovil", "--from", Path.Combine(Weights, "biovil")];
        string[] scale = ["--map-scale", "minmax", "--resamples", "200", "--format", "csv"];
        var first = Shell.RunPfmvg(["eval", .. model, .. scale, .. workspace.Sets("command", Small)]);
        Assert.True(first.ExitCode == 0, $"{first}");
        Assert.Contains("mask-thresholds", first.Output, StringComparison.Ordinal);
        Assert.Contains("minmax", first.Output, StringComparison.Ordinal);
        var answers = Folder("command", "biovil").PredictionsPath;
        var again = Shell.RunPfmvg(["eval", "--predictions", answers, "--protocol", "mask-thresholds", .. scale]);
        Assert.True(again.ExitCode == 0, $"{again}");
        Assert.Equal(first.Output, again.Output);

        var audited = Shell.RunPfmvg(["eval", "--predictions", answers, "--protocol", "mask-thresholds", "--audit", "--resamples", "0",
            "--metrics", "cnr,thresholds"]);
        Assert.True(audited.ExitCode == 0, $"{audited}");
        Assert.Contains("cnr_abs", audited.Output, StringComparison.Ordinal);

        Refused("only mask-thresholds scores", ["eval", .. model, "--protocol", "pfmvg-box"]);
        Refused("those of biovil are maps", ["eval", .. model, "--constrain", "boxes"]);
        Refused("belongs to --split with --model biovil", ["eval", "--predictions", answers, "--dilated"]);
        Refused("which only --protocol mask-thresholds scores", ["eval", "--predictions", answers, "--map-scale", "minmax"]);
        Refused("needs --from DIR", ["eval", "--split", "train", "--model", "biovil"]);

        var boxes = Path.Combine(workspace.Path, "boxes.jsonl");
        PredictionFile.Write(boxes, PredictionFile.Read(answers).Select(answer =>
            answer with { HeatMap = null, MapPlace = null, Boxes = answer.Truth }));
        Refused("scores heat maps only", ["eval", "--predictions", boxes, "--protocol", "mask-thresholds"]);
        Refused("which only the protocol mask-thresholds can score", ["eval", "--predictions", answers, "--protocol", "phrase-union"]);
        var beside = Shell.RunPfmvg("compare", answers, boxes, "--resamples", "50");
        Assert.Contains("TWO MEASURES: A by mask-thresholds, B by phrase-union", beside.Output, StringComparison.Ordinal);
    }

    private static void Refused(string words, string[] arguments)
    {
        var result = Shell.RunPfmvg(arguments);
        Assert.True(result.ExitCode == 2 && result.Error.Contains(words, StringComparison.Ordinal), $"{result}");
    }

    private static List<double> Scores(IReadOnlyList<Prediction> answers, MapScale scale, bool holes)
    {
        var table = Scorer.Score(answers, new ScoringOptions
        {
            Protocol = Protocol.MaskThresholds, MapScale = scale, HeatMapMayHaveHoles = holes, Resamples = 50,
        });
        return [.. table.Rows.SelectMany(row => table.Metrics.SelectMany(metric =>
            new[] { row[metric].Value, row[metric].Low, row[metric].High }))];
    }

    private RunFolder Folder(string name, string model) => RunFolder.ForPart(workspace.Configuration(name), $"eval-train-{model}");

    private static RivalRequest Request(string model, bool dilated, bool smooth) =>
        new(Path.Combine(Weights, model), model == "biovil" ? Rival.BioVil : Rival.BioVilT, dilated, smooth);

    private (RunFolder Folder, List<string> Lines) Execute(string name, string model, bool dilated = false, bool smooth = false,
        ExistingRun existing = ExistingRun.Refuse, bool isolate = true, CancellationTokenSource? interrupt = null,
        Action<int>? answered = null)
    {
        var display = new Lines { AfterAnswer = answered };
        var folder = RivalRun.Execute(workspace.Configuration(name, Small), new RivalSplitRequest
        {
            Split = Split.Train, Asked = Request(model, dilated, smooth), Existing = existing, Isolate = isolate,
        }, display, interrupt?.Token ?? TestContext.Current.CancellationToken).Folder;
        return (folder, display.Told);
    }

    private sealed class Lines : ISessionDisplay
    {
        public List<string> Told { get; } = [];

        public Action<int>? AfterAnswer { get; init; }

        public void Tell(string line) => Told.Add(line);

        public void Answered(int done, int all) => AfterAnswer?.Invoke(done);
    }
}
