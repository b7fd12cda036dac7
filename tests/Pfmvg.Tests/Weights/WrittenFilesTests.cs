using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

/// <summary>Files that the real libraries wrote (Written/README.md): each gives what it was made from, or says why not.</summary>
public sealed class WrittenFilesTests : IDisposable
{
    private static readonly string Folder = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Weights", "Written");

    // The sizes of Written/small.
    private static readonly GroundingConfig Small = new(
        new EvaConfig(112, 14, 8, 1, 2, 16), 4, new LlamaConfig(10, 64, 2, 4, 8), new LoraConfig(4, 8, 0, ["q_proj", "v_proj"]));

    private static readonly Dictionary<string, string> Refused = new()
    {
        ["torch/t20_whole_module.pth"] = "state_dict",
        ["torch/t214_dcp"] = "dcp_to_torch_save",
        ["torch/t214_dcp/__0_0.distcp"] = "dcp_to_torch_save",
        ["torch/t214_dcp/.metadata"] = "dcp_to_torch_save",
        ["torch/t214_dtensor.pth"] = "DTensor",
        ["torch/t214_float8.pth"] = "'llama_proj.weight' has the type float8_e4m3fn",
        ["torch/t214_skip_data.pth"] = "nothing but zeros",
        ["torch/t24_jit.pt"] = "TorchScript",
        ["safetensors/f8_weight.safetensors"] = "'llama_proj.weight' has the type F8_E4M3",
        ["torch/t214_timm_vit.safetensors"] = "q_bias",
    };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static IEnumerable<string> All => new[] { "torch", "safetensors" }
        .SelectMany(kind => Directory.GetFiles(Path.Combine(Folder, kind)).Select(file => $"{kind}/{Path.GetFileName(file)}"))
        .Where(name => !Refused.ContainsKey(name)).Order(StringComparer.Ordinal);

    public static TheoryData<string> Starts => [.. All.Where(name => !name.Contains("eva", StringComparison.Ordinal))];

    public static TheoryData<string> Towers => [.. All.Where(name => name.Contains("eva", StringComparison.Ordinal))];

    public static TheoryData<string> NotUsable => [.. Refused.Keys];

    [Theory]
    [MemberData(nameof(Starts))]
    public void A_start_file_of_any_writer_gives_the_same_trained_tensors(string name)
    {
        using var scope = NewDisposeScope();
        var (expected, actual) = (Started("small/start.pth"), Started(name));
        Assert.Equal(expected.Keys, actual.Keys);
        foreach (var (tensor, value) in expected)
        {
            if (name.Contains("lavis", StringComparison.Ordinal)) Fixtures.AssertClose(value, actual[tensor], 2e-4, tensor); // one step on
            else TestTensors.AssertSame(name.Contains("bf16", StringComparison.Ordinal)
                ? value.to(ScalarType.BFloat16).to(ScalarType.Float32) : value, actual[tensor], tensor);
        }
    }

    [Theory]
    [MemberData(nameof(Towers))]
    public void A_tower_of_any_writer_gives_the_same_weights(string name)
    {
        using var scope = NewDisposeScope();
        var (expected, actual) = (Tower("small/eva.pth"), Tower(name));
        foreach (var (tensor, value) in expected)
        {
            if (name.Contains("timm", StringComparison.Ordinal)) // float32, where the others are rounded to float16
                Fixtures.AssertClose(value, actual[tensor], 1e-3 * value.abs().max().item<float>(), tensor);
            else TestTensors.AssertSame(value, actual[tensor], tensor);
        }
    }

    [Theory]
    [MemberData(nameof(NotUsable))]
    public void What_cannot_be_used_is_refused_with_its_name(string name)
    {
        var message = Assert.Throws<InputException>(() =>
        {
            using var scope = NewDisposeScope();
            _ = name.Contains("timm", StringComparison.Ordinal) ? Tower(name) : Started(name);
        }).Message;
        Assert.Contains(Refused[name], message, StringComparison.Ordinal);
        Assert.StartsWith(Path.Combine(Folder, name), message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("torch/t20_namespace.pth", "argparse.Namespace")]
    [InlineData("torch/t20_lavis_omegaconf.pth", "omegaconf.dictconfig.DictConfig")]
    [InlineData("torch/t24_optimizer_object.pth", "torch.optim.sgd.SGD")]
    [InlineData("torch/t20_numpy_state.pth", "numpy.core.multiarray._reconstruct")]
    public void Foreign_names_are_said_and_listed(string name, string foreign)
    {
        using var model = ModelBuilder.Random(Small, ScalarType.Float32, CPU, 1);
        var note = Assert.Single(ModelBuilder.LoadStart(model, Path.Combine(Folder, name)).Report.Notes);
        Assert.Contains("foreign names", note, StringComparison.Ordinal);
        using var file = WeightFile.Open(Path.Combine(Folder, name));
        Assert.Contains(foreign, file.ForeignNames);
        Assert.Contains(foreign, WeightListing.ToText(file), StringComparison.Ordinal);
        Assert.Contains(foreign, WeightListing.ToJson(file)["placeholders"]!.ToJsonString(), StringComparison.Ordinal);
    }

    private static Dictionary<string, Tensor> Started(string name)
    {
        using var model = ModelBuilder.Random(Small, ScalarType.Float32, CPU, 1);
        ModelBuilder.LoadStart(model, Path.Combine(Folder, name));
        return model.named_parameters().Where(p => ParameterNames.IsTrainable(p.name) || ParameterNames.IsVisionNorm(p.name))
            .ToDictionary(p => p.name, p => p.parameter.detach().clone());
    }

    private Dictionary<string, Tensor> Tower(string name)
    {
        var paths = new WeightPaths(_folder.In("eva.pth"), _folder.In("llama"), null);
        BaseWeights.WriteRandom(Small, paths, ScalarType.Float32, ShardFormat.SafeTensors, 1 << 30, seed: 3);
        using var model = ModelBuilder.Load(Small, paths with { Vision = Path.Combine(Folder, name) }, ScalarType.Float32, CPU, 1).Model;
        return model.named_parameters().Where(p => ParameterNames.IsPartOf(ParameterNames.VisionTower, p.name))
            .ToDictionary(p => p.name, p => p.parameter.detach().clone());
    }
}
