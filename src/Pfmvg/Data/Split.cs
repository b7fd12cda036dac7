namespace Pfmvg.Data;

/// <summary>The part of a data set that a sample is used for.</summary>
public enum Split
{
    /// <summary>To learn from.</summary>
    Train,

    /// <summary>To choose by.</summary>
    Validate,

    /// <summary>To report on.</summary>
    Test,
}

/// <summary>The names of splits, as data sets and users write them.</summary>
internal static class SplitNames
{
    /// <summary>The split of a name: train, val, valid, validate, validation or test; null for anything else.</summary>
    public static Split? Find(string? name) => name?.Trim().ToLowerInvariant() switch
    {
        "train" => Split.Train,
        "val" or "valid" or "validate" or "validation" => Split.Validate,
        "test" => Split.Test,
        _ => null,
    };

    /// <summary>Whether a list names a split that is none; a blank one is not named.</summary>
    public static bool IsUnknown(string? name) => !string.IsNullOrWhiteSpace(name) && Find(name) is null;

    /// <summary>The split that an option of the command line names.</summary>
    /// <param name="option">The option, such as `--split`.</param>
    /// <param name="name">Its value.</param>
    /// <exception cref="InputException">There is no such split.</exception>
    public static Split Parse(string option, string name) => Find(name)
        ?? throw new InputException($"{option} {name}: there is no such split; use train, validate or test.");
}
