using System.Text.Json;
using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Models.Language;
using Pfmvg.Models.Vision;
using Pfmvg.Planning;
using Pfmvg.Training.Footprint;
using Pfmvg.Tensors;
using Pfmvg.Tests.Support;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Planning;

public sealed class PlanTests : IDisposable
{
    private const long Gigabyte = 1_000_000_000;
    private static readonly string Full = Path.Combine(Fixtures.Repository, "configs", "pfmvg-7b.yaml");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>
    /// Real steps, each in its own process, in which every freed tensor is returned to the system at once, little managed garbage waits
    /// (1 MiB; by default as much as the processor's last cache holds) and code is compiled once, so that the peak of resident memory is
    /// the memory of live tensors. The tensors of the smaller batch are large enough for that, too. What does not depend on the batch is
    /// the same in both and cancels out in the difference.
    /// </summary>
    [Theory]
    [InlineData(4, 64, "precision=float32", "model.language.hidden_size=256", "model.language.intermediate_size=688",
        "model.language.heads=8", "model.language.layers=12")]
    [InlineData(4, 48, "precision=bf16", "model.language.hidden_size=384", "model.language.intermediate_size=1536",
        "model.language.heads=6", "model.language.layers=8")]
    [InlineData(4, 64, "precision=bf16", "model.language.hidden_size=256", "model.language.intermediate_size=512",
        "model.language.heads=4", "model.language.layers=10", "model.lora.dropout=0",
        "model.lora.targets=[q_proj, o_proj, up_proj, down_proj]")]
    public void Predicted_activations_are_the_measured_ones(int few, int many, params string[] sizes)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/proc/self/clear_refs"),
            "The peak of resident memory can be reset on Linux only.");
        string[] settings = ["device=cpu", "threads=1", "model.language.vocabulary=8000", "model.vision.depth=1", .. sizes];
        var configuration = ConfigurationFile.Load(Path.Combine(Fixtures.Repository, "configs", "tiny.yaml"), settings);
        var config = ConfiguredModel.Sizes(configuration.Model);
        var type = ConfiguredModel.Type(configuration.Precision);
        var memory = new ModelMemory(config, type, isCpu: true);
        const int PromptAndAnswer = 74, Answer = 12; // the lengths in the benchmark
        long positions = config.VisualTokens + PromptAndAnswer;
        var (before, after) = (Measured(few, settings), Measured(many, settings));
        foreach (var recompute in (bool[])[false, true])
        {
            var predicted = Predicted(many) - Predicted(few);
            var limit = (many - few) * positions * TensorTypes.Size(type)
                * (config.Language.HiddenSize + config.Language.IntermediateSize); // inputs of the benchmark's own products
            var measured = after[recompute] - before[recompute] - limit;
            Assert.InRange((double)predicted / measured, 0.85, 1.15);

            long Predicted(int rows) => memory.Training(rows, positions, Answer, recompute);
        }
    }

    [Fact]
    public void Weights_are_those_of_the_model_by_type()
    {
        var configuration = ConfigurationFile.Load(Full, []);
        var sizes = ConfiguredModel.Sizes(configuration.Model);
        var plain = new ModelMemory(sizes, ScalarType.BFloat16, isCpu: true);
        Assert.Equal(4L * (33_554_432 + 23_072_768), plain.Trained);
        Assert.Equal(2L * 6_738_415_616, Language(plain.Frozen()[0].Bytes, sizes));

        var small = new ModelMemory(
            sizes with { Language = sizes.Language with { Quantized = true } }, ScalarType.BFloat16, isCpu: true).Frozen();
        Assert.Equal(new ModelFlops(sizes).DecodedWeights, small.Single(f => f.Type == ScalarType.Int8).Bytes);

        // Less the vision tower, which is counted from its own blocks.
        static long Language(long bytes, GroundingConfig config)
        {
            using var tower = new EvaVisionTower(config.Vision, ScalarType.BFloat16, META);
            return bytes - 2 * tower.parameters().Sum(p => p.numel());
        }
    }

    [Fact]
    public void The_key_value_cache_is_as_large_as_predicted()
    {
        var sizes = ConfiguredModel.Sizes(ConfigurationFile.Load(
            null, ["model.language.hidden_size=64", "model.language.heads=4", "model.language.layers=3"]).Model);
        using var cache = new KvCache(sizes.Language, 5, 17, ScalarType.BFloat16, META);
        var memory = new ModelMemory(sizes, ScalarType.BFloat16, isCpu: true);
        Assert.Equal(2L * 3 * (5 * 17 * 64) * 2, memory.KvCache(5, cache.Capacity));
    }

    [Fact]
    public void Recomputing_costs_a_forward_pass_less_the_projections_that_need_none()
    {
        var sizes = ConfiguredModel.Sizes(ConfigurationFile.Load(Full, []).Model);
        var flops = new ModelFlops(sizes);
        Assert.InRange(flops.Recomputation(2, 330) / flops.Layers(2, 330), 0.69, 0.72);
        var adapted = new ModelFlops(sizes with { Lora = sizes.Lora with { Targets = ["o_proj", "down_proj"] } });
        Assert.Equal(1, adapted.Recomputation(2, 330) / adapted.Layers(2, 330), 1e-12);
    }

    [Theory]
    [InlineData(80, false, Precision.Bf16, false, 4)]
    [InlineData(20, false, Precision.Bf16, false, 1)]  // smaller micro-batches come before recomputation
    [InlineData(18, true, Precision.Bf16, false, 1)]
    [InlineData(12, true, Precision.Bf16, true, 2)]
    public void The_suggestion_is_the_first_that_fits_with_the_largest_micro_batch(
        int gigabytes, bool recompute, Precision precision, bool quantized, int batch)
    {
        var plan = Plan(gigabytes * Gigabyte, "stage2.validate=false");
        var suggested = plan.Suggest();
        Assert.Equal(new PlanChoice(precision, quantized, batch, 4 / batch, recompute), suggested.Choice);
        Assert.InRange(suggested.Memory.Peak, suggested.Memory.Weights, gigabytes * Gigabyte);
        if (batch < 4)
            Assert.True(plan.Stage.Of(suggested.Choice with { Batch = 2 * batch, Accumulate = 2 / batch }).Peak > gigabytes * Gigabyte);
    }

    [Fact]
    public void A_validation_needs_memory_for_its_keys_and_values()
    {
        var validating = Plan(80 * Gigabyte, "stage2.batch_size=1", "stage2.recompute=true");
        var (cache, prompts) = validating.Stage.Answering(validating.Configured);
        Assert.Equal(cache + prompts, validating.Stage.Of(validating.Configured).Working); // more than a recomputing step needs
        var plain = Plan(80 * Gigabyte, "stage2.batch_size=1", "stage2.recompute=true", "stage2.validate=false");
        Assert.InRange(plain.Stage.Of(plain.Configured).Working, 1, cache);
    }

    [Fact]
    public void Float32_is_kept_where_it_fits()
    {
        Assert.Equal(Precision.Float32, Plan(60 * Gigabyte, "precision=float32").Suggest().Choice.Precision);
        Assert.Equal(Precision.Bf16, Plan(30 * Gigabyte, "precision=float32").Suggest().Choice.Precision);
    }

    [Fact]
    public void Time_follows_samples_devices_and_rate()
    {
        var one = Plan(80 * Gigabyte).Suggest().Time;
        Assert.Equal(251, one.StepsPerEpoch); // 1001 samples, 4 in a step
        Assert.Equal(one.StepFlop / (100e12 * TrainingPlan.GivenEfficiency), one.StepSeconds, 1e-12);
        var four = new TrainingPlan(ConfigurationFile.Load(Full, []), new PlanRequest(2, 80 * Gigabyte, 4, 100, null, 1001)).Suggest().Time;
        Assert.Equal(63, four.StepsPerEpoch);
    }

    [Theory]
    [InlineData("--device-memory 48: give a positive number with its unit", "--device-memory", "48")]
    [InlineData("--device-memory -1GB: give a positive number with its unit", "--device-memory=-1GB")]
    [InlineData("--stage 3: give a whole number from 1 to 2", "--device-memory", "48GB", "--stage", "3")]
    [InlineData("--devices 0: give a whole number", "--device-memory", "48GB", "--devices", "0")]
    [InlineData("--tflops -5: give a number above 0", "--device-memory", "48GB", "--tflops=-5")]
    [InlineData("--efficiency 1.5: give a number above 0, at most 1", "--device-memory", "48GB", "--efficiency", "1.5")]
    [InlineData("GB more; the weights alone are", "--device-memory", "4GB", "--tflops", "100")]
    public void Wrong_input_is_answered_in_one_sentence(string expected, params string[] arguments)
    {
        var result = Shell.RunPfmvg(["plan", "--config", Full, .. arguments]);
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.TrimEnd().Split('\n'));
    }

    [Fact]
    public void The_suggestion_is_printed_as_arguments_that_lead_to_itself()
    {
        string[] plan = ["plan", "--config", Full, "--device-memory", "20GB", "--tflops", "100", "--samples", "1000", "--json"];
        var first = Json(plan);
        var settings = first.GetProperty("settings").GetString()!;
        Assert.Contains("--set stage2.batch_size=1 --set stage2.accumulate=4 --set stage2.recompute=false", settings,
            StringComparison.Ordinal);
        var second = Json([.. plan, .. settings.Split(' ')]);
        Assert.Equal("", second.GetProperty("settings").GetString());
        Assert.Equal(first.GetProperty("suggested").GetRawText(), second.GetProperty("configured").GetRawText());

        static JsonElement Json(string[] arguments)
        {
            var result = Shell.RunPfmvg(arguments);
            Assert.True(result.ExitCode == 0, $"{result}");
            return JsonDocument.Parse(result.Output).RootElement;
        }
    }

    private static TrainingPlan Plan(long bytes, params string[] settings) =>
        new(ConfigurationFile.Load(Full, settings), new PlanRequest(2, bytes, 1, 100, null, 1001));

    // Peak of a step's process, without and with recomputation.
    private Dictionary<bool, long> Measured(int rows, IEnumerable<string> settings)
    {
        var file = Path.Combine(_folder.Path, $"{rows}.json");
        string[] arguments = [Shell.Pfmvg, "bench", "model", "--parts", "train2", "--batch", $"{rows}", "--repeats", "1", "--json", file,
            .. settings.SelectMany(s => new[] { "--set", s })];
        var result = Shell.Run("dotnet", arguments, seconds: 300,
            environment: [("MALLOC_MMAP_THRESHOLD_", "65536"), ("DOTNET_GCgen0size", "100000"), ("DOTNET_TieredCompilation", "0")]);
        Assert.True(result.ExitCode == 0, $"{result}");
        using var json = JsonDocument.Parse(File.ReadAllText(file));
        return json.RootElement.GetProperty("lines").EnumerateArray()
            .ToDictionary(line => line.GetProperty("part").GetString()!.EndsWith("recomputing", StringComparison.Ordinal),
                line => line.GetProperty("peak_bytes").GetInt64());
    }
}
