using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Exporting;
using Pfmvg.Tests.Golden;
using Pfmvg.Tests.Support;
using Pfmvg.Tests.Weights;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Exporting;

/// <summary>Out and in again: what was exported answers as before, and its files hold what other programs expect.</summary>
[Collection(nameof(Alone))]
public sealed class RoundTripTests : IDisposable
{
    private static readonly string Files = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Exporting", "Files");

    private readonly ExportWorkspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Theory]
    [InlineData("Peft", "adapter")]
    [InlineData("MiniGptV2", "checkpoint.pth")]
    public void What_keeps_its_tensors_gives_the_same_logits_to_the_last_bit(string format, string name)
    {
        var check = ExportWorkspace.Run(_workspace.Options(Enum.Parse<ExportFormat>(format), name)).Comparison!;
        Assert.Equal((0.0, 0), (check.Largest, check.ChangedAnswers));
        Assert.True(check is { Scale: > 1, Positions: > 100, Passed: true });
    }

    [Theory]
    [InlineData(PeftNames.Plain, "minigptv2_checkpoint.pth")]
    [InlineData(PeftNames.Named, "minigptv2_checkpoint_newpeft.pth")]
    internal void A_checkpoint_of_the_original_code_comes_out_as_it_went_in(PeftNames names, string original)
    {
        var options = _workspace.Options(ExportFormat.MiniGptV2, "checkpoint.pth") with { Names = names };
        Assert.Equal(_workspace.In("checkpoint.pth"), ExportWorkspace.Run(options).Path);
        using var before = WeightFile.Open(Fixtures.Path("weights", original));
        using var after = WeightFile.Open(options.Output);
        TestTensors.AssertSameWeights(before, after);
        Assert.Equal(before.Metadata["epoch"], after.Metadata["epoch"]);
        var (was, config) = (Model(before.Metadata), Model(after.Metadata));
        foreach (var key in (string[])["arch", "image_size", "lora_r", "lora_alpha"]) Assert.Equal(was[key], config[key]);
        Assert.Equal(ExportWorkspace.Answers(ExportWorkspace.Configuration()),
            ExportWorkspace.Answers(ExportWorkspace.Configuration($"weights.start={options.Output}")));

        static IReadOnlyDictionary<string, object?> Model(IReadOnlyDictionary<string, object?> metadata) =>
            (IReadOnlyDictionary<string, object?>)((IReadOnlyDictionary<string, object?>)metadata["config"]!)["model"]!;
    }

    [Fact]
    public void An_adapter_that_peft_wrote_comes_out_as_peft_wrote_it()
    {
        var (theirs, ours) = (Path.Combine(Files, "peft-0.21"), _workspace.In("adapter"));
        ExportWorkspace.Run(
            _workspace.Options(ExportFormat.Peft, "adapter", Path.Combine(Files, "peft-0.21.pth")) with { Verify = false },
            ConfigurationFile.Load(null, ["weights.start=null", "weights.language=llama", "model.language.hidden_size=64",
                "model.language.layers=2", "model.language.heads=4", "model.lora.rank=4", "model.lora.alpha=8", "model.lora.dropout=0"]));
        using var before = WeightFile.Open(Path.Combine(theirs, "adapter_model.safetensors"));
        using var after = WeightFile.Open(Path.Combine(ours, "adapter_model.safetensors"));
        TestTensors.AssertSameWeights(before, after);
        Assert.Equal(before.Metadata, after.Metadata);
        var settings = JsonNode.Parse(File.ReadAllText(Path.Combine(theirs, "adapter_config.json")))!.AsObject();
        foreach (var (key, value) in JsonNode.Parse(File.ReadAllText(Path.Combine(ours, "adapter_config.json")))!.AsObject())
            Assert.True(settings.ContainsKey(key) && JsonNode.DeepEquals(settings[key], value), $"{key}: {value} and {settings[key]}");
    }

    [Fact]
    public void An_adapter_folder_goes_in_and_comes_out_again()
    {
        var first = ExportWorkspace.Run(_workspace.Options(ExportFormat.Peft, "first")).Path!;
        var unstarted = ExportWorkspace.Configuration("weights.start=null");
        var second = ExportWorkspace.Run(_workspace.Options(ExportFormat.Peft, "second", first), unstarted).Path!;
        foreach (var name in (string[])["adapter_config.json", "adapter_model.safetensors", ExportForm.ProjectorFile])
            Assert.True(File.ReadAllBytes(Path.Combine(first, name)).SequenceEqual(File.ReadAllBytes(Path.Combine(second, name))), name);
        Assert.Equal(ExportWorkspace.Answers(ExportWorkspace.Configuration()),
            ExportWorkspace.Answers(ExportWorkspace.Configuration($"weights.start={first}")));
    }

    [Fact]
    public void A_tied_head_comes_out_as_a_head_of_its_own()
    {
        using var scope = NewDisposeScope();
        var language = _workspace.CopyLanguage();
        foreach (var weights in Directory.GetFiles(language).Where(path => path.Contains("model-") || path.Contains("model.bin.")))
            File.Delete(weights);
        using (var whole = WeightFile.Open(ReferenceModel.Language))
            SafeTensors.Write(Path.Combine(language, "model.safetensors"), whole.Tensors.Keys.Where(name => name != "lm_head.weight")
                .Select(name => KeyValuePair.Create(name, whole.Read(name))));
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(language, "config.json")))!.AsObject();
        config["tie_word_embeddings"] = true;
        File.WriteAllText(Path.Combine(language, "config.json"), config.ToJsonString());
        var result = ExportWorkspace.Run(_workspace.Options(ExportFormat.Hf, "merged"),
            ExportWorkspace.Configuration($"weights.language={language}", "model.language.vocabulary=0"));
        Assert.True(result.Comparison!.Passed);
        using var merged = WeightFile.Open(result.Path!);
        TestTensors.AssertSame(merged.Read("model.embed_tokens.weight"), merged.Read("lm_head.weight"), "head");
        Assert.False((bool)JsonNode.Parse(File.ReadAllText(Path.Combine(result.Path!, "config.json")))!["tie_word_embeddings"]!);
    }

    [Fact]
    public void The_projector_beside_an_adapter_loads_where_a_checkpoint_does()
    {
        ExportWorkspace.Run(_workspace.Options(ExportFormat.Peft, "adapter"));
        using var model = new ReferenceModel();
        using var fresh = model.Load(ReferenceModel.Paths with { Start = _workspace.In("adapter", ExportForm.ProjectorFile) });
        foreach (var name in (string[])["llama_proj.weight", "llama_proj.bias", "ln_vision.weight", "ln_vision.bias"])
            TestTensors.AssertSame(model.Model.get_parameter(name)!, fresh.get_parameter(name)!, name);
    }

    [Theory]
    [InlineData("Float32", long.MaxValue)]
    [InlineData("BFloat16", 100_000)]
    public void A_merged_folder_holds_the_sum_rounded_once_and_the_rest_unchanged(string type, long shard)
    {
        using var scope = NewDisposeScope();
        var element = Enum.Parse<ScalarType>(type);
        var options = _workspace.Options(ExportFormat.Hf, "merged") with { MergedType = element, MaxShardBytes = shard };
        var result = ExportWorkspace.Run(options);
        Assert.Equal(shard < long.MaxValue, Directory.GetFiles(result.Path!, "model-*-of-*.safetensors").Length > 1);
        using var reference = new ReferenceModel();
        using var before = WeightFile.Open(ReferenceModel.Language);
        using var after = WeightFile.Open(result.Path!);
        Assert.Equal(
            before.Tensors.Keys.Where(name => !name.EndsWith("inv_freq", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
            after.Tensors.Keys.Order(StringComparer.Ordinal));
        var merged = 0;
        foreach (var name in after.Tensors.Keys)
        {
            var (value, model) = (before.Read(name), "llama_model." + name);
            if (reference.Model.get_parameter(model.Replace(".weight", ".lora_A.weight", StringComparison.Ordinal)) is { } down)
            {
                var up = reference.Model.get_parameter(model.Replace(".weight", ".lora_B.weight", StringComparison.Ordinal))!;
                value = value.to(ScalarType.Float32).add(up.detach().matmul(down.detach()).mul(reference.Config.Lora.Scale));
                merged++;
            }

            TestTensors.AssertSame(value.to(element), after.Read(name), name);
        }

        Assert.Equal(reference.Config.Language.Layers * 2, merged);
    }

    [Fact]
    public void A_merged_folder_in_float32_answers_as_the_model_did_and_so_it_does_in_its_own_folder()
    {
        var result = ExportWorkspace.Run(_workspace.Options(ExportFormat.Hf, "merged"));
        Assert.True(result.Comparison is { Passed: true, ChangedAnswers: 0 });
        Assert.InRange(result.Comparison!.Largest, 0, 2e-5 * result.Comparison.Scale);
        var settings = ConfigurationFile.Load(Path.Combine(result.Path!, "pfmvg.yaml"), [$"workspace={result.Path}", "threads=1"]);
        Assert.Equal(ExportWorkspace.Answers(ExportWorkspace.Configuration()), ExportWorkspace.Answers(settings));
        var there = Shell.Run("dotnet", [Shell.Pfmvg, "predict", "--config", "pfmvg.yaml", "--from", "base", "--json", "--phrase",
            "effusion", "--image", Fixtures.Path("preprocess", "gray8.png")], folder: result.Path);
        Assert.True(there.ExitCode == 0, $"{there}");
        Assert.Equal(ExportWorkspace.Answers(settings)[0], (string)JsonNode.Parse(there.Output)!["answer"]!);
    }

    [Fact]
    public void Rounding_a_merged_model_has_a_price_that_is_measured()
    {
        var options = _workspace.Options(ExportFormat.Hf, "merged") with { MergedType = ScalarType.BFloat16 };
        var check = ExportWorkspace.Run(options).Comparison!;
        // Of 8 bits of mantissa a logit keeps more than a hundredth and less than all.
        Assert.InRange(check.Largest, 1e-4 * check.Scale, check.Bound);
        Assert.Contains($"{check.ChangedAnswers} of {check.Prompts} greedy answers changed",
            File.ReadAllText(_workspace.In("merged", "README.md")), StringComparison.Ordinal);
    }

    [Fact]
    public void The_same_export_gives_the_same_files()
    {
        foreach (var format in (ExportFormat[])[ExportFormat.Peft, ExportFormat.Hf])
        {
            var (first, second) = (ExportWorkspace.Run(_workspace.Options(format, $"{format}1")).Path!,
                ExportWorkspace.Run(_workspace.Options(format, $"{format}2")).Path!);
            var names = Names(first);
            Assert.Equal(names, Names(second));
            Assert.All(names, name => Assert.True(Bytes(first, name).SequenceEqual(Bytes(second, name)), name));
        }

        static byte[] Bytes(string folder, string name) => File.ReadAllBytes(Path.Combine(folder, name));

        static string[] Names(string folder) => [.. Directory.GetFiles(folder, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder, path)).Order(StringComparer.Ordinal)];
    }
}
