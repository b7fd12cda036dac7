namespace Pfmvg.Weights;

/// <summary>A tensor of which the values cannot be had. It does no harm unless a model needs it.</summary>
/// <param name="Problem">What it is, to follow its name: "has the type F8_E4M3".</param>
/// <param name="Advice">What to do when it is needed.</param>
public sealed record UnreadableTensor(string Problem, string Advice)
{
    internal static UnreadableTensor OfType(string type) =>
        new($"has the type {Refusal.Show(type)}, which is not computed with here", "convert it to a type such as F32, F16 or BF16");
}
