using System.Text.Json.Nodes;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

public sealed class ShardedCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(ShardFormat.SafeTensors, "model.safetensors.index.json", "model-00002-of-00003.safetensors")]
    [InlineData(ShardFormat.Torch, "pytorch_model.bin.index.json", "pytorch_model-00002-of-00003.bin")]
    public void A_folder_has_Hugging_Faces_names_sizes_and_order(ShardFormat format, string index, string second)
    {
        Write(format);
        Assert.Equal(5, Directory.GetFiles(_folder.Path).Length); // 3 shards, the index, config.json
        Assert.Equal("{}", File.ReadAllText(_folder.In("config.json")));
        var json = JsonNode.Parse(File.ReadAllText(_folder.In(index)))!;
        Assert.Equal(4 * 100 * 4, json["metadata"]!["total_size"]!.GetValue<long>());
        Assert.Equal(second, json["weight_map"]!["b"]!.GetValue<string>());
        using var file = WeightFile.Open(_folder.Path);
        Assert.Equal(4, file.Tensors.Count);
        foreach (var name in file.Tensors.Keys)
        {
            using var scope = NewDisposeScope();
            TestTensors.AssertSame(Value(name), file.Read(name), name);
        }
    }

    [Theory]
    [InlineData("../evil.bin")]
    [InlineData("/etc/passwd")]
    [InlineData("sub/x.bin")]
    [InlineData("..")]
    [InlineData("")]
    [InlineData("a\\b.bin")]
    public void A_shard_outside_the_folder_is_refused(string shard) =>
        Assert.Contains("not a file of its own folder", RefusedAfter(json => json["weight_map"]!["a"] = shard), StringComparison.Ordinal);

    [Fact]
    public void A_missing_shard_is_named()
    {
        Write(ShardFormat.Torch);
        File.Delete(_folder.In("pytorch_model-00003-of-00003.bin"));
        var message = Assert.Throws<InputException>(() => WeightFile.Open(_folder.Path)).Message;
        Assert.Contains("pytorch_model-00003-of-00003.bin: the shard is missing", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tensor_that_its_shard_lacks_is_named() =>
        Assert.Contains("says that 'z' is in", RefusedAfter(json => json["weight_map"]!["z"] = "pytorch_model-00001-of-00003.bin"),
            StringComparison.Ordinal);

    [Fact]
    public void The_index_decides_between_two_tensors_of_one_name()
    {
        Write(ShardFormat.Torch);
        using var scope = NewDisposeScope();
        TorchPickle.Write(_folder.In("pytorch_model-00003-of-00003.bin"), new Dictionary<string,
            Tensor> { ["c"] = Value("c"), ["d"] = Value("d"), ["a"] = Value("d") });
        using var file = WeightFile.Open(_folder.Path);
        TestTensors.AssertSame(Value("a"), file.Read("a"), "a");
    }

    [Fact]
    public void An_index_that_is_not_JSON_of_an_index_is_refused()
    {
        foreach (var text in new[] { "", "[]", "{}", "{\"weight_map\": 1}", "{\"weight_map\": {\"a\": 1}}", "{\"weight_map\": {}}" })
        {
            File.WriteAllText(_folder.In("model.safetensors.index.json"), text);
            Assert.Throws<InputException>(() => WeightFile.Open(_folder.Path));
        }
    }

    [Fact]
    public void A_folder_with_no_weights_or_several_candidates_is_refused()
    {
        Assert.Contains("no weights", Assert.Throws<InputException>(() => WeightFile.Open(_folder.Path)).Message, StringComparison.Ordinal);
        Write(ShardFormat.Torch);
        File.Delete(_folder.In("pytorch_model.bin.index.json"));
        Assert.Contains("several files", Assert.Throws<InputException>(() => WeightFile.Open(_folder.Path)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void One_shard_needs_no_index()
    {
        ShardedCheckpoint.Write(
            _folder.Path, [TensorInfo.Describe("a", ScalarType.Float32, 100)], info => Value(info.Name), ShardFormat.Torch, 1 << 20);
        Assert.Equal(["pytorch_model.bin"], Directory.GetFiles(_folder.Path).Select(Path.GetFileName));
        using var file = WeightFile.Open(_folder.Path);
        Assert.Equal("a", Assert.Single(file.Tensors.Keys));
    }

    // 400 bytes each, at most 800 in a shard, "b" of 800 bytes alone: [a], [b], [c, d].
    private void Write(ShardFormat format) => ShardedCheckpoint.Write(
        _folder.Path, [.. new[] { "a", "b", "c", "d" }.Select(name => TensorInfo.Describe(name, Value(name)))],
        info => Value(info.Name), format, 600, "{}");

    private static Tensor Value(string name) => full(name switch { "b" => 200, "c" or "d" => 50, _ => 100 }, name[0], ScalarType.Float32);

    private string RefusedAfter(Action<JsonNode> change)
    {
        Write(ShardFormat.Torch);
        var path = _folder.In("pytorch_model.bin.index.json");
        var json = JsonNode.Parse(File.ReadAllText(path))!;
        change(json);
        File.WriteAllText(path, json.ToJsonString());
        return Assert.Throws<InputException>(() => WeightFile.Open(_folder.Path)).Message;
    }
}
