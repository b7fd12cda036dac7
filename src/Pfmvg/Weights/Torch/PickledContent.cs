using System.Globalization;
using static TorchSharp.torch;

namespace Pfmvg.Weights.Torch;

/// <summary>Sorts what a pickle held into weights, other tensors and plain data.</summary>
/// <param name="path">The file, for messages.</param>
/// <param name="bind">Finds and checks a tensor's bytes.</param>
internal sealed class PickledContent(string path, Func<string, PickledTensor, StoredTensor> bind)
{
    // Values of a pickle may be shared and may even contain themselves, so that a small pickle can be an endless tree.
    private const int MaxNodes = 1_000_000;
    private const int MaxDepth = 100;
    private const int MaxForeignDepth = 40;
    private const int MaxName = 1024;

    // Where training programs put the state dict, in the order in which it is looked for; and what they put around that.
    private static readonly string[] Containers = ["model", "state_dict", "module", "model_state_dict"];
    private static readonly string[] Envelopes = ["checkpoint", "ckpt", "state", "weights", "net", "network", "params"];
    private const int MaxNesting = 3;

    private readonly HashSet<Placeholder> _shown = [];
    private readonly HashSet<string> _names = [];
    private string? _inside, _holder;
    private int _nodes;

    public List<StoredTensor> Weights { get; } = [];

    public List<StoredTensor> Others { get; } = [];

    /// <summary>Tensors among the weights whose values cannot be had.</summary>
    public Dictionary<string, UnreadableTensor> Unreadable { get; } = [];

    public Dictionary<string, object?> Metadata { get; } = [];

    /// <summary>The keys, joined by '/', of the dictionary with the weights; null where it is the whole content.</summary>
    public string? Container { get; private set; }

    public void Sort(object? content)
    {
        if (content is PickleName or ScalarType or PickledStorage)
            throw Refusal.ForFile(path, "holds a bare name or storage, which is neither a tensor nor plain data");
        if (content is PickledTensor single) Weights.Add(bind("tensor", single));
        else if (Pairs(content) is { } saved) SortDictionary(Latest(saved));
        else Metadata["content"] = Plain(content, new Place(null, "content"), 0);
        if (content is Placeholder { Pairs: null } whole && _holder is null)
            throw Refusal.ForFile(
                path, $"holds one value of the class {Refusal.Show(whole.Name)}, not weights", "name the file with the weights");
        if (_holder is not null && (Weights.Count + Unreadable.Count == 0 || (Container is null && HasWholeModule(content))))
            throw Refusal.ForFile(
                path,
                $"has its weights inside a value of the class {Refusal.Show(_holder)} (a whole module was saved), which is never made here",
                "load it where it was made, and save its state_dict()");
    }

    private void SortDictionary(Dictionary<string, object?> top)
    {
        var way = Find(top, MaxNesting) ?? [];
        if (way.Count > 0) Container = string.Join('/', way);
        var weights = way.Aggregate(top, (at, key) => Latest(Pairs(at[key])!));
        foreach (var (name, value) in weights)
        {
            if (value is PickledTensor tensor) Weights.Add(bind(name, tensor));
            else if (value is UnreadableTensor unreadable) Unreadable.Add(name, unreadable);
            else if (value is Placeholder foreign && foreign.Name.Contains("Tensor", StringComparison.Ordinal))
                Unreadable.Add(name, new($"is of the class {Refusal.Show(foreign.Name)}", "save a plain tensor: tensor.detach().cpu()"));
            else continue;
            _names.Add(name);
        }

        Describe(top, null, "", way);
    }

    // Everything but the weights, on the way to them and beside them.
    private void Describe(Dictionary<string, object?> at, Place? place, string prefix, List<string> way)
    {
        foreach (var (key, value) in at)
        {
            if (way.Count > 0 && key == way[0])
                Describe(Latest(Pairs(value)!), new Place(place, key), $"{prefix}{key}/", way[1..]);
            else if (way.Count > 0 || value is not (PickledTensor or UnreadableTensor))
                Metadata[prefix + key] = Plain(value, new Place(place, key), 0);
        }
    }

