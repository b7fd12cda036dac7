using static TorchSharp.torch;

namespace Pfmvg.Weights;

/// <summary>An opened weight file or folder, of any format, once its directory has been read and checked.</summary>
internal sealed class TensorFile : ITensorFile
{
    private readonly Dictionary<string, TensorInfo> _tensors = [];
    private readonly Dictionary<string, StoredTensor> _stored = [];
    private readonly IReadOnlyList<IDisposable> _handles;

    /// <param name="path">As the user named it.</param>
    /// <param name="format">In words.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="others">Tensors that are not weights; the metadata names them.</param>
    /// <param name="metadata">Everything else.</param>
    /// <param name="handles">What is closed with this.</param>
    public TensorFile(
        string path, string format, IEnumerable<StoredTensor> weights, IEnumerable<StoredTensor> others,
        IReadOnlyDictionary<string, object?> metadata, IReadOnlyList<IDisposable> handles)
    {
        (Path, Format, Metadata, _handles) = (path, format, metadata, handles);
        foreach (var tensor in weights)
        {
            Add(tensor);
            _tensors.Add(tensor.Info.Name, tensor.Info);
        }

        foreach (var tensor in others) Add(tensor);
    }

    public string Path { get; }

    public string Format { get; }

    public IReadOnlyDictionary<string, TensorInfo> Tensors => _tensors;

    public IReadOnlyDictionary<string, UnreadableTensor> Unreadable { get; init; } = new Dictionary<string, UnreadableTensor>();

    public string? Container { get; init; }

    public IReadOnlyList<string> ForeignNames { get; init; } = [];

    public IReadOnlyList<string> Notes { get; init; } = [];

    public IReadOnlyDictionary<string, object?> Metadata { get; }

    /// <summary>The weights with the places of their elements.</summary>
    public IEnumerable<StoredTensor> Stored => _tensors.Keys.Select(name => _stored[name]);

    /// <summary>The same file with other names for its weights, and what is to be said about it.</summary>
    public TensorFile Renamed(Func<string, string> rename, IReadOnlyList<string> notes) => new(
        Path, Format, Stored.Select(tensor => tensor with { Info = tensor.Info with { Name = rename(tensor.Info.Name) } }),
        _stored.Where(tensor => !_tensors.ContainsKey(tensor.Key)).Select(tensor => tensor.Value), Metadata, _handles)
    {
        Unreadable = Unreadable.DistinctBy(tensor => rename(tensor.Key)).ToDictionary(tensor => rename(tensor.Key), tensor => tensor.Value),
        Container = Container, ForeignNames = ForeignNames, Notes = notes,
    };

    public Tensor Read(string name) => _stored[name].Read(Path);

    public long? ReadInto(string name, Tensor target) => _stored[name].ReadInto(target, Path);

    public long? MapInto(string name, Tensor target) => _stored[name].MapInto(target, Path);

    public void Dispose()
    {
        foreach (var handle in _handles) handle.Dispose();
    }

    private void Add(StoredTensor tensor)
    {
        if (!_stored.TryAdd(tensor.Info.Name, tensor))
            throw Refusal.ForFile(Path, $"two tensors are named '{Refusal.Show(tensor.Info.Name)}'");
    }
}
