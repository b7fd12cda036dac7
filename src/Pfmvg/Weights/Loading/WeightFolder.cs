namespace Pfmvg.Weights.Loading;

/// <summary>Finds the weights in a folder: canonical names before all others, and never what training leaves beside them.</summary>
internal static class WeightFolder
{
    private const string Snapshots = "snapshots", MetaLayout = "has LLaMA in Meta's own layout",
        ConvertMeta = "convert it to a Hugging Face folder by transformers' convert_llama_weights_to_hf.py";

    // Hugging Face's own names come first; then any index, then any single file.
    private static readonly string[] Indexes = ["model.safetensors.index.json", "pytorch_model.bin.index.json"];
    private static readonly string[] Singles =
        ["model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "adapter_model.bin", "mp_rank_00_model_states.pt"];

    // States of optimizers, schedulers and random numbers, the arguments of a trainer, and Meta's shards.
    private static readonly string[] Strays =
        ["training_args", "optimizer", "scheduler", "scaler", "rng_state", "random_states", "trainer_state", "consolidated", "sampler"];

    /// <summary>Opens the weights of a folder.</summary>
    /// <exception cref="InputException">There are none, there is no way to choose, or what there is is refused.</exception>
    public static ITensorFile Open(string folder)
    {
        folder = Resolve(folder);
        RefuseOtherKinds(folder);
        var indexes = Indexes.Select(name => Path.Combine(folder, name)).Where(File.Exists)
            .Concat(Found(folder, "*.safetensors.index.json")).Concat(Found(folder, "*.bin.index.json")).Distinct().ToList();
        foreach (var index in indexes)
            if (ShardedCheckpoint.IsComplete(index)) return ShardedCheckpoint.OpenIndex(folder, index);
        if (Array.Find(Singles, name => File.Exists(Path.Combine(folder, name))) is { } canonical)
            return WeightFile.Open(Path.Combine(folder, canonical));
        if (indexes.Count > 0) return ShardedCheckpoint.OpenIndex(folder, indexes[0]);   // says which shard is missing
        foreach (var pattern in new[] { "*.safetensors", "*.bin", "*.pth", "*.pt", "*.ckpt" })
            if (Only(folder, pattern) is { } single) return WeightFile.Open(single);
        throw Refusal.ForFile(
            folder, "the folder has no weights (an index, or one .safetensors, .bin, .pth, .pt or .ckpt file)",
            "check the path and that the download is complete");
    }

    /// <summary>The folder itself or, for the root of a model in Hugging Face's cache, the snapshot that it stands for.</summary>
    /// <exception cref="InputException">The cache has several snapshots or models, and nothing says which one.</exception>
    public static string Resolve(string folder)
    {
        var snapshots = Path.Combine(folder, Snapshots);
        if (!Directory.Exists(snapshots) || File.Exists(Path.Combine(folder, "config.json"))) return folder;
        var main = Path.Combine(folder, "refs", "main");
        if (File.Exists(main) && new FileInfo(main).Length < 200 && InputFile.ReadText(main).Trim() is { Length: > 0 } revision
            && !revision.AsSpan().ContainsAny("/\\") && Directory.Exists(Path.Combine(snapshots, revision)))
            return Path.Combine(snapshots, revision);
        var all = Directory.GetDirectories(snapshots).Order(StringComparer.Ordinal).ToList();
        if (all.Count == 1) return all[0];
        throw Refusal.ForFile(
            folder, $"is the root of a Hugging Face cache with {all.Count} folders under {Snapshots}",
            all.Count == 0 ? "fetch the model again" : $"name one of them, such as {all[0]}");
    }

    /// <summary>Refuses folders in the layouts of other programs, and a file where a folder should be, with the way out.</summary>
    /// <exception cref="InputException">It is such a folder, or a file.</exception>
    public static void RefuseOtherKinds(string folder)
    {
        if (File.Exists(folder))
        {
            var name = Path.GetFileName(folder);
            var (what, advice) = OtherFile.Recognise(folder) is { } other ? (other.What, other.Advice)
                : name.StartsWith("consolidated.", StringComparison.Ordinal) ? (MetaLayout, ConvertMeta)
                : ("is a file, not a folder", "name the Hugging Face folder with the weights, their config.json and tokenizer.model");
            throw Refusal.ForFile(folder, what, advice);
        }

        if (!Directory.Exists(folder)) return;
        var names = new DirectoryInfo(folder).EnumerateFileSystemInfos().Select(entry => entry.Name).Order(StringComparer.Ordinal).ToList();
        if (names.Exists(name => Indexes.Contains(name) || Singles.Contains(name))) return;
        Refuse(name => name == ".metadata" || Ends(name, ".distcp"), "is a distributed checkpoint", OtherFile.Converted);
        Refuse(name => name == "zero_to_fp32.py", "is a checkpoint of DeepSpeed ZeRO in pieces",
            "join it by its own zero_to_fp32.py, and name the file that this writes");
        if (Has("*.safetensors") || Has("*.pt")) return;
        Refuse(name => name.StartsWith("consolidated.", StringComparison.Ordinal), MetaLayout, ConvertMeta);
        if (Has("*.bin") || Has("*.pth")) return;
        Refuse(name => Ends(name, ".gguf"), "has weights for llama.cpp (GGUF)", "give the Hugging Face folder that they were made from");
        Refuse(name => name is "tf_model.h5" or "saved_model.pb" or "checkpoint" || Ends(name, ".ckpt.index"), "has weights for TensorFlow",
            "give the PyTorch weights of the same model");
        Refuse(name => Ends(name, ".msgpack"), "has weights for Flax", "give the PyTorch weights of the same model");
        Refuse(name => Ends(name, ".onnx"), "has a model for ONNX", "give the PyTorch weights that it was made from");
        Refuse(name => name.StartsWith("models--", StringComparison.Ordinal), "is a Hugging Face cache of several models",
            $"name the folder under {Snapshots} in one of them");

        bool Has(string pattern) => Found(folder, pattern).Any();

        void Refuse(Predicate<string> isSo, string what, string advice)
        {
            if (names.Find(isSo) is { } name) throw Refusal.ForFile(folder, $"{what}: {Refusal.Show(name)}", advice);
        }

        static bool Ends(string name, string ending) => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase);
    }

    // On its own, "*.bin" also finds "*.bin.index.json" on some systems; and a hidden file is a half-written one.
    private static IEnumerable<string> Found(string folder, string pattern) => Directory.EnumerateFiles(folder, pattern)
        .Where(path => path.EndsWith(pattern[1..], StringComparison.Ordinal) && Path.GetFileName(path) is var name && !name.StartsWith('.')
            && !Array.Exists(Strays, stray => name.StartsWith(stray, StringComparison.Ordinal)))
        .Order(StringComparer.Ordinal);

    private static string? Only(string folder, string pattern)
    {
        var found = Found(folder, pattern).Take(4).ToList();
        if (found.Count <= 1) return found.SingleOrDefault();
        var names = string.Join(", ", found.Take(3).Select(Path.GetFileName)) + (found.Count > 3 ? ", ..." : "");
        throw Refusal.ForFile(
            folder, $"has several files {pattern} ({names}) and nothing that says which one",
            "name the file, or fetch the index file beside them");
    }
}
