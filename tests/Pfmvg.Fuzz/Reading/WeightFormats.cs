using System.Text;
using Pfmvg.Configuration;
using Pfmvg.Fuzz.Mutating;
using Pfmvg.Models;
using Pfmvg.Models.Bert;
using Pfmvg.Models.Building;
using Pfmvg.Training;
using Pfmvg.Weights.Loading;
using TorchSharp;
using TorchSharp.Modules;

namespace Pfmvg.Fuzz.Reading;

/// <summary>Weights, and the descriptions that lie beside them.</summary>
internal static class WeightFormats
{
    // {"a": [7, 1.5], "b": None}
    private const string Plain = "\u0080\u0002}q\0(X\u0001\0\0\0a]q\u0001(K\u0007G\u003f\u00f8\0\0\0\0\0\0eX\u0001\0\0\0bNu.";

    public static Format Archives(string folder) => new(
        [.. Files(folder, "input.pth", [.. Formats.Small("Weights/Written", "*.pth"), .. Formats.Small("Weights/Written", "*.ckpt"),
            .. Formats.Small("Weights/Written", "*.pt"), .. Formats.Small("Fixtures/weights", "*.pth"), .. Formats.Small("Fixtures/peft",
                "*.pth")])
            .Where(seed => seed.Bytes is [(byte)'P', (byte)'K', ..])], Zip.Entries);

    /// <summary>Pickles alone, and what torch wrote before it had archives.</summary>
    public static Format Pickles(string folder)
    {
        var way = new Way(Path.Combine(folder, "input.pth"), Read);
        var archives = Archives(folder).Seeds.Select(seed => PickleOf(seed.Bytes)).OfType<byte[]>();
        return new([.. archives.Select(bytes => new Seed(bytes, way)), .. Formats.Small("Fixtures/weights/hostile", "*.pth")
            .Select(File.ReadAllBytes).Where(bytes => bytes is [0x80, ..]).Select(bytes => new Seed(bytes, way)),
            new Seed(Encoding.Latin1.GetBytes(Plain), way)], Pickle.Operations);
    }

    public static Format SafeTensors(string folder) => new(
        [.. Files(folder, "input.safetensors", [.. Formats.Small("Fixtures/weights", "*.safetensors"), .. Formats.Small("Fixtures/peft",
            "*.safetensors"), .. Formats.Small("Weights/Written", "*.safetensors")])], Headed.SafeTensors);

    /// <summary>Refused by its name, whatever else it holds.</summary>
    public static Format Gguf(string folder)
    {
        byte[] file = [.. "GGUF"u8, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0, 0, 0,
            .. "general.architecture"u8, 8, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, .. "llama"u8, .. new byte[64]];
        return new([.. ((string[])["input.gguf", "input.bin"]).Select(name => new Seed(file, new Way(Path.Combine(folder, name), Read)))]);
    }

    /// <summary>A training's own state: the head of the file says where it goes on.</summary>
    public static Format Checkpoints(string folder)
    {
        var path = Checkpoint.PathOf(folder, 7);
        (string Name, Parameter Parameter)[] Model() => [("layer.weight", new Parameter(torch.ones(2, 3))), ("layer.bias",
            new Parameter(torch.zeros(2)))];
        using (torch.NewDisposeScope())
        {
            var model = Model();
            using var optimizer = new Training.AdamW(model, 0.9, 0.999, 0.05);
            Checkpoint.Save(path, model, optimizer, new Position(1, 3), Checkpoint.OfOurs);
        }

        var way = new Way(path, path =>
        {
            using var scope = torch.NewDisposeScope();
            var model = Model();
            using var optimizer = new Training.AdamW(model, 0.9, 0.999, 0.05);
            var checkpoint = Checkpoint.List(folder)[0];
            var whole = checkpoint.IsWhole();
            _ = checkpoint.Mark("format");
            var next = checkpoint.Restore(model, optimizer, Checkpoint.OfOurs);
            if (!whole || next.Epoch < 0
                || next.Step < 0) throw new InvalidOperationException("a checkpoint that is not whole was continued from");
        });
        return new([new Seed(File.ReadAllBytes(path), way)], Headed.SafeTensors);
    }

    /// <summary>config.json of LLaMA and BERT, adapter_config.json, the index of a checkpoint in parts.</summary>
    public static Format Configurations(string folder)
    {
        List<Seed> seeds = [];
        var bert = Copy("Fixtures/rivals/biovil/weights/biovil-t/BiomedVLP-BioViL-T", "bert");
        Add(bert, "config.json", path =>
        {
            using var weights = WeightFile.Open(Path.Combine(bert, "model.safetensors"));
            BertConfig.Read(path, weights, "bert.");
        });
        var llama = Copy("Fixtures/weights/llama", "llama");
        Add(llama, "pytorch_model.bin.index.json", _ => Read(llama));
        Add(llama, "config.json", path =>
        {
            var found = HuggingFaceConfig.Find(llama);
            _ = found?.Notes;
            LanguageFolder.Read(ConfigurationFile.Load(null, [$"weights.language={llama}"]));
            LlamaConfig.FromHuggingFace(llama);
        });
        foreach (var adapter in (string[])["p02_plain", "p11_adalora", "p21_vera", "p21_two_adapters"])
        {
            var own = Copy($"Fixtures/peft/{adapter}", adapter);
            Add(own, "adapter_config.json", _ => PeftAdapter.Find(own)?.Require(new LoraConfig(4, 8, 0, [])));
        }

        return new(seeds, Json.Tree);

        void Add(string beside, string name, Action<string> read)
        {
            var path = Path.Combine(beside, name);
            seeds.Add(new Seed(File.ReadAllBytes(path), new Way(path, read)));
        }

        string Copy(string from, string name)
        {
            var to = Directory.CreateDirectory(Path.Combine(folder, name)).FullName;
            foreach (var file in Directory.GetFiles(Path.Combine(Formats.Tests, from))) File.Copy(file, Path.Combine(to,
                Path.GetFileName(file)));
            return to;
        }
    }

    private static IEnumerable<Seed> Files(string folder, string name, IEnumerable<string> files)
    {
        var way = new Way(Path.Combine(folder, name), Read);
        return files.Select(File.ReadAllBytes).Where(bytes => bytes.Length > 0).Select(bytes => new Seed(bytes, way));
    }

    private static byte[]? PickleOf(byte[] archive)
    {
        using var zip = new System.IO.Compression.ZipArchive(new MemoryStream(archive));
        if (zip.Entries.FirstOrDefault(entry => entry.Name == "data.pkl") is not { } entry) return null;
        using var stream = entry.Open();
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    }

    private static void Read(string path)
    {
        using var scope = torch.NewDisposeScope();
        using var file = WeightFile.Open(path);
        WeightListing.ToText(file);
        WeightListing.ToJson(file);
        foreach (var name in file.Tensors.Keys) file.Read(name).Dispose();
    }
}
