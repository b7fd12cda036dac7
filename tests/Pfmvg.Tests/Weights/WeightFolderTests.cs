using Pfmvg.Tests.Support;
using Pfmvg.Weights.Loading;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

public sealed class WeightFolderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Canonical_names_win_over_what_training_leaves_beside_them()
    {
        foreach (var stray in new[] { "training_args.bin", "optimizer.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "other.bin",
            "consolidated.00.pth", "random_states_0.pkl" })
            File.WriteAllText(_folder.In(stray), "not to be opened");
        Write("pytorch_model.bin", "a");
        Assert.Equal("a", Only());
    }

    [Fact]
    public void A_stray_is_never_the_one_file_with_weights()
    {
        File.WriteAllText(_folder.In("training_args.bin"), "not to be opened");
        Write("adapted.bin", "a");
        Assert.Equal("a", Only());
    }

    [Fact]
    public void An_index_without_its_shards_gives_way_to_one_that_has_them()
    {
        File.WriteAllText(_folder.In("model.safetensors.index.json"), """{"weight_map": {"a": "model-00001-of-00001.safetensors"}}""");
        Assert.Contains("the shard is missing", Refused(_folder.Path), StringComparison.Ordinal);
        Write("shard.bin", "b");
        File.WriteAllText(_folder.In("pytorch_model.bin.index.json"), """{"weight_map": {"b": "shard.bin"}}""");
        Assert.Equal("b", Only());
    }

    [Fact]
    public void The_root_of_a_cache_stands_for_its_snapshot()
    {
        foreach (var revision in new[] { "first", "second" })
            Write(Path.Combine("snapshots", revision, "pytorch_model.bin"), revision);
        Assert.Contains("snapshots", Refused(_folder.Path), StringComparison.Ordinal);
        Directory.CreateDirectory(_folder.In("refs"));
        File.WriteAllText(_folder.In(Path.Combine("refs", "main")), "second");
        Assert.Equal("second", Only());
    }

    [Fact]
    public void Links_into_a_cache_are_followed()
    {
        Write("blob", "a");
        Directory.CreateDirectory(_folder.In("snapshot"));
        File.CreateSymbolicLink(_folder.In("snapshot/pytorch_model.bin"), "../blob");
        using var file = WeightFile.Open(_folder.In("snapshot"));
        Assert.Equal("a", Assert.Single(file.Tensors.Keys));
    }

    [Fact]
    public void A_link_to_nothing_is_named()
    {
        File.CreateSymbolicLink(_folder.In("model.safetensors"), "../blobs/absent");
        Assert.Contains("is a link to ../blobs/absent, which is not there", Refused(_folder.Path), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("__0_0.distcp", "dcp_to_torch_save")]
    [InlineData(".metadata", "dcp_to_torch_save")]
    [InlineData("consolidated.00.pth", "Meta's own layout")]
    [InlineData("llama.Q4_K_M.gguf", "GGUF")]
    [InlineData("zero_to_fp32.py", "zero_to_fp32.py")]
    [InlineData("tf_model.h5", "TensorFlow")]
    [InlineData("flax_model.msgpack", "Flax")]
    [InlineData("model.onnx", "ONNX")]
    [InlineData("models--lab--llama", "snapshots")]
    public void A_folder_in_another_programs_layout_is_refused_by_its_name(string entry, string named)
    {
        File.WriteAllText(_folder.In(entry), "x");
        Assert.Contains(named, Refused(_folder.Path), StringComparison.Ordinal);
        Write("pytorch_model.bin", "a"); // beside a canonical file it is a stray
        Assert.Equal("a", Only());
    }

    [Theory]
    [InlineData("llama.f16.gguf", "GGUF")]
    [InlineData("consolidated.00.pth", "Meta's own layout")]
    [InlineData("pytorch_model.bin", "a file, not a folder")]
    public void A_file_in_place_of_a_folder_is_refused_by_what_it_is(string name, string named)
    {
        Write(name, "a");
        Assert.Contains(named, Assert.Throws<InputException>(() => WeightFolder.RefuseOtherKinds(_folder.In(name))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_pointer_in_place_of_an_index_is_named()
    {
        File.WriteAllText(_folder.In("model.safetensors.index.json"), "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n");
        Assert.Contains("git-lfs pointer", Refused(_folder.Path), StringComparison.Ordinal);
    }

    private void Write(string name, string tensor)
    {
        using var scope = NewDisposeScope();
        TorchPickle.Write(_folder.In(name), new Dictionary<string, Tensor> { [tensor] = ones(2) });
    }

    private string Only()
    {
        using var file = WeightFile.Open(_folder.Path);
        return Assert.Single(file.Tensors.Keys);
    }

    private static string Refused(string path) => Assert.Throws<InputException>(() => WeightFile.Open(path)).Message;
}
