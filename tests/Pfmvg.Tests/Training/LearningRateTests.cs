using Pfmvg.Configuration;
using Pfmvg.Training;

namespace Pfmvg.Tests.Training;

public class LearningRateTests
{
    private static readonly LearningRate Rate =
        new(Init: 1e-3, Min: 1e-4, WarmupStart: 1e-5, WarmupSteps: 25, StepsPerEpoch: 10, Epochs: 5);

    [Fact]
    public void The_warm_up_rises_once_over_the_run_and_the_cosine_falls_to_the_minimum()
    {
        var rates = Enumerable.Range(0, 50).Select(step => Rate.At(step / 10, step % 10)).ToArray();
        Assert.Equal(1e-5, rates[0]);
        Assert.All(Enumerable.Range(1, 24), step => Assert.True(rates[step] > rates[step - 1]));
        Assert.All(Enumerable.Range(26, 24), step => Assert.True(rates[step] < rates[step - 1]));
        Assert.All(rates, rate => Assert.InRange(rate, 1e-5, 1e-3));
        Assert.Equal(1e-4, Rate.At(5, 0), 12);
    }

    [Fact]
    public void The_cosine_starts_high_is_halfway_in_the_middle_and_ends_low()
    {
        Assert.Equal(0.9, LearningRate.Cosine(0.9, 0.1, 0, 10), 15);
        Assert.Equal(0.5, LearningRate.Cosine(0.9, 0.1, 5, 10), 15);
        Assert.Equal(0.1, LearningRate.Cosine(0.9, 0.1, 10, 10), 15);
    }

    [Fact]
    public void Counted_within_the_epoch_the_warm_up_starts_again_in_each()
    {
        var original = Rate with { Scope = WarmupScope.Epoch };
        Assert.Equal(original.At(0, 3), original.At(1, 3));
        Assert.NotEqual(Rate.At(0, 3), Rate.At(1, 3));
    }

    [Fact]
    public void A_stage_gives_its_own_schedule()
    {
        var stage = new PfmvgConfiguration().Stage2;
        Assert.Equal(new LearningRate(3e-5, 1e-5, 1e-6, 50, 64, 50), LearningRate.ForStage(stage, 64));
    }
}
