using Pfmvg.Cnn;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Runs;
using Pfmvg.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Cnn;

public sealed class CnnLearnerTests(CnnWorkspace workspace) : IClassFixture<CnnWorkspace>
{
    [Fact]
    public void Crops_hold_their_boxes_and_these_follow()
    {
        using var run = new Run(workspace);
        var learner = (CnnLearner)run.Learner;
        HashSet<Crop> drawn = [];
        for (var (epoch, i) = (0, 0); epoch < 4; (epoch, i) = ++i == learner.Samples.Count ? (epoch + 1, 0) : (epoch, i))
        {
            var sample = learner.Samples[i];
            var (crop, boxes) = learner.Shown(i, epoch);
            drawn.Add(crop);
            Assert.Equal(sample.Boxes.Count, boxes.Count);
            foreach (var (box, shown) in sample.Boxes.Zip(boxes))
            {
                var back = shown.Scale(crop.Width, crop.Height).Move(crop.Left, crop.Top);
                var kept = box.Intersect(new Box(crop.Left, crop.Top, crop.Left + crop.Width, crop.Top + crop.Height));
                Assert.True(kept.Area >= 0.75 * box.Area);
                foreach (var (a, b) in new[] { (back.Left, kept.Left), (back.Top, kept.Top), (back.Right, kept.Right),
                    (back.Bottom, kept.Bottom) })
                    Assert.Equal(b, a, 1e-9);
            }
        }

        Assert.True(drawn.Count > learner.Samples.Count);
        Assert.Equal(learner.Shown(0, 1).Crop, learner.Shown(0, 1).Crop); // drawn by (seed, epoch, sample) alone
        Assert.NotEqual(learner.Shown(0, 1).Crop, learner.Shown(0, 2).Crop);
    }

    [Fact]
    public void What_a_crop_shows_is_where_its_box_says()
    {
        using var scope = NewDisposeScope();
        const int Size = 64;
        var random = new CounterRandom(3, "bright boxes");
        for (var n = 0; n < 50; n++)
        {
            var (width, height) = (200 + random.Next(300), 200 + random.Next(300));
            var (left, top) = (random.Next(width / 2), random.Next(height / 2));
            var box = new Box(left, top, left + width / 4 + random.Next(width / 4), top + height / 4 + random.Next(height / 4));
            var crop = Crop.Random(width, height, [box], 0.5, random);
            var whole = zeros(1, 1, Size, Size);
            for (var y = 0; y < Size; y++)
                for (var x = 0; x < Size; x++)
                    if (new Box(x, y, x + 1, y + 1).Scale((double)width / Size, (double)height / Size).Intersect(box).Area
                        > 0.5 * width * height / Size / Size) whole[0, 0, y, x] = 1;
            var lit = CnnLearner.Cut(whole, [(crop, width, height)])[0, 0].gt(0.5);
            var shown = crop.Apply([box])[0].Scale((double)Size / crop.Width, (double)Size / crop.Height);
            var (columns, rows) = (Lit(lit.any(0)), Lit(lit.any(1)));
            Assert.Equal(shown.Left, columns[0], 2.0);
            Assert.Equal(shown.Right, columns[^1] + 1, 2.0);
            Assert.Equal(shown.Top, rows[0], 2.0);
            Assert.Equal(shown.Bottom, rows[^1] + 1, 2.0);
        }

        static int[] Lit(Tensor line) => [.. line.data<bool>().ToArray().Index().Where(pixel => pixel.Item).Select(pixel => pixel.Index)];
    }

    [Fact]
    public void Two_micro_batches_of_four_are_one_batch_of_eight()
    {
        double[] Losses(params string[] changes)
        {
            using var run = new Run(workspace, changes);
            var losses = new List<double>();
            run.Trainer.Run(new Position(0, 0), entry => losses.Add(entry.Loss), _ => { }, _ => false, CancellationToken.None);
            return [.. losses];
        }

        var (one, two) = (Losses("stage2.batch_size=8"), Losses("stage2.batch_size=4", "stage2.accumulate=2"));
        Assert.Equal(one.Length, two.Length);
        Assert.All(one.Zip(two), pair => Assert.Equal(pair.First, pair.Second, 1e-4 * pair.First));
    }

    [Fact]
    public void Eight_samples_are_learned_by_heart()
    {
        using var run = new Run(workspace, 8, "stage2.epochs=300", "stage2.init_lr=3e-3", "stage2.image=resize");
        run.Trainer.Run(new Position(0, 0), _ => { }, _ => { }, _ => false, CancellationToken.None);
        var answers = run.Setup.Answers().Answer(run.Learner.Samples, run.Setup.Pictures().Whole,
            cancel: TestContext.Current.CancellationToken);
        var scores = Scorer.Score(answers, new ScoringOptions { Resamples = 0 }).Samples;
        Assert.Equal(8, scores.Count);
        Assert.True(scores.Average(score => score.Iou) > 0.8, $"{scores.Average(score => score.Iou)}");
    }

    [Fact]
    public void The_number_of_live_tensors_is_flat()
    {
        using var run = new Run(workspace, "stage2.epochs=100");
        var counts = new List<long>();
        run.Trainer.Rehearse(60, entry =>
        {
            if (entry.Step % 20 == 0) counts.Add(DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        }, CancellationToken.None);
        var before = DisposeScopeManager.Statistics.ThreadTotalLiveCount;
        run.Learner.Measure([0, 1, 2], CancellationToken.None);
        run.Setup.Answers().Answer([.. run.Learner.Samples.Take(3)], run.Setup.Pictures().Whole,
            cancel: TestContext.Current.CancellationToken);
        Assert.Equal(before, DisposeScopeManager.Statistics.ThreadTotalLiveCount);
        Assert.Single(counts.Distinct());
    }

    /// <summary>A training ready to run, without a run folder.</summary>
    private sealed class Run : IDisposable
    {
        public Run(CnnWorkspace workspace, params string[] changes) : this(workspace, int.MaxValue, changes)
        {
        }

        public Run(CnnWorkspace workspace, int samples, params string[] changes)
        {
            var configuration = workspace.Configuration("learner", changes);
            var split = GroundingSetup.OpenData(configuration).Read(SampleTask.Refer, Split.Train).Take(samples).ToList();
            Setup = CnnSetup.ForTraining(configuration, split, localRank: 0);
            Learner = Setup.Learner(split, configuration.Stage2);
            Trainer = new Trainer(Learner, configuration.Stage2, new SingleProcess());
        }

        public CnnSetup Setup { get; }

        public ILearner Learner { get; }

        public Trainer Trainer { get; }

        public void Dispose()
        {
            Trainer.Dispose();
            Setup.Dispose();
        }
    }
}
