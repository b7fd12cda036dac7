namespace Pfmvg.Evaluation.Predictions;

/// <summary>Opaque names in order of first appearance: all that intervals need to know of a patient or a picture.</summary>
/// <param name="letter">What the names begin with: "p1", "p2", ...</param>
internal sealed class Pseudonyms(string letter)
{
    private readonly Dictionary<string, string> _names = [];

    /// <summary>The name that stands for another one.</summary>
    public string Of(string name)
    {
        if (!_names.TryGetValue(name, out var opaque))
            _names.Add(name, opaque = FormattableString.Invariant($"{letter}{_names.Count + 1}"));
        return opaque;
    }
}
