using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Runs;
using Pfmvg.Tests.Runs;
using Pfmvg.Training;

namespace Pfmvg.Tests.Training;

/// <summary>Pictures are loaded ahead across steps and epochs, and the same ones as without.</summary>
public sealed class LoadedStepsTests : IClassFixture<TrainingWorkspace>, IDisposable
{
    private readonly GroundingSetup _setup;
    private readonly StageSettings _stage;

    public LoadedStepsTests(TrainingWorkspace workspace)
    {
        var configuration = workspace.Configuration("ahead");
        _setup = GroundingSetup.Load(configuration, 0, 160, null);
        _stage = configuration.Stage1;
    }

    public void Dispose() => _setup.Dispose();

    [Theory, InlineData(false), InlineData(true)]
    public void What_is_learnt_is_what_is_loaded_step_by_step(bool share)
    {
        StepShare[] steps = [new(0, [3, 1]), new(0, [2, 0, 5]), new(0, []), new(1, [0, 3])];
        var (plain, ahead) = (Samples(share), Samples(share));
        using var following = ahead.Follow(steps, CancellationToken.None);
        foreach (var (epoch, indices) in steps)
            AssertSame(Load(plain, [.. indices], epoch), Load(ahead, [.. indices], epoch));
    }

    [Fact]
    public void The_next_epoch_is_on_its_way_before_the_first_step_is_taken()
    {
        using var begun = new ManualResetEventSlim();
        var samples = Samples(false, ahead: 8);
        using var following = samples.Follow(Steps(), CancellationToken.None);
        _ = Load(samples, [0, 1], 0).First();
        Assert.True(begun.Wait(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken));

        IEnumerable<StepShare> Steps()
        {
            yield return new StepShare(0, [0, 1]);
            begun.Set();
            yield return new StepShare(1, [1, 0]);
        }
    }

    [Fact]
    public void No_more_is_taken_ahead_than_may_wait()
    {
        var taken = 0;
        var samples = Samples(false, ahead: 3);
        using (samples.Follow(Enumerable.Range(0, 1000).Select(epoch =>
        {
            Interlocked.Increment(ref taken);
            return new StepShare(epoch, [0]);
        }), CancellationToken.None))
            for (var epoch = 0; epoch < 5; epoch++) Assert.Single(Load(samples, [0], epoch));
        Assert.InRange(taken, 5, 5 + 3 + 1);
    }

    [Fact]
    public void Another_step_than_the_next_one_and_one_after_a_step_that_was_left_are_loaded_all_the_same()
    {
        StepShare[] steps = [new(0, [3, 1]), new(0, [2, 0]), new(1, [0, 3])];
        var (plain, ahead) = (Samples(false), Samples(false));
        using var following = ahead.Follow(steps, CancellationToken.None);
        AssertSame(Load(plain, [4, 2], 7), Load(ahead, [4, 2], 7));
        AssertSame(Load(plain, [3, 1], 0), Load(ahead, [3, 1], 0));
        using var again = ahead.Follow(steps, CancellationToken.None);
        _ = Load(ahead, [3, 1], 0).First();
        AssertSame(Load(plain, [3, 1], 0), Load(ahead, [3, 1], 0));
        AssertSame(Load(plain, [1], 0, augment: false), Load(ahead, [1], 0, augment: false)); // a validation
    }

    [Fact]
    public void Broken_pictures_are_left_out_of_their_own_step()
    {
        using var own = new TrainingWorkspace();
        using var setup = GroundingSetup.Load(own.Configuration("broken", "data.skip_broken=true"), 0, 160, null,
            TestContext.Current.CancellationToken);
        var split = setup.Data.Read(SampleTask.Caption, Split.Train);
        File.WriteAllText(setup.Data.ImagePath(split[1]), "no picture");
        var samples = setup.Samples(split, _stage);
        using var following = samples.Follow([new(0, [0, 1, 2]), new(0, [1]), new(0, [3])], CancellationToken.None);
        Assert.Equal([0, 2], Load(samples, [0, 1, 2], 0).Select(example => example.Index));
        Assert.Empty(Load(samples, [1], 0));
        Assert.Equal([3], Load(samples, [3], 0).Select(example => example.Index));
    }

    private static IEnumerable<TrainingExample> Load(TrainingSamples samples, IReadOnlyList<int> indices, int epoch, bool augment = true) =>
        samples.Load(indices, epoch, augment, TestContext.Current.CancellationToken);

    private static void AssertSame(IEnumerable<TrainingExample> expected, IEnumerable<TrainingExample> actual)
    {
        var (one, other) = (expected.ToList(), actual.ToList());
        Assert.Equal(one.Select(example => example.Index), other.Select(example => example.Index));
        Assert.Equal(one.Select(example => example.DropoutSeed), other.Select(example => example.DropoutSeed));
        foreach (var (a, b) in one.Zip(other))
        {
            Assert.Equal(a.Sequence.Ids, b.Sequence.Ids);
            Assert.True(a.Picture.Image!.Pixels.SequenceEqual(b.Picture.Image!.Pixels));
        }
    }

    private TrainingSamples Samples(bool share, int ahead = 0) => new(_setup.Data, _setup.Data.Read(SampleTask.Caption, Split.Train),
        _setup.Builder, _stage with { SharePictures = share }, new LoaderOptions { Size = 56, Workers = 1, Ahead = ahead, Seed = 3 });
}
