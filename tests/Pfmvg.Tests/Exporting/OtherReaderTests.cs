using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Pfmvg.Exporting;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Exporting;

/// <summary>Exports read by others than the program that wrote them: a checker of the format's specification, and PyTorch.</summary>
public sealed class OtherReaderTests : IDisposable
{
    private static readonly Dictionary<string, int> Widths = new() { ["F32"] = 4, ["F16"] = 2, ["BF16"] = 2 };

    private readonly ExportWorkspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public void Every_safetensors_file_keeps_to_the_specification_byte_by_byte()
    {
        ExportWorkspace.Run(_workspace.Options(ExportFormat.Peft, "adapter") with { Verify = false });
        ExportWorkspace.Run(_workspace.Options(ExportFormat.Hf, "merged") with
        {
            Verify = false, MergedType = TorchSharp.torch.ScalarType.BFloat16, MaxShardBytes = 100_000,
        });
        var files = Directory.GetFiles(_workspace.Path, "*.safetensors", SearchOption.AllDirectories);
        Assert.True(files.Length > 5, $"{files.Length} files"); // an adapter and its projector, several shards, vision tower and projector
        Assert.All(files, Check);
    }

    /// <summary>Debian's python3-torch 1.13 reads the checkpoint; what it sums is what we sum.</summary>
    [Theory, InlineData("minigptv2_checkpoint.pth", "Plain"), InlineData("minigptv2_checkpoint_newpeft.pth", "Named")]
    public void Pytorch_loads_the_checkpoint_and_finds_what_it_finds_in_the_original(string original, string names)
    {
        const string Python = "/usr/bin/python3";
        Assert.SkipUnless(File.Exists(Python) && Shell.Run(Python, ["-c", "import torch"]).ExitCode == 0,
            "PyTorch is not installed: apt-get install python3-torch");
        var options = _workspace.Options(ExportFormat.MiniGptV2, "checkpoint.pth");
        ExportWorkspace.Run(options with { Verify = false, Names = Enum.Parse<PeftNames>(names) });
        const string Program = """
            import sys, torch
            theirs, ours = (torch.load(path, map_location="cpu") for path in sys.argv[1:])
            assert list(ours) == ["model", "config", "epoch"], list(ours)
            assert ours["epoch"] == theirs["epoch"] and type(ours["epoch"]) is int
            assert ours["config"]["model"]["lora_alpha"] == theirs["config"]["model"]["lora_alpha"]
            assert set(ours["model"]) == set(theirs["model"]), set(ours["model"]) ^ set(theirs["model"])
            for name, value in theirs["model"].items():
                assert ours["model"][name].dtype == value.dtype and torch.equal(ours["model"][name], value), name
            module = torch.nn.Linear(*reversed(ours["model"]["llama_proj.weight"].shape))
            module.load_state_dict({name[11:]: value for name, value in ours["model"].items() if name.startswith("llama_proj.")})
            print(len(ours["model"]), "tensors are equal")
            """;
        var result = Shell.Run(Python, ["-c", Program, Fixtures.Path("weights", original), options.Output]);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.EndsWith("tensors are equal", result.Output.Trim(), StringComparison.Ordinal);
    }

    /// <summary>
    /// 8 bytes of little-endian length; a JSON object that begins with its brace and is padded by spaces; no name twice; metadata of texts;
    /// offsets that leave no hole from 0 to the end of the file, and fit type and shape.
    /// </summary>
    private static void Check(string path)
    {
        var bytes = File.ReadAllBytes(path);
        var length = (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        var header = Encoding.UTF8.GetString(bytes, 8, length);
        Assert.Equal('{', header[0]);
        Assert.EndsWith("}", header.TrimEnd(' '), StringComparison.Ordinal);
        Assert.Equal(0, (8 + length) % 8);
        using var json = JsonDocument.Parse(header, new JsonDocumentOptions { AllowDuplicateProperties = false });
        var places = new List<(long Begin, long End)>();
        foreach (var entry in json.RootElement.EnumerateObject())
        {
            if (entry.Name == "__metadata__")
            {
                Assert.All(entry.Value.EnumerateObject(), text => Assert.Equal(JsonValueKind.String, text.Value.ValueKind));
                continue;
            }

            Assert.Equal(["data_offsets", "dtype", "shape"], entry.Value.EnumerateObject().Select(field => field.Name).Order());
            var shape = entry.Value.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64()).ToArray();
            var offsets = entry.Value.GetProperty("data_offsets").EnumerateArray().Select(offset => offset.GetInt64()).ToArray();
            var width = Widths[entry.Value.GetProperty("dtype").GetString()!];
            Assert.Equal(2, offsets.Length);
            Assert.Equal(shape.Aggregate((long)width, (product, size) => product * size), offsets[1] - offsets[0]);
            places.Add((offsets[0], offsets[1]));
        }

        Assert.NotEmpty(places);
        long end = 0;
        foreach (var place in places.Order())
        {
            Assert.Equal(end, place.Begin);
            end = place.End;
        }

        Assert.Equal(bytes.Length, 8 + length + end);
    }
}
