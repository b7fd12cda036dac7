using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Exporting;
using Pfmvg.Runs;
using Pfmvg.Tests.Support;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Exporting;

/// <summary>What is in the way is said in a sentence, and nothing half stays.</summary>
public sealed class RefusalTests : IDisposable
{
    private readonly ExportWorkspace _workspace = new();

    public void Dispose() => _workspace.Dispose();

    [Fact]
    public void What_stands_at_the_place_is_replaced_only_when_it_is_an_earlier_export_and_that_is_wanted()
    {
        var options = _workspace.Options(ExportFormat.Hf, "merged") with { Verify = false, MaxShardBytes = 100_000 };
        ExportWorkspace.Run(options);
        Assert.Contains("exists already; choose another --out, or replace it with --overwrite", Refused(options), StringComparison.Ordinal);

        ExportWorkspace.Run(options with { Overwrite = true, MaxShardBytes = long.MaxValue });
        Assert.Equal(["model.safetensors"], Directory.GetFiles(options.Output, "model*").Select(Path.GetFileName));
        Assert.Equal([options.Output], Directory.GetFileSystemEntries(_workspace.Path));

        Directory.CreateDirectory(_workspace.In("notes"));
        File.WriteAllText(_workspace.In("notes", "mine.txt"), "mine");
        Assert.Contains("is not an earlier export (it has no export.json), so --overwrite does not touch it",
            Refused(options with { Output = _workspace.In("notes"), Overwrite = true }), StringComparison.Ordinal);
        Directory.CreateDirectory(_workspace.In("empty"));
        Assert.Equal(_workspace.In("empty"), ExportWorkspace.Run(options with { Output = _workspace.In("empty") }).Path);
    }

