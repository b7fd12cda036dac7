using System.Security.Cryptography;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Language;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Models;

public sealed class RandomWeightsTests : IDisposable
{
    private static readonly GroundingConfig Tiny = new(
        new EvaConfig(56, 14, 32, 2, 2, 64), 4, new LlamaConfig(50, 32, 2, 2, 48), new LoraConfig(4, 8, 0.5, ["q_proj", "v_proj"]));

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory, InlineData(ScalarType.Float32), InlineData(ScalarType.BFloat16), InlineData(ScalarType.Float16)]
    public void Values_have_the_mean_and_the_deviation_that_keep_activations_at_scale(ScalarType type)
    {
        using var scope = NewDisposeScope();
        const string name = "llama_model.model.layers.0.mlp.up_proj.weight";
        var weight = RandomWeights.Values(name, type, [700, 1001], seed: 5).to(ScalarType.Float64);
        var standard = weight.mul(Math.Sqrt(1001));
        Assert.Equal(0, standard.mean().item<double>(), 0.005);                      // 700 k values: 4 standard errors
        Assert.Equal(1, standard.std().item<double>(), 0.005);
        Assert.InRange(standard.abs().max().item<double>(), 3, 3.6);
        var rows = standard.narrow(0, 0, 699).mul(standard.narrow(0, 1, 699)).mean(); // neighbours do not follow each other
        Assert.Equal(0, rows.item<double>(), 0.005);
        Assert.Equal(0, standard.narrow(1, 0, 1000).mul(standard.narrow(1, 1, 1000)).mean().item<double>(), 0.005);
    }

    [Fact]
    public void A_value_is_a_function_of_seed_name_and_place()
    {
        using var scope = NewDisposeScope();
        var (once, again) = (Drawn("a.weight", 1), Drawn("a.weight", 1));
        Assert.True(once.Same(again));
        Assert.False(once.Same(Drawn("a.weight", 2)));
        Assert.False(once.Same(Drawn("b.weight", 1)));
        Assert.True(once.narrow(0, 0, 500).Same(RandomWeights.Values("a.weight", ScalarType.Float32, [500, 1000], 1)));

        static Tensor Drawn(string name, long seed) => RandomWeights.Values(name, ScalarType.Float32, [1000, 1000], seed);
    }

    [Theory, InlineData(ShardFormat.SafeTensors), InlineData(ShardFormat.Torch)]
    public void Written_files_load_as_the_model_that_is_filled_in_memory(ShardFormat format)
    {
        using var scope = NewDisposeScope();
        var paths = new WeightPaths(_folder.In("eva.pth"), _folder.In("llama"), _folder.In("start.pth"));
        BaseWeights.WriteRandom(Tiny, paths, ScalarType.BFloat16, format, maxShardBytes: 10_000, seed: 7);
        Assert.NotEmpty(Directory.GetFiles(paths.Language, "*.index.json"));
        Assert.Equal(Tiny.Language, LlamaConfig.FromHuggingFace(paths.Language));
        var (loaded, files) = ModelBuilder.Load(Tiny, paths, ScalarType.BFloat16, CPU, seed: 1,
            cancel: TestContext.Current.CancellationToken);
        using var model = new GroundingModel(Tiny, ScalarType.BFloat16, CPU);
        using (loaded)
        {
            RandomWeights.Fill(model, 7);
            foreach (var (name, parameter) in model.named_parameters()) Assert.True(parameter.Same(loaded.get_parameter(name)!), name);
            Assert.All(files, file => Assert.Empty(file.Report.Unexpected));
            using var quiet = no_grad();
            var hidden = loaded.Language.call(loaded.Embed(tensor([1L, 5, 9, 2], [1, 4]), null),
                new DecoderPass(loaded.Language.RotaryAt(arange(4))));
            Assert.True(hidden.isfinite().all().item<bool>());
        }
    }

    [Fact]
    public void The_same_seed_gives_the_same_files()
    {
        var hashes = Enumerable.Range(0, 2).Select(i =>
        {
            var paths = new WeightPaths(_folder.In($"{i}.pth"), _folder.In($"llama{i}"), null);
            BaseWeights.WriteRandom(Tiny, paths, ScalarType.Float16, ShardFormat.SafeTensors, 1 << 30, seed: 3);
            return Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(paths.Vision)))
                + Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Path.Combine(paths.Language, "model.safetensors"))));
        }).ToArray();
        Assert.Equal(hashes[0], hashes[1]);
    }

    [Fact]
    public void A_full_disk_is_found_before_anything_is_written()
    {
        var huge = Tiny with
        {
            Language = Tiny.Language with { HiddenSize = 1 << 20, Heads = 2, IntermediateSize = 1 << 20, Layers = 100 },
        };
        var paths = new WeightPaths(_folder.In("eva.pth"), _folder.In("llama"), null);
        var refused = Assert.Throws<InputException>(
            () => BaseWeights.WriteRandom(huge, paths, ScalarType.Float32, ShardFormat.SafeTensors, 1 << 30, 1));
        Assert.Contains("the weights need", refused.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_named()
    {
        File.WriteAllText(_folder.In("file"), "");
        var paths = new WeightPaths(_folder.In("file", "eva.pth"), _folder.In("file", "llama"), null);
        var refused = Assert.Throws<InputException>(
            () => BaseWeights.WriteRandom(Tiny, paths, ScalarType.Float32, ShardFormat.SafeTensors, 1 << 30, 1));
        Assert.StartsWith($"{_folder.In("file")}: this is a file; name a folder", refused.Message, StringComparison.Ordinal);
    }
}

internal static class TensorComparison
{
    /// <summary>True when two tensors have the same values everywhere.</summary>
    public static bool Same(this Tensor x, Tensor y) => x.allclose(y, 0, 0);
}
