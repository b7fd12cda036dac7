namespace Pfmvg.Text;

/// <summary>The wordings of a question. Training draws one per sample; evaluation takes the first.</summary>
public static class InstructionPool
{
    /// <summary>Where a phrase goes in a wording of <see cref="Refer"/>.</summary>
    public const string Placeholder = "{phrase}";

    /// <summary>The refer wordings that the original publishes.</summary>
    public static IReadOnlyList<string> PublishedRefer { get; } =
    [
        "give me the location of {phrase}",
        "where is {phrase} ?",
        "from this image, tell me the location of {phrase}",
        "the location of {phrase} is",
        "could you tell me the location for {phrase} ?",
        "where can I locate the {phrase} ?",
    ];

    /// <summary>All refer wordings: the published ones, then more of equal meaning. The first is the evaluation's.</summary>
    public static IReadOnlyList<string> Refer { get; } =
    [
        .. PublishedRefer,
        "show me where {phrase} can be seen",
        "mark the box around {phrase}",
        "which part of this image shows {phrase} ?",
        "point out {phrase} in this image",
    ];

    /// <summary>The caption wordings.</summary>
    public static IReadOnlyList<string> Caption { get; } =
    [
        "describe this image briefly",
        "write a short caption for this image",
        "what does this image show ?",
        "sum up this image in a few words",
        "give a brief account of what can be seen in this image",
        "state the main findings of this image",
        "tell me in short what is in this image",
    ];

    /// <summary>Where a box goes in a wording of <see cref="Identify"/>.</summary>
    internal const string Place = "{box}";

    /// <summary>The wordings that ask what lies in a box.</summary>
    internal static IReadOnlyList<string> Identify { get; } =
    [
        $"what object is in this location {Place}",
        $"say what can be seen at {Place}",
        $"name the finding in {Place}",
        $"which finding does {Place} show ?",
    ];

    /// <summary>The wordings that ask for a description with boxes.</summary>
    internal static IReadOnlyList<string> Grounding { get; } =
    [
        "please describe this image in details",
        "describe what this image shows and where",
        "report the findings of this image with their places",
    ];

    /// <summary>A refer wording with the phrase in its place.</summary>
    public static string Fill(string wording, string phrase) => wording.Replace(Placeholder, phrase, StringComparison.Ordinal);
}
