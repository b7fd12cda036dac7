using System.IO.Compression;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Loading;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Weights;

/// <summary>What PyTorch expects of a file; torch.load of PyTorch 1.13 was run on such files once and gave the same content.</summary>
public sealed class TorchPickleWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_checkpoint_in_the_original_layout_reads_back_as_it_was()
    {
        using var scope = NewDisposeScope();
        var weight = arange(0, 12, ScalarType.Float32).view(3, 4).t();
        var path = _folder.In("checkpoint.pth");
        TorchPickle.Write(path, new Dictionary<string, object?>
        {
            ["model"] = new Dictionary<string, Tensor> { ["llama_proj.weight"] = weight,
                ["llama_proj.bias"] = ones(3, ScalarType.BFloat16) },
            ["optimizer"] = new Dictionary<string, object?>
            {
                ["state"] = new Dictionary<long, object?> { [0] = new Dictionary<string,
                    object?> { ["step"] = tensor(2f), ["exp_avg"] = weight } },
                ["param_groups"] = new List<object?>
                {
                    new Dictionary<string, object?> { ["betas"] = new object?[] { 0.9, 0.999 }, ["params"] = new List<object?> { 0L } },
                },
            },
            ["config"] = new Dictionary<string,
            object?> { ["text"] = "\u00e9 </s>", ["large"] = 1L << 40, ["least"] = long.MinValue, ["truth"] = true },
            ["scaler"] = null,
            ["epoch"] = 3,
        });

        using var file = WeightFile.Open(path);
        Assert.Equal(["llama_proj.weight", "llama_proj.bias"], file.Tensors.Keys);
        TestTensors.AssertSame(weight, file.Read("llama_proj.weight"), "weight");
        TestTensors.AssertSame(weight, file.Read("optimizer/state/0/exp_avg"), "moment");
        Assert.Equal(3L, file.Metadata["epoch"]);
        Assert.Null(file.Metadata["scaler"]);
        Assert.Equal(
            new Dictionary<string, object?> { ["text"] = "\u00e9 </s>", ["large"] = 1L << 40, ["least"] = long.MinValue, ["truth"] = true },
            file.Metadata["config"]);
        Assert.Contains("\"betas\":[0.9,0.999],\"params\":[0]", WeightListing.ToJson(file)["metadata"]!["optimizer"]!.ToJsonString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_archive_has_torchs_entries_aligned_for_mapping()
    {
        using var scope = NewDisposeScope();
        var path = _folder.In("x.pth");
        TorchPickle.Write(path, new Dictionary<string, Tensor> { ["a"] = full(3, 1f), ["b"] = full(1000, 2f), ["c"] = full(1, 3f) });
        using (var zip = ZipFile.OpenRead(path))
        {
            Assert.Equal(
                ["archive/data.pkl", "archive/byteorder", "archive/data/0", "archive/data/1", "archive/data/2", "archive/version"],
                zip.Entries.Select(entry => entry.FullName));
            Assert.All(zip.Entries, entry => Assert.Equal(entry.Length, entry.CompressedLength));
            foreach (var entry in zip.Entries)
            {
                using var stream = entry.Open(); // checks the CRC
                stream.CopyTo(Stream.Null);
            }
        }

        var bytes = File.ReadAllBytes(path);
        Assert.Equal(0, bytes.AsSpan().IndexOf(new byte[] { 0, 0, 128, 63, 0, 0, 128, 63 }) % 64); // 1f 1f
        Assert.Equal(0, bytes.AsSpan().IndexOf(new byte[] { 0, 0, 0, 64, 0, 0, 0, 64 }) % 64);     // 2f 2f
    }

    [Fact]
    public void The_same_content_gives_the_same_file()
    {
        using var scope = NewDisposeScope();
        var content = new Dictionary<string, Tensor> { ["a"] = ones(3) };
        TorchPickle.Write(_folder.In("1.pth"), content);
        TorchPickle.Write(_folder.In("2.pth"), content);
        Assert.Equal(File.ReadAllBytes(_folder.In("1.pth")), File.ReadAllBytes(_folder.In("2.pth")));
    }

    [Fact]
    public void What_a_pickle_cannot_hold_is_refused_before_anything_is_written()
    {
        Assert.Throws<ArgumentException>(() =>
            TorchPickle.Write(_folder.In("x.pth"), new Dictionary<string, object?> { ["a"] = TimeSpan.Zero }));
        Assert.Empty(Directory.GetFileSystemEntries(_folder.Path));
    }
}
