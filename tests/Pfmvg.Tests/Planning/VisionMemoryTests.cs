using System.Globalization;
using System.Text.RegularExpressions;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Models;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;
using Pfmvg.Training.Footprint;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Planning;

/// <summary>What a vision tower that learns takes, and decoded pictures that stay.</summary>
public sealed partial class VisionMemoryTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Learning =
    [
        "stage1.train_vision=true", "precision=float32", "device=cpu", "model.image_size=112", "model.vision.width=128",
        "model.vision.heads=4", "model.vision.mlp_hidden=512", "model.vision.depth=6",
    ];

    [Fact]
    public void Trained_and_frozen_weights_are_those_of_the_model_that_learns()
    {
        var sizes = ConfiguredModel.Sizes(workspace.Configuration("weights", Learning).Model, 512);
        using var model = new GroundingModel(sizes, ScalarType.Float32, META);
        model.TrainVision();
        var memory = new ModelMemory(sizes, ScalarType.Float32, isCpu: true, trainsVision: true);
        Assert.Equal(sizeof(float) * model.Trainables().Sum(t => t.Parameter.numel()), memory.Trained);
        Assert.Equal(sizeof(float) * model.named_parameters().Sum(p => p.parameter.numel()),
            memory.Trained + memory.Frozen().Sum(frozen => frozen.Bytes));
    }

    /// <summary>As in <see cref="PlanTests"/>: peaks of two sizes, whose difference is free of all that both have.</summary>
    [Fact]
    public void Predicted_activations_of_a_tower_that_learns_are_the_measured_ones()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The peak of resident memory is read on Linux.");
        using var own = new TrainingWorkspace(20, Learning);
        var (few, many) = (4, 16);
        var predicted = Predicted(many) - Predicted(few);
        var measured = Measured(many, "libtorch") - Measured(few, "libtorch");
        Assert.InRange((double)predicted / measured, 0.85, 1.15);
        Assert.InRange(Measured(many, "") - Measured(few, ""), 0.5 * measured, 1.05 * measured);

        long Predicted(int batch)
        {
            var stage = new StageMemory(Configuration(batch), 1, ConfiguredModel.Sizes(Configuration(batch).Model, 512), true, 1, null);
            return stage.Of(stage.Configured(long.MaxValue)).Working;
        }

        PfmvgConfiguration Configuration(int batch) => own.Configuration("peak", $"stage1.batch_size={batch}");

        long Measured(int batch, string products)
        {
            string[] arguments = [Shell.Pfmvg, "train", "--stage", "1", "--dry-run",
                .. own.Sets("peak", $"stage1.batch_size={batch}", "stage1.validate=false")];
            // The plan counts what libtorch's attention keeps; ours, where there is one, keeps less.
            var result = Shell.Run("dotnet", arguments, seconds: 300,
                environment: [("MALLOC_MMAP_THRESHOLD_", "65536"), ("PFMVG_FLOAT32_PRODUCTS", products)]);
            Assert.True(result.ExitCode == 0, $"{result}");
            return (long)(double.Parse(Peak().Match(result.Output).Groups[1].Value, CultureInfo.InvariantCulture) * (1 << 20));
        }
    }

    [Fact]
    public void Decoded_pictures_count_as_far_as_they_are_kept_and_only_in_the_memory_of_the_host()
    {
        string[] shared = ["stage2.share_pictures=true", "stage2.image=random_crop"];
        Assert.Equal(1L << 30, Pictures(true, null, shared));
        Assert.Equal(0, Pictures(false, null, shared));
        Assert.Equal(0, Pictures(true, null, "stage2.share_pictures=true"));
        Assert.Equal(0, Pictures(true, null, "stage2.image=random_crop"));
        Sample[] samples = [Of("a", 10, 20), Of("a", 10, 20), Of("b", 30, 40)];
        Assert.Equal(3 * (10 * 20 + 30 * 40), Pictures(true, samples, shared));
        Assert.Equal(1L << 30, Pictures(true, [.. Enumerable.Range(0, 50).Select(i => Of($"{i}", 3000, 2500))], shared));

        long Pictures(bool isCpu, Sample[]? samples, params string[] changes)
        {
            var configuration = workspace.Configuration("pictures", changes);
            var stage = new StageMemory(configuration, 2, ConfiguredModel.Sizes(configuration.Model, 512), isCpu, 1, samples);
            var memory = stage.Of(stage.Configured(long.MaxValue));
            Assert.Equal(memory.Pictures, memory.Peak - (memory with { Pictures = 0 }).Peak);
            return memory.Pictures;
        }

        static Sample Of(string image, int width, int height) => new()
        {
            Id = image, Source = "x", Task = SampleTask.Refer, Image = image, Width = width, Height = height, Text = "",
        };
    }

    [GeneratedRegex(@"peak memory +([0-9.]+) MiB")] private static partial Regex Peak();
}