    private List<string>? Find(Dictionary<string, object?> at, int depth)
    {
        if (Within(Containers) is { } contained) return contained;
        return at.Values.Any(value => value is PickledTensor or UnreadableTensor) ? [] : Within(Envelopes);

        List<string>? Within(string[] keys)
        {
            foreach (var key in depth == 0 ? [] : keys)
                if (Pairs(at.GetValueOrDefault(key)) is { } inner && Find(Latest(inner), depth - 1) is { } way) return [key, .. way];
            return null;
        }
    }

    // A value of a foreign class that is filled like a dictionary (defaultdict, a user's own) has its pairs as they are.
    private static List<KeyValuePair<object?, object?>>? Pairs(object? value) =>
        value is PickledDictionary dictionary ? dictionary.Pairs : (value as Placeholder)?.Pairs;

    private static bool HasWholeModule(object? content) => Pairs(content) is not { } pairs
        || pairs.Any(pair => pair is { Key: string key, Value: Placeholder { Pairs: null } } && Containers.Contains(key));

    private object? Plain(object? value, Place place, int depth)
    {
        Count(1);
        if (depth > MaxDepth) throw Endless();
        switch (value)
        {
            case PickledTensor tensor:
                _holder ??= _inside;
                var name = Name(place);
                var bound = bind(_names.Add(name) ? name : $"/{name}", tensor);
                Others.Add(bound);
                return bound.Info;
            case UnreadableTensor unreadable:
                _holder ??= _inside;
                return $"a tensor that {unreadable.Problem}";
            case PickledDictionary dictionary:
                return Plain(Latest(dictionary.Pairs), place, depth);
            case List<object?> list:
                return list.Select((item, index) => Plain(item, new Place(place, $"{index}"), depth + 1)).ToList();
            case object?[] tuple:
                return tuple.Select((item, index) => Plain(item, new Place(place, $"{index}"), depth + 1)).ToArray();
            case Placeholder foreign:
                return foreign is { Arguments: [], State: null, Items: null, Pairs: null } ? foreign.Name : Plain(foreign, place, depth);
            case PickledStorage storage:
                return $"a storage of {storage.Elements} elements";
            case PickleName or ScalarType:
                return $"{value}";
            default:
                return value;
        }
    }

    private Dictionary<string, object?> Plain(Dictionary<string, object?> pairs, Place place, int depth) =>
        pairs.ToDictionary(pair => pair.Key, pair => Plain(pair.Value, new Place(place, pair.Key), depth + 1));

    // Foreign values refer to each other in circles; each is shown whole once.
    private Dictionary<string, object?> Plain(Placeholder foreign, Place place, int depth)
    {
        var shown = new Dictionary<string, object?> { ["class"] = foreign.Name };
        if (depth > MaxForeignDepth || !_shown.Add(foreign)) return shown;
        var outermost = _inside is null;
        _inside ??= foreign.Name;
        Show("arguments", foreign.Arguments.Length == 0 ? null : foreign.Arguments);
        Show("state", foreign.State);
        Show("items", foreign.Items);
        if (foreign.Pairs is { } pairs) shown["entries"] = Plain(Latest(pairs), new Place(place, "entries"), depth + 1);
        if (outermost) _inside = null;
        return shown;

        void Show(string part, object? value)
        {
            if (value is not null) shown[part] = Plain(value, new Place(place, part), depth + 1);
        }
    }

    private Dictionary<string, object?> Latest(List<KeyValuePair<object?, object?>> pairs)
    {
        Count(pairs.Count);
        var latest = new Dictionary<string, object?>();
        foreach (var (key, value) in pairs) latest[Name(key)] = value;
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
        null => "None",
        IFormattable number => number.ToString(null, CultureInfo.InvariantCulture),
        bool truth => truth ? "True" : "False",
        byte[] bytes => $"{bytes.Length} bytes",
        Placeholder { Arguments: [string or long] } foreign => $"{foreign.Name}({foreign.Arguments[0]})",
        Placeholder foreign => foreign.Name,
        object?[] { Length: <= 4 } tuple when tuple.All(part => part is null or string or long or double or bool) =>
            $"({string.Join(", ", tuple.Select(Name))})",
        _ => "(a key of another kind)",
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
