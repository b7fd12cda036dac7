using System.Diagnostics;
using System.Text.Json.Nodes;
using Pfmvg.Models;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using Pfmvg.Weights.Torch;
using static Pfmvg.Tests.Weights.TestTensors;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Golden;

/// <summary>Files that the original tools wrote, and files made to do harm.</summary>
[Trait("Category", "Golden")]
public sealed class WeightsTests
{
    private const string Checkpoint = "minigptv2_checkpoint.pth";

    public static TheoryData<string> Checkpoints => Names("minigptv2_checkpoint*.pth");

    public static TheoryData<string> Hostile => Names(Path.Combine("hostile", "*"));

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Every_checkpoint_format_and_naming_gives_the_same_weights(string name)
    {
        using var reference = WeightFile.Open(Fixtures.Path("weights", Checkpoint));
        using var file = WeightFile.Open(Fixtures.Path("weights", name));
        AssertSameWeights(reference, file, ParameterNames.FromPeft);
        Assert.All(file.Tensors.Keys,
            key => Assert.DoesNotContain("base_model.model", ParameterNames.FromPeft(key), StringComparison.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void A_checkpoint_gives_its_optimizer_configuration_and_epoch_as_plain_data(string name)
    {
        using var reference = WeightFile.Open(Fixtures.Path("weights", Checkpoint));
        using var file = WeightFile.Open(Fixtures.Path("weights", name));
        Assert.Equal(["config", "epoch", "optimizer", "scaler"], file.Metadata.Keys.Order(StringComparer.Ordinal));
        Assert.True(Assert.IsType<long>(file.Metadata["epoch"]) >= 0);
        Assert.Null(file.Metadata["scaler"]);
        Assert.True(JsonNode.DeepEquals(
            WeightListing.ToJson(reference)["metadata"]!["config"], WeightListing.ToJson(file)["metadata"]!["config"]));
        var config = Assert.IsAssignableFrom<IReadOnlyDictionary<string, object?>>(file.Metadata["config"]);
        Assert.Contains(config.Values, value => value is IReadOnlyDictionary<string, object?> { Count: > 0 });

        var moments = All(file).Skip(file.Tensors.Count).ToList();
        Assert.Equal(All(reference).Skip(reference.Tensors.Count).Select(info => info.Name), moments.Select(info => info.Name));
        Assert.Contains(moments, info => info.Name == "optimizer/state/0/exp_avg");
        using var scope = NewDisposeScope();
        foreach (var info in moments) AssertSame(reference.Read(info.Name), file.Read(info.Name), info.Name);
    }

    [Fact]
    public void Shards_of_bin_files_and_one_safetensors_file_give_the_same_language_model()
    {
        using var shards = WeightFile.Open(Fixtures.Path("weights", "llama"));
        using var single = WeightFile.Open(Fixtures.Path("weights", "llama_safetensors"));
        AssertSameWeights(single, shards, name => name.EndsWith(".rotary_emb.inv_freq", StringComparison.Ordinal) ? null : name);
        var config = Fixtures.Json("weights", "llama", "config.json");
        Assert.Equal(
            [config["vocab_size"]!.GetValue<long>(), config["hidden_size"]!.GetValue<long>()],
            shards.Tensors["model.embed_tokens.weight"].Shape);
    }

    [Fact]
    public void The_vision_checkpoint_has_the_visual_encoders_names_without_prefix()
    {
        using var file = WeightFile.Open(Fixtures.Path("weights", "eva_vit_g.pth"));
        var vision = Fixtures.Json("model.json")["vision"]!;
        var (width, patch) = (vision["width"]!.GetValue<long>(), vision["patch_size"]!.GetValue<long>());
        Assert.Equal([width, 3, patch, patch], file.Tensors["patch_embed.proj.weight"].Shape);
        Assert.Equal([width], file.Tensors["blocks.0.attn.q_bias"].Shape);
        Assert.All(file.Tensors.Values.Where(info => info.Name.StartsWith("blocks.", StringComparison.Ordinal)),
            info => Assert.Equal(ScalarType.Float16, info.Type));
        ReadAll(file);
    }

    [Theory]
    [InlineData("odd_storages.pth", "odd_storages.expected.json")]
    [InlineData("dtypes.safetensors", "dtypes.expected.json")]
    public void Every_storage_layout_and_type_has_exactly_the_expected_values(string name, string expectedName)
    {
        using var scope = NewDisposeScope();
        using var file = WeightFile.Open(Fixtures.Path("weights", name));
        var expected = Fixtures.Json("weights", expectedName).AsObject();
        Assert.Equal(expected.Select(entry => entry.Key).Order(StringComparer.Ordinal), file.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (var (key, entry) in expected)
        {
            var tensor = file.Read(key);
            Assert.Equal(entry!["shape"]!.AsArray().Select(size => size!.GetValue<long>()), tensor.shape);
            Assert.Equal(TypeOf(entry["dtype"]!.GetValue<string>()), tensor.dtype);
            var values = entry["values"]!.AsArray().Select(value => value!.GetValue<double>()).ToArray();
            var actual = values.Length == 0 ? [] : tensor.to(ScalarType.Float64).view(-1).data<double>().ToArray();
            Assert.Equal(values, actual);

            // Into a target that exists, too: another route to the same values.
            var target = full(tensor.shape, 1, tensor.dtype);
            Assert.Null(file.ReadInto(key, target));
            AssertSame(tensor, target, key);
        }
    }

    [Theory]
    [MemberData(nameof(Hostile))]
    public void A_hostile_file_is_refused_or_reported_at_once_without_what_it_claims(string name)
    {
        var path = Fixtures.Path("weights", name);
        var clock = Stopwatch.StartNew();
        var before = GC.GetAllocatedBytesForCurrentThread();
        var kind = Path.GetFileNameWithoutExtension(name);
        if (kind is "bad_shape" or "nan" or "inf")
        {
            using var file = WeightFile.Open(path);
            ReadAll(file);
        }
        else
        {
            var refusal = Assert.Throws<InputException>(() => WeightFile.Open(path));
            Assert.StartsWith(path, refusal.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', refusal.Message);
            if (kind.StartsWith("malicious", StringComparison.Ordinal))
                Assert.Contains("system", refusal.Message, StringComparison.Ordinal);
        }

        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(1), $"took {clock.Elapsed}");
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < (4 << 20) + 20 * new FileInfo(path).Length, $"{allocated} bytes allocated");
        foreach (var folder in new[] { Environment.CurrentDirectory, Path.GetDirectoryName(path)! })
            foreach (var trace in new[] { "pwned", "evil", "../evil", "../../evil2" })
                Assert.False(File.Exists(Path.Combine(folder, trace)), $"{trace} in {folder}");
    }

    [Theory]
    [InlineData("bad_shape.pth")]
    [InlineData("nan.pth")]
    [InlineData("inf.pth")]
    public void A_readable_file_with_wrong_content_is_reported_when_it_is_applied(string name)
    {
        var path = Fixtures.Path("weights", "hostile", name);
        using var scope = NewDisposeScope();
        using var reference = WeightFile.Open(Fixtures.Path("weights", Checkpoint));
        using var file = WeightFile.Open(path);
        var targets = reference.Tensors.Keys.ToDictionary(ParameterNames.FromPeft, reference.Read);
        var before = targets.ToDictionary(target => target.Key, target => target.Value.clone());
        var report = WeightLoader.Load(targets, file, ParameterNames.FromPeft, LoadRules.WhatIsThere);
        Assert.Contains(path, Assert.Throws<InputException>(() => report.ThrowIfUnusable(path)).Message, StringComparison.Ordinal);
        if (name == "bad_shape.pth")
        {
            var wrong = Assert.Single(report.WrongShape);
            Assert.Contains(".lora_A.", wrong.Name, StringComparison.Ordinal);
            Assert.Empty(report.Loaded);
            foreach (var (key, value) in before) AssertSame(value, targets[key], key);
            return;
        }

        var broken = Assert.Single(report.NotFinite);
        var row = targets[broken.Name];
        foreach (var index in broken.Index) row = row[index];
        Assert.Equal(name == "nan.pth", double.IsNaN(row.to(ScalarType.Float64).item<double>()));
        Assert.Equal(name == "inf.pth", double.IsInfinity(row.to(ScalarType.Float64).item<double>()));
        Assert.Contains(broken.ToString(), report.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_written_in_any_format_reads_back_as_it_was()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in new[] { "eva_vit_g.pth", "odd_storages.pth", "dtypes.safetensors", "llama", Checkpoint })
        {
            using var file = WeightFile.Open(Fixtures.Path("weights", name));
            TensorInfo[] plan = [.. file.Tensors.Values];
            SafeTensors.Write(folder.In(name + ".safetensors"), plan, info => file.Read(info.Name));
            TorchPickle.Write(folder.In(name + ".pth"), plan, info => file.Read(info.Name));
            var largest = plan.Max(info => info.Bytes);
            ShardedCheckpoint.Write(folder.In(name + "-a"), plan, info => file.Read(info.Name), ShardFormat.SafeTensors, largest, "{}");
            ShardedCheckpoint.Write(folder.In(name + "-b"), plan, info => file.Read(info.Name), ShardFormat.Torch, largest, "{}");
            foreach (var ending in new[] { ".safetensors", ".pth", "-a", "-b" })
            {
                using var copy = WeightFile.Open(folder.In(name + ending));
                AssertSameWeights(file, copy);
            }
        }
    }

    private static TheoryData<string> Names(string pattern) =>
        [.. Directory.EnumerateFiles(Fixtures.Path("weights"), pattern).Select(path => Path.GetRelativePath(Fixtures.Path("weights"), path))
            .Order(StringComparer.Ordinal)];

    private static ScalarType TypeOf(string name) => name switch
    {
        "float32" or "F32" => ScalarType.Float32,
        "float16" or "F16" => ScalarType.Float16,
        "bfloat16" or "BF16" => ScalarType.BFloat16,
        "float64" or "F64" => ScalarType.Float64,
        "int64" or "I64" => ScalarType.Int64,
        "int32" or "I32" => ScalarType.Int32,
        "int16" or "I16" => ScalarType.Int16,
        "int8" or "I8" => ScalarType.Int8,
        "uint8" or "U8" => ScalarType.Byte,
        "bool" or "BOOL" => ScalarType.Bool,
        _ => throw new InvalidDataException($"Unknown type {name}."),
    };
}
