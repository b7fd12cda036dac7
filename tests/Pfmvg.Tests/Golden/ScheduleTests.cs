using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Tests.Support;
using Pfmvg.Training;

namespace Pfmvg.Tests.Golden;

[Trait("Category", "Golden")]
public class ScheduleTests
{
    [Fact]
    public void Every_learning_rate_is_the_references()
    {
        var schedules = Fixtures.Json("schedule.json")["schedules"]!.AsArray();
        Assert.NotEmpty(schedules);
        foreach (var schedule in schedules)
        {
            var rate = Schedule(schedule!["config"]!);
            foreach (var point in schedule["points"]!.AsArray())
            {
                var (epoch, step, expected) = (point![0]!.GetValue<int>(), point[1]!.GetValue<int>(), point[2]!.GetValue<double>());
                var actual = rate.At(epoch, step);
                Assert.True(Math.Abs(actual - expected) <= 1e-12 * Math.Abs(expected),
                    $"{rate}, epoch {epoch}, step {step}: {actual:r}, expected {expected:r}");
            }
        }
    }

    [Fact]
    public void Counting_the_warm_up_over_the_run_differs_only_where_an_epoch_is_shorter_than_it()
    {
        foreach (var schedule in Fixtures.Json("schedule.json")["schedules"]!.AsArray())
        {
            var original = Schedule(schedule!["config"]!);
            var run = original with { Scope = WarmupScope.Run };
            for (var step = 0; step < original.StepsPerEpoch; step++) Assert.Equal(original.At(0, step), run.At(0, step));
            var afterWarmup = original.WarmupSteps / original.StepsPerEpoch + 1;
            for (var epoch = afterWarmup; epoch < original.Epochs; epoch++) Assert.Equal(original.At(epoch, 0), run.At(epoch, 0));
        }
    }

    private static LearningRate Schedule(JsonNode config)
    {
        var initial = config["init_lr"]!.GetValue<double>();
        return new LearningRate(
            initial,
            config["min_lr"]!.GetValue<double>(),
            config["warmup_start_lr"]?.GetValue<double>() ?? initial,
            config["warmup_steps"]?.GetValue<int>() ?? 0,
            config["iters_per_epoch"]!.GetValue<int>(),
            config["max_epoch"]!.GetValue<int>(),
            WarmupScope.Epoch);
    }
}
