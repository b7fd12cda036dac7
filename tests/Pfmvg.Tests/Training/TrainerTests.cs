using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Distributed;
using Pfmvg.Runs;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;
using Pfmvg.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Training;

public sealed class TrainerTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly double Rounding = TestDevice.Loose(1e-5); // relative, of sums of float32 in another order

    private static readonly string[] Shared = ["stage1.share_pictures=true", "stage1.task=refer", "stage1.image=resize"];

    [Fact]
    public void Two_micro_batches_of_two_are_one_batch_of_four() =>
        AssertSameRuns(["stage1.batch_size=4"], ["stage1.batch_size=2", "stage1.accumulate=2"]);

    [Fact]
    public void Recomputed_blocks_give_the_same_losses_and_gradients_with_dropout_on() =>
        AssertSameRuns(["stage1.recompute=false"], ["stage1.recompute=true"]);

    [Fact]
    public void Grouped_micro_batches_are_one_batch_too() =>
        AssertSameRuns(["stage1.group_by_length=true", "stage1.batch_size=4"],
            ["stage1.group_by_length=true", "stage1.batch_size=2", "stage1.accumulate=2"]);

    [Fact]
    public void Micro_batches_that_cut_a_picture_are_one_batch_too() =>
        AssertSameRuns([.. Shared, "stage1.batch_size=12"], [.. Shared, "stage1.batch_size=4", "stage1.accumulate=3"]);

    [Fact]
    public void Steps_that_share_pictures_hold_every_sample_once_and_a_picture_in_one_place()
    {
        using var run = new Run(workspace, Shared);
        var samples = run.Setup.Samples(
            run.Setup.Data.Read(SampleTask.Refer, Split.Train), new StageSettings { SharePictures = true, Image = ImageMode.Resize });
        var order = samples.Order(0, 4);
        Assert.Equal(Enumerable.Range(0, samples.Count), order.Order());
        Assert.NotEqual(order, samples.Order(1, 4));
        Assert.Equal(order, samples.Order(0, 16));
        var pictures = order.Select(samples.FirstOfPicture).ToList();
        Assert.Equal(pictures.Distinct().Count(), 1 + pictures.Zip(pictures.Skip(1)).Count(pair => pair.First != pair.Second));
        Assert.True(pictures.Distinct().Count() < samples.Count);
    }

    [Theory, InlineData(1000, 8), InlineData(1000, 7), InlineData(5, 8), InlineData(4096, 64)]
    public void Grouped_steps_hold_every_sample_once_and_less_padding(int count, int stepSize)
    {
        using var run = new Run(workspace);
        var sample = run.Setup.Data.Read(SampleTask.Caption, Split.Train)[0];
        var random = new CounterRandom(1, "lengths");
        Sample[] samples = [.. Enumerable.Range(0, count).Select(_ => sample with { Text = new string('a', 20 + random.Next(200)) })];
        var (grouped, plain) = (Samples(true), Samples(false));
        Assert.Equal(Enumerable.Range(0, count), grouped.Order(0, stepSize).Order());
        Assert.Equal(grouped.Order(3, stepSize), Samples(true).Order(3, stepSize));
        if (count < stepSize) return;
        Assert.NotEqual(grouped.Order(0, stepSize), grouped.Order(1, stepSize));
        Assert.InRange(Padding(grouped), 0, Padding(plain) / 4);
        var longest = grouped.Order(0, stepSize).Chunk(stepSize).Where(step => step.Length == stepSize)
            .Select(step => step.Max(i => samples[i].Text.Length)).ToArray();
        Assert.NotEqual(longest.Order(), longest); // steps come at random, not by length

        TrainingSamples Samples(bool groups) => new(
            run.Setup.Data, samples, run.Setup.Builder, new StageSettings { GroupByLength = groups },
            new LoaderOptions { Size = 56, Seed = 4 });

        int Padding(TrainingSamples set) => set.Order(0, stepSize).Chunk(stepSize)
            .Sum(step => step.Max(i => samples[i].Text.Length) * step.Length - step.Sum(i => samples[i].Text.Length));
    }

    [Fact]
    public void Phrases_without_a_box_are_refused_because_an_answer_is_boxes()
    {
        using var run = new Run(workspace);
        var caption = run.Setup.Data.Read(SampleTask.Caption, Split.Train)[0];
        Sample[] samples = [caption with { Task = SampleTask.Refer, Boxes = [new(1, 1, 9, 9)] }, caption with { Task = SampleTask.Refer }];
        var message = Assert.Throws<InputException>(() => Of(samples)).Message;
        Assert.Contains("1 of 2 phrases have no box", message, StringComparison.Ordinal);
        Assert.Contains("--only-with-boxes", message, StringComparison.Ordinal);
        Assert.Equal(1, Of(samples[..1]).Count);
        Assert.Equal(1, Of([caption]).Count); // captions never have boxes

        TrainingSamples Of(Sample[] set) => new(
            run.Setup.Data, set, run.Setup.Builder, new StageSettings(), new LoaderOptions { Size = 56, Seed = 4 });
    }

    [Fact]
    public void A_trained_tensor_gone_NaN_stops_the_run_after_the_tolerated_steps_and_is_never_saved()
    {
        using var folder = new TemporaryFolder();
        using var run = new Run(workspace, "stage1.nan_tolerance=2", "stage1.checkpoint_every=1", "stage1.epochs=20");
        var last = 0L;
        var (name, victim) = run.Setup.Model.Trainables().Last();
        var failure = Assert.Throws<TrainingException>(() => run.Trainer.Run(new Position(0, 0), entry =>
        {
            using var quiet = no_grad();
            if (entry.Step == 3) victim.fill_(float.NaN);
            last = entry.Step;
        }, next => Checkpoint.Save(Checkpoint.PathOf(folder.Path, last), run.Setup.Model, run.Trainer.Optimizer, next), _ => false,
            CancellationToken.None));
        Assert.Equal(5, last); // two steps were skipped, the third ends the run
        var (epoch, step) = (5 / run.Trainer.StepsPerEpoch + 1, 5 % run.Trainer.StepsPerEpoch + 1);
        Assert.StartsWith($"Epoch {epoch}, step {step}:", failure.Message, StringComparison.Ordinal);
        Assert.Contains(name, failure.Message, StringComparison.Ordinal);
        var saved = Checkpoint.List(folder.Path);
        Assert.Equal(2, saved[0].Step); // step 3 was poisoned before its checkpoint
        Assert.True(saved[0].IsWhole());
        saved[0].Restore(run.Setup.Model, run.Trainer.Optimizer);
        Assert.All(run.Setup.Model.Trainables(), t => Assert.True(t.Parameter.isfinite().all().item<bool>(), t.Name));
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void The_number_of_live_tensors_is_flat_over_two_thousand_steps()
    {
        using var run = new Run(workspace, "stage1.batch_size=1", "stage1.epochs=1000", "stage1.image=resize");
        var counts = new List<long>();
        using var stop = new CancellationTokenSource();
        Assert.ThrowsAny<OperationCanceledException>(() => run.Trainer.Run(new Position(0, 0), entry =>
        {
            if (entry.Step % 100 == 0) counts.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount);
            if (entry.Step == 2000) stop.Cancel();
        }, _ => { }, _ => false, stop.Token));
        Assert.Equal(20, counts.Count);
        Assert.Single(counts.Distinct());
    }

    private void AssertSameRuns(string[] one, string[] other)
    {
        using var first = new Run(workspace, one);
        using var second = new Run(workspace, other);
        first.OneStep();
        second.OneStep();
        foreach (var ((name, a), (_, b)) in first.Trainer.Optimizer.State().Zip(second.Trainer.Optimizer.State()))
            Fixtures.AssertClose(a, b, Rounding * a.abs().max().item<float>() + 1e-12, name);
        var (losses, same) = (first.Losses(), second.Losses());
        Assert.Equal(losses.Count, same.Count);
        Assert.All(losses.Zip(same), pair => Assert.Equal(pair.First, pair.Second, Rounding * 10));
    }

    /// <summary>A stage ready to run, without a run folder.</summary>
    private sealed class Run : IDisposable
    {
        public Run(TrainingWorkspace workspace, params string[] changes)
        {
            _ = TestDevice.Here;
            var configuration = workspace.Configuration("trainer", [$"device={TestDevice.Name}", .. changes]);
            Setup = GroundingSetup.Load(configuration, 0, configuration.Stage1.MaxAnswerTokens, null);
            var samples = Setup.Samples(Setup.Data.Read(configuration.Stage1.Task, Split.Train), configuration.Stage1);
            Trainer = new Trainer(Setup.Model, configuration.Stage1, samples, new SingleProcess());
        }

        public GroundingSetup Setup { get; }

        public Trainer Trainer { get; }

        public void OneStep() => Trainer.Rehearse(1, _ => { }, CancellationToken.None);

        public List<double> Losses()
        {
            var losses = new List<double>();
            Trainer.Run(new Position(0, 1), entry => losses.Add(entry.Loss), _ => { }, _ => false, CancellationToken.None);
            return losses;
        }

        public void Dispose()
        {
            Trainer.Dispose();
            Setup.Dispose();
        }
    }
}
