using Pfmvg.Answering;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Rivals;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

/// <summary>The controls beside BioViL's answers: what they are, that they can be stopped, and what is printed of them.</summary>
[Collection(nameof(Alone))]
public sealed class RivalControlsTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string Weights = Path.Combine(
        Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "rivals", "biovil", "weights", "biovil");
    private static readonly string[] Small = ["rival.resize=96", "rival.crop=80", "device=cpu"];

    private PreparedData Data => PreparedData.Open(workspace.Data);

    private List<Sample> Samples => [.. Data.Read(SampleTask.Refer, Split.Train).Where(sample => sample.Boxes.Count > 0)];

    [Fact]
    public void Blind_maps_know_the_phrase_alone_shuffled_ones_are_of_another_picture_and_constant_ones_of_class_and_side()
    {
        var result = Execute("controls");
        var samples = Samples;
        Assert.All(result.Controls.Values, answers => Assert.Equal(samples.Select(s => s.Id), answers.Select(a => a.Id)));
        Assert.All(result.Controls.Values, answers => Assert.Equal(
            result.Predictions.Select(own => (own.Image, own.Width, own.Height)), answers.Select(a => (a.Image, a.Width, a.Height))));

        var blind = result.Controls[ControlCondition.Blind];
        Assert.All(blind.GroupBy(answer => answer.Phrase), same => Assert.Single(same.Select(Content).Distinct()));
        Assert.True(blind.Select(Content).Distinct().Count() > 1);
        Assert.All(blind.Zip(result.Predictions), pair => Assert.Equal(pair.Second.MapPlace, pair.First.MapPlace)); // in its own picture

        // Of the other picture it is the map that predict gives there.
        var shuffled = ControlQuestions.Shuffle(samples, workspace.Configuration("controls").Seed);
        var asked = shuffled.Select(s => new PredictionCase(s.Id, Data.ImagePath(s), s.Text)).ToList();
        var expected = RivalPrediction.Execute(workspace.Configuration("controls", Small), asked, new RivalRequest(Weights, Rival.BioVil),
            new SingleProcess(), new Silent(), interrupt: TestContext.Current.CancellationToken);
        foreach (var (answer, other) in result.Controls[ControlCondition.Shuffled].Zip(expected))
            Assert.Equal(other.Map.Values.Select(value => (double)value), HeatMap.Read(answer.HeatMap!, keepValues: true).Values!);

        var constant = new ConstantMaps(samples);
        foreach (var (sample, answer) in samples.Zip(result.Controls[ControlCondition.Constant]))
        {
            Assert.Null(answer.MapPlace);
            Assert.Equal(constant.Map(constant.KeyOf(sample)).Select(value => (double)value),
                HeatMap.Read(answer.HeatMap!, keepValues: true).Values!);
        }
    }

    private static string Content(Prediction answer) => Convert.ToHexString(File.ReadAllBytes(answer.HeatMap!));

    [Fact]
    public void Controls_that_were_stopped_go_on_and_end_with_the_bytes_of_undisturbed_ones()
    {
        using var stop = new CancellationTokenSource();
        var all = Samples.Count;
        var controls = false;
        Assert.ThrowsAny<OperationCanceledException>(() => Execute("stopped", interrupt: stop, told: line =>
        {
            controls |= line.StartsWith("control  shuffled", StringComparison.Ordinal);
        }, answered: done => { if (controls && done >= 4 && done < all) stop.Cancel(); }));
        var (folder, lines) = (Folder("stopped"), new List<string>());
        Assert.Equal(RunStatus.Interrupted, RunInfo.Read(folder.InfoPath).Status);
        Assert.False(File.Exists(folder.In("shuffled.jsonl")));
        Assert.True(UnfinishedAnswers.AreThere(folder.In("shuffled.jsonl")));
        Execute("stopped", existing: ExistingRun.Resume, told: lines.Add);
        Assert.DoesNotContain(lines, line => line.StartsWith("control  blind", StringComparison.Ordinal)); // it is there already
        var whole = Execute("undisturbed").Folder;
        string[] files = [.. Directory.GetFiles(whole.Path, "*.jsonl").Concat(Directory.GetFiles(whole.Path, "*.npy",
            SearchOption.AllDirectories)).Select(path => Path.GetRelativePath(whole.Path, path))];
        Assert.Contains("constant.jsonl", files);
        foreach (var file in files) Assert.Equal(File.ReadAllBytes(whole.In(file)), File.ReadAllBytes(folder.In(file)));
        Assert.Empty(Directory.GetFiles(folder.Path, "*.part"));

        lines.Clear();
        Execute("later", controls: false);
        Execute("later", existing: ExistingRun.Resume, told: lines.Add); // asked for afterwards
        Assert.Equal(3, lines.Count(line => line.StartsWith("control  ", StringComparison.Ordinal)));
        foreach (var file in files) Assert.Equal(File.ReadAllBytes(whole.In(file)), File.ReadAllBytes(Folder("later").In(file)));
    }

    [Fact]
    public void The_command_prints_the_controls_with_paired_intervals_and_the_exchange_of_phrases()
    {
        string[] command = ["eval", "--split", "train", "--model", "biovil", "--from", Weights, "--controls", "--map-scale", "minmax",
            "--resamples", "100", .. workspace.Sets("printed", Small)];
        var result = Shell.RunPfmvg(command);
        Assert.True(result.ExitCode == 0, $"{result}");
        foreach (var words in (string[])["Does the model look at the picture?", "constant: the best single map", "Does the map follow"])
            Assert.Contains(words, result.Output, StringComparison.Ordinal);
        var json = Shell.RunPfmvg([.. command, "--resume", "--format", "json"]);
        Assert.True(json.ExitCode == 0, $"{json}");
        foreach (var words in (string[])["model - blind", "model - shuffled", "model - constant", "phrase_swap"])
            Assert.Contains(words, json.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_map_that_follows_the_phrase_moves_and_one_that_does_not_moves_in_half_of_the_cases()
    {
        var folder = Directory.CreateDirectory(Path.Combine(workspace.Path, "swaps")).FullName;
        string[] halves = [Path.Combine(folder, "left.npy"), Path.Combine(folder, "right.npy")];
        HeatMap.Write(halves[0], [1, 0], 1, 2);
        HeatMap.Write(halves[1], [0, 1], 1, 2);
        Box[] truths = [new(0, 0, 50, 40), new(50, 0, 100, 40)];
        var options = new ScoringOptions { Protocol = Protocol.MaskThresholds, Resamples = 100 };
        List<Prediction> Answers(Func<int, string?> map) =>
        [
            .. Enumerable.Range(0, 6).SelectMany(i => truths.Select((truth, j) => new Prediction
            {
                Id = $"{i}{j}", Image = $"{i}.png", Class = "Edema", Phrase = $"{j}", Width = 100, Height = 40, Truth = [truth],
                Patient = $"p{i}", HeatMap = map(j),
            })),
        ];
        var follows = PhraseSwap.Measure(Answers(j => halves[j]), options)!;
        Assert.Equal((12, 1.0, 1.0, 0.0), (follows.Cases, follows.Moved.Value, follows.AskedIou.Value, follows.OtherIou.Value));
        var deaf = PhraseSwap.Measure(Answers(_ => halves[0]), options)!;
        Assert.Equal((0.5, 0.5, 0.5), (deaf.Moved.Value, deaf.AskedIou.Value, deaf.OtherIou.Value));
        Assert.Equal(0, PhraseSwap.Measure(Answers(_ => null), options)!.Moved.Value);
    }

    private RunFolder Folder(string name) => RunFolder.ForPart(workspace.Configuration(name), "eval-train-biovil");

    private EvaluationResult Execute(string name, ExistingRun existing = ExistingRun.Refuse, bool controls = true,
        CancellationTokenSource? interrupt = null, Action<string>? told = null, Action<int>? answered = null) =>
        RivalRun.Execute(workspace.Configuration(name, Small), new RivalSplitRequest
        {
            Split = Split.Train, Asked = new RivalRequest(Weights, Rival.BioVil), Existing = existing, Controls = controls,
        }, new Silent { OnTell = told, OnAnswer = answered }, interrupt?.Token ?? TestContext.Current.CancellationToken);

    private sealed class Silent : ISessionDisplay
    {
        public Action<string>? OnTell { get; init; }

        public Action<int>? OnAnswer { get; init; }

        public void Tell(string line) => OnTell?.Invoke(line);

        public void Answered(int done, int all) => OnAnswer?.Invoke(done);
    }
}
