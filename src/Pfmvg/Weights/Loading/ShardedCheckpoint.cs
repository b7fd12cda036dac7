using System.Text.Encodings.Web;
using System.Text.Json;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Weights.Loading;

/// <summary>The file format of a folder of weights.</summary>
public enum ShardFormat
{
    /// <summary><c>model-*.safetensors</c>.</summary>
    SafeTensors,

    /// <summary><c>pytorch_model-*.bin</c>, the zip format of torch.save.</summary>
    Torch,
}

/// <summary>
/// Folders as Hugging Face has them: shards with an index that says which tensor is in which shard, or one single file.
/// </summary>
public static class ShardedCheckpoint
{
    private const int MaxIndexBytes = 64 << 20;

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Opens a folder: shards with an index, or the one file with weights.</summary>
    /// <exception cref="InputException">
    /// There is nothing to open or no way to choose; the index names a shard that is missing, lies elsewhere, or lacks
    /// a tensor; or a shard is refused.
    /// </exception>
    public static ITensorFile Open(string folder) => WeightFolder.Open(folder);

    /// <summary>
    /// Writes planned tensors into shards of a limited size, with an index when there are several, tensor by tensor.
    /// The index comes last: an interrupted folder has none.
    /// </summary>
    /// <param name="folder">Created when it is not there. Shards of an earlier, other number stay.</param>
    /// <param name="plan">What will be written, in order.</param>
    /// <param name="valueOf">Gives a tensor just before it is written; called in a dispose scope of its own.</param>
    /// <param name="format">Of the shards.</param>
    /// <param name="maxShardBytes">A shard ends before it would exceed this; one larger tensor makes a shard of its own.</param>
    /// <param name="configuration">Text of config.json; null to write none.</param>
    /// <exception cref="ArgumentException">There are no tensors, two have the same name, or a value is not as planned.</exception>
    public static void Write(
        string folder, IReadOnlyList<TensorInfo> plan, Func<TensorInfo, Tensor> valueOf, ShardFormat format, long maxShardBytes,
        string? configuration = null)
    {
        if (plan.Count == 0) throw new ArgumentException("There is nothing to write.", nameof(plan));
        if (plan.DistinctBy(info => info.Name).Count() < plan.Count)
            throw new ArgumentException("Two tensors have the same name.", nameof(plan));
        var (stem, extension) = format == ShardFormat.SafeTensors ? ("model", ".safetensors") : ("pytorch_model", ".bin");
        var shards = Split(plan, maxShardBytes);
        var names = shards.Select((_, index) =>
            shards.Count == 1 ? stem + extension : $"{stem}-{index + 1:00000}-of-{shards.Count:00000}{extension}").ToList();
        if (configuration is not null) AtomicFile.WriteText(Path.Combine(folder, "config.json"), configuration);
        foreach (var (name, shard) in names.Zip(shards))
        {
            var path = Path.Combine(folder, name);
            if (format == ShardFormat.SafeTensors)
                SafeTensors.Write(path, shard, valueOf, new Dictionary<string, string> { ["format"] = "pt" });
            else TorchPickle.Write(path, shard, valueOf);
        }

        if (shards.Count == 1) return;
        var map = names.Zip(shards).SelectMany(pair => pair.Second.Select(info => (info.Name, Shard: pair.First)));
        var index = new
        {
            metadata = new { total_size = plan.Sum(info => info.Bytes) },
            weight_map = map.OrderBy(entry => entry.Name, StringComparer.Ordinal).ToDictionary(entry => entry.Name, entry => entry.Shard),
        };
        AtomicFile.WriteText(Path.Combine(folder, $"{stem}{extension}.index.json"), JsonSerializer.Serialize(index, Json));
    }

    private static List<List<TensorInfo>> Split(IReadOnlyList<TensorInfo> plan, long maxShardBytes)
    {
        List<List<TensorInfo>> shards = [];
        long size = 0;
        foreach (var info in plan)
        {
            if (shards.Count == 0 || size + info.Bytes > maxShardBytes) (size, _) = (0, Start());
            shards[^1].Add(info);
            size += info.Bytes;
        }

        return shards;

        int Start()
        {
            shards.Add([]);
            return shards.Count;
        }
    }

    /// <summary>Whether all shards that an index names are there.</summary>
    internal static bool IsComplete(string indexPath) =>
        ReadIndex(indexPath).Values.Distinct().All(shard => File.Exists(Path.Combine(Path.GetDirectoryName(indexPath)!, shard)));

    /// <summary>Opens the shards that an index names as one file.</summary>
    internal static TensorFile OpenIndex(string folder, string indexPath)
    {
        var map = ReadIndex(indexPath);
        var opened = new List<IDisposable>();
        try
        {
            var tensors = new Dictionary<string, StoredTensor>();
            var unreadable = new Dictionary<string, UnreadableTensor>();
            var foreign = new List<string>();
            foreach (var shard in map.Values.Distinct().Order(StringComparer.Ordinal))
            {
                var path = Path.Combine(folder, shard);
                if (!File.Exists(path))
                    throw Refusal.ForFile(path, $"the shard is missing, but {Path.GetFileName(indexPath)} names it",
                        "fetch it into the same folder");
                var file = WeightFile.OpenFile(path);
                opened.Add(file);
                foreign.AddRange(file.ForeignNames);
                foreach (var (name, problem) in file.Unreadable)
                    if (map.GetValueOrDefault(name, shard) == shard) unreadable[name] = problem;
                foreach (var stored in file.Stored)
                {
                    // The index decides where a tensor is read; one that it does not mention is read from the shard that has it.
                    var name = stored.Info.Name;
                    if (map.TryGetValue(name, out var home) && home != shard) continue;
                    if (!tensors.TryAdd(name, stored))
                        throw Refusal.ForFile(path, $"the tensor '{Refusal.Show(name)}' is in another shard, too");
                }
            }

            if (map.Keys.FirstOrDefault(name => !tensors.ContainsKey(name) && !unreadable.ContainsKey(name)) is { } missing)
                throw Refusal.ForFile(
                    indexPath, $"says that '{Refusal.Show(missing)}' is in {map[missing]}, which does not have it",
                    "fetch index and shards from the same place again");
            var format = $"{opened.Count} shards, {((ITensorFile)opened[0]).Format}";
            return new TensorFile(folder, format, tensors.Values, [], new Dictionary<string, object?>(), opened)
            {
                Unreadable = unreadable, ForeignNames = [.. foreign.Distinct()],
            };
        }
        catch
        {
            foreach (var file in opened) file.Dispose();
            throw;
        }
    }

    private static Dictionary<string, string> ReadIndex(string path)
    {
        var map = new Dictionary<string, string>();
        var index = JsonInput.File(path, "fetch the file again", MaxIndexBytes).Object();
        var entries = index.Section("weight_map")
            ?? throw index.Wrong("is not an index of shards (a JSON object with \"weight_map\": {tensor: file})");
        foreach (var entry in entries.Element.EnumerateObject())
        {
            var shard = entry.Value.TextOrNull() ?? "";
            if (shard is "" or "." or ".." || shard.AsSpan().ContainsAny("/\\:\0"))
                throw Refusal.ForFile(
                    path, $"names the shard '{Refusal.Show(shard)}', which is not a file of its own folder",
                    "nothing was read; get the folder from a source you trust");
            map.Add(entry.Name, shard);
        }

        if (map.Count == 0) throw Refusal.ForFile(path, "names no tensors");
        return map;
    }
}
