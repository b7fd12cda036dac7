using System.Globalization;

namespace Pfmvg.Weights.Torch;

/// <summary>Sorts what a pickle held into weights, other tensors and plain data.</summary>
/// <param name="path">The file, for messages.</param>
/// <param name="bind">Finds and checks a tensor's bytes.</param>
internal sealed class PickledContent(string path, Func<string, PickledTensor, StoredTensor> bind)
{
    // Values of a pickle may be shared and may even contain themselves, so that a small pickle can be an endless tree.
    private const int MaxNodes = 1_000_000;
    private const int MaxDepth = 100;
    private const int MaxName = 1024;

    private int _nodes;

    public List<StoredTensor> Weights { get; } = [];

    public List<StoredTensor> Others { get; } = [];

    public Dictionary<string, object?> Metadata { get; } = [];

    public void Sort(object? content)
    {
        if (content is not PickledDictionary saved)
        {
            if (content is PickledTensor single) Weights.Add(bind("tensor", single));
            else Metadata["content"] = Plain(content, new Place(null, "content"), 0);
            return;
        }

        var top = Latest(saved);
        var weightsKey = new[] { "model", "state_dict" }.FirstOrDefault(key => top.GetValueOrDefault(key) is PickledDictionary);
        foreach (var (key, value) in top)
        {
            if (key == weightsKey) SortWeights((PickledDictionary)value!, key);
            else if (weightsKey is null && value is PickledTensor tensor) Weights.Add(bind(key, tensor));
            else Metadata[key] = Plain(value, new Place(null, key), 0);
        }
    }

    private void SortWeights(PickledDictionary weights, string under)
    {
        foreach (var (name, value) in Latest(weights))
        {
            if (value is PickledTensor tensor) Weights.Add(bind(name, tensor));
            else Metadata[$"{under}/{name}"] = Plain(value, new Place(new Place(null, under), name), 0);
        }
    }

    private object? Plain(object? value, Place place, int depth)
    {
        Count(1);
        if (depth > MaxDepth) throw Endless();
        switch (value)
        {
            case PickledTensor tensor:
                var bound = bind(Name(place), tensor);
                Others.Add(bound);
                return bound.Info;
            case PickledDictionary dictionary:
                return Latest(dictionary).ToDictionary(pair => pair.Key, pair => Plain(pair.Value, new Place(place, pair.Key), depth + 1));
            case List<object?> list:
                return list.Select((item, index) => Plain(item, new Place(place, $"{index}"), depth + 1)).ToList();
            case object?[] tuple:
                return tuple.Select((item, index) => Plain(item, new Place(place, $"{index}"), depth + 1)).ToArray();
            case PickledStorage or PickleName or TorchSharp.torch.ScalarType:
                throw Refusal.ForFile(
                    path, $"'{Refusal.Show(Name(place))}' is a name or a bare storage, which is neither a tensor nor plain data");
            default:
                return value;
        }
    }

    private Dictionary<string, object?> Latest(PickledDictionary dictionary)
    {
        Count(dictionary.Pairs.Count);
        var latest = new Dictionary<string, object?>();
        foreach (var (key, value) in dictionary.Pairs) latest[Name(key)] = value;
        return latest;
    }

    private void Count(int nodes)
    {
        if ((_nodes += nodes) > MaxNodes) throw Endless();
    }

    private InputException Endless() =>
        Refusal.ForFile(path, "what it holds beside the weights is nested without end or far larger than any checkpoint's");

    private string Name(object? key) => key switch
    {
        string { Length: > MaxName } text => throw Refusal.ForFile(path, $"a name in it has {text.Length} characters"),
        string text => text,
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        bool truth => truth ? "True" : "False",
        _ => throw Refusal.ForFile(path, "a dictionary in it has a key that is neither text nor a number"),
    };

    private string Name(Place place)
    {
        var parts = new List<string>();
        for (var part = place; part is not null; part = part.Parent) parts.Add(part.Key);
        parts.Reverse();
        return Name((object)string.Join('/', parts));
    }

    /// <summary>Where a value stands; joined to a name only where one is needed.</summary>
    private sealed record Place(Place? Parent, string Key);
}