    [Fact]
    public void An_export_is_never_written_over_what_it_is_made_of()
    {
        var copy = _workspace.In("trained.pth");
        File.Copy(ExportWorkspace.Checkpoint, copy);
        var message = Refused(_workspace.Options(ExportFormat.MiniGptV2, "trained.pth", copy) with { Overwrite = true });
        Assert.Contains($"is what is read ({copy}); choose another --out", message, StringComparison.Ordinal);
        Assert.True(File.ReadAllBytes(ExportWorkspace.Checkpoint).SequenceEqual(File.ReadAllBytes(copy)));

        // Not even an earlier export, where it is the base that is read now.
        var merged = ExportWorkspace.Run(_workspace.Options(ExportFormat.Hf, "merged") with { Verify = false }).Path!;
        message = Refused(_workspace.Options(ExportFormat.Hf, "merged") with { Overwrite = true }, $"weights.language={merged}");
        Assert.Contains($"is what is read ({merged})", message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_killed_exports_left_is_removed_or_put_back()
    {
        var options = _workspace.Options(ExportFormat.Hf, "merged") with { Verify = false };
        var half = _workspace.In(".merged.123.0123456789abcdef0123456789abcdef.tmp"); // killed while it wrote
        Directory.CreateDirectory(half);
        File.WriteAllText(Path.Combine(half, "model.safetensors"), "half");
        var earlier = half + ".earlier"; // killed when the earlier export had gone and the new one had not come
        Directory.CreateDirectory(earlier);
        File.WriteAllText(Path.Combine(earlier, "export.json"), "{}");

        Assert.Throws<InputException>(() => // the disk lacks room: found after the look at what is left
            ExportTarget.Choose(options.Output, isFile: false, overwrite: false, []).Begin(long.MaxValue));
        Assert.Equal([options.Output], Directory.GetFileSystemEntries(_workspace.Path));
        Assert.Equal("{}", File.ReadAllText(Path.Combine(options.Output, "export.json")));
    }

    [Theory]
    [InlineData("Peft", "adapter")]
    [InlineData("Hf", "merged")]
    [InlineData("MiniGptV2", "checkpoint.pth")]
    public void An_interrupt_leaves_nothing_and_an_earlier_export_as_it_was(string format, string name)
    {
        var options = _workspace.Options(Enum.Parse<ExportFormat>(format), name) with { Verify = false, Overwrite = true };
        using var stop = new CancellationTokenSource();
        var session = new Session(ExportWorkspace.Configuration(), new SingleProcess(), new StopAfter(2, stop), stop.Token);
        Assert.ThrowsAny<OperationCanceledException>(() => ExportRun.Execute(session, options));
        Assert.Empty(Directory.GetFileSystemEntries(_workspace.Path));

        ExportWorkspace.Run(options);
        var before = Content();
        Assert.ThrowsAny<OperationCanceledException>(() => ExportRun.Execute(session, options));
        Assert.Equal(before, Content());

        string[] Content() => [.. Directory.GetFiles(_workspace.Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal)
            .Select(path => $"{path} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(path)))}")];
    }

    [Fact]
    public void A_base_that_lacks_a_tensor_or_is_of_another_size_is_refused_as_by_the_loader()
    {
        var options = _workspace.Options(ExportFormat.Hf, "merged") with { Verify = false };
        var language = _workspace.CopyLanguage();
        File.Delete(Path.Combine(language, "config.json")); // which would tell sooner
        var other = Refused(options, "weights.start=null", "model.language.intermediate_size=100", $"weights.language={language}");
        Assert.Contains("has the wrong shape for llama_model.model.layers.0.mlp.", other, StringComparison.Ordinal);
        Assert.Contains("lacks visual_encoder.blocks.", Refused(options, "weights.start=null", "model.vision.depth=9"),
            StringComparison.Ordinal);
        File.Delete(Path.Combine(language, "tokenizer.model"));
        Assert.Contains("tokenizer.model", Refused(options, $"weights.language={language}"), StringComparison.Ordinal);
        Assert.Equal([language], Directory.GetFileSystemEntries(_workspace.Path));
    }

    [Fact]
    public void Places_on_the_users_disk_do_not_come_out()
    {
        var language = _workspace.CopyLanguage();
        var config = Path.Combine(language, "config.json");
        var json = JsonNode.Parse(File.ReadAllText(config))!.AsObject();
        json["_name_or_path"] = "/home/someone/llama";
        json["max_position_embeddings"] = 777;
        File.WriteAllText(config, json.ToJsonString());
        File.WriteAllText(Path.Combine(language, "tokenizer_config.json"),
            """{"name_or_path": "/home/someone/llama", "tokenizer_file": "/home/someone/x", "legacy": true}""");
        File.WriteAllText(Path.Combine(language, "special_tokens_map.json"), "{}");
        var folder = ExportWorkspace.Run(_workspace.Options(ExportFormat.Hf, "merged") with { Verify = false },
            ExportWorkspace.Configuration($"weights.language={language}")).Path!;
        Assert.All(Directory.GetFiles(folder).Where(path => Path.GetExtension(path) is ".json" or ".md" or ".yaml"), path =>
        {
            var text = File.ReadAllText(path);
            Assert.DoesNotContain("/home/someone", text, StringComparison.Ordinal);
            Assert.DoesNotContain(_workspace.Path, text, StringComparison.Ordinal);
        });
        Assert.True((bool)JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "tokenizer_config.json")))!["legacy"]!);
        Assert.Equal(777, (int)JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "config.json")))!["max_position_embeddings"]!);
        Assert.True(File.Exists(Path.Combine(folder, "special_tokens_map.json")));
    }

    [Theory]
    [InlineData("/data/Llama-2-7b-chat-hf", "meta-llama/Llama-2-7b-chat-hf")]
    [InlineData("weights/Llama-2-13b-hf/", "meta-llama/Llama-2-13b-hf")]
    [InlineData("/c/hub/models--meta-llama--Llama-2-7b-chat-hf/snapshots/abc", "meta-llama/Llama-2-7b-chat-hf")]
    [InlineData("/data/my-llama", null)]
    public void A_public_name_is_only_given_where_the_folder_tells(string folder, string? name) =>
        Assert.Equal(name, HuggingFaceFiles.PublicName(folder));

    [Fact]
    public void A_model_that_says_something_else_or_nothing_does_not_pass()
    {
        using var scope = NewDisposeScope();
        var (none, tens) = (new ExportCheck.Sayings([zeros(3, 5)], ["a"]), new ExportCheck.Sayings([full([3, 5], 10f)], ["a"]));
        Assert.True(ExportCheck.Compare(tens, tens, merged: false, rounded: false).Passed);
        var near = new ExportCheck.Sayings([full([3, 5], 10.2f)], ["b"]);
        Assert.True(ExportCheck.Compare(tens, near, merged: true, rounded: true) is { Passed: true, ChangedAnswers: 1 });
        Assert.False(ExportCheck.Compare(tens, near, merged: true, rounded: false).Passed);
        Assert.False(ExportCheck.Compare(tens, none, merged: true, rounded: true).Passed);
        var nothing = new ExportCheck.Sayings([full([3, 5], float.NaN)], ["a"]);
        Assert.False(ExportCheck.Compare(tens, nothing, merged: true, rounded: true).Passed);
    }

    [Theory]
    [InlineData("--from FROM --format peft --out x", "nothing tells its settings (lora_alpha, for one, cannot be seen from the tensors)")]
    [InlineData("--from nowhere --format peft --out x", "nowhere: is neither a checkpoint nor the folder of a training or an adapter")]
    [InlineData("--from FROM --format peft --out x --precision bf16", "--precision belongs to --format hf")]
    [InlineData("--from FROM --format minigptv2 --out x.pth --max-shard-size 1GB", "--max-shard-size belongs to --format hf")]
    [InlineData("--from FROM --format hf --out x --max-shard-size large", "--max-shard-size large: give a number with KB, MB or GB")]
    [InlineData("--from FROM --format hf --out x --peft 0.3", "--peft belongs to --format minigptv2")]
    [InlineData("--from FROM --format peft --out x --base-model /data/llama", "is not a public name such as meta-llama/")]
    [InlineData("--from FROM --format minigptv2 --out x --config CONFIG", "name it with the ending .pth")]
    [InlineData("--from FROM --format minigptv2 --out x.pth --config CONFIG --set model.lora.targets=[q_proj,k_proj]",
        "model.lora.targets has k_proj, but the original code adapts q_proj and v_proj alone")]
    [InlineData("--from FROM --format minigptv2 --out x.pth --config CONFIG --set model.join=square",
        "model.join is square, but the original code joins patches of a row")]
    [InlineData("--from FROM --format peft --out CONFIG --config CONFIG", "would replace what is read")]
    public void Wrong_input_is_one_sentence(string arguments, string expected)
    {
        var config = _workspace.In("config.yaml");
        File.WriteAllText(config, ConfigurationFile.ToYaml(ExportWorkspace.Configuration()));
        var words = arguments.Split(' ')
            .Select(word => word switch { "FROM" => ExportWorkspace.Checkpoint, "CONFIG" => config, _ => word });
        var result = Shell.Run("dotnet", [Shell.Pfmvg, "export", .. words], folder: _workspace.Path);
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.Equal("", result.Output);
        Assert.Equal([config], Directory.GetFileSystemEntries(_workspace.Path));
    }

    private static string Refused(ExportOptions options, params string[] changes) =>
        Assert.Throws<InputException>(() => ExportWorkspace.Run(options, ExportWorkspace.Configuration(changes))).Message;

    /// <summary>Interrupts the writing after a few tensors.</summary>
    private sealed class StopAfter(int tensors, CancellationTokenSource stop) : ISessionDisplay
    {
        private int _left = tensors;

        public void Exported(long done, long all)
        {
            if (--_left <= 0) stop.Cancel();
        }
    }
}
