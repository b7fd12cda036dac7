namespace Pfmvg.Weights.Loading;

/// <summary>
/// The way from a file's names to those that the model knows: what training programs put before or between them is left out. A prefix
/// counts only where all names have it and more of them fit the model without it.
/// </summary>
internal static class WrapperNames
{
    // Never part of a model's own names, so they may stand anywhere: torch.compile, FSDP, activation checkpoints, Lightning's strategies.
    private static readonly string[] Marks = ["_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"];

    // Attributes that hold the model: DistributedDataParallel, Lightning modules, the parts of a MiniGPT-4 checkpoint.
    private static readonly string[] Prefixes = ["module.", "model.", "visual_encoder.", "llama_model.", "net.", "network.", "backbone."];

    private const int MaxPrefixes = 6, MostCompared = 2000, MostPairs = 3, MostForeign = 3;

    /// <summary>Opens weights under their bare names, with notes on what was left out and what is foreign in the file.</summary>
    /// <param name="path">A file or folder, as <see cref="WeightFile.Open"/> takes it.</param>
    /// <param name="targets">The model's names.</param>
    /// <param name="rename">From the file's bare names to the model's.</param>
    /// <exception cref="InputException">It cannot be opened, or two names are one without the wrappers.</exception>
    public static ITensorFile Open(string path, IReadOnlyCollection<string> targets, Func<string, string?> rename)
    {
        var file = (TensorFile)WeightFile.Open(path);
        try
        {
            var stored = file.Tensors.Keys.Concat(file.Unreadable.Keys).ToList();
            var prefix = Prefix(stored.ConvertAll(WithoutMarks), targets.ToHashSet(), rename);
            return file.Renamed(name => Without(prefix, WithoutMarks(name)), [.. Notes(file, stored, prefix)]);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private static string Prefix(List<string> names, HashSet<string> targets, Func<string, string?> rename)
    {
        var (prefix, best) = ("", Fitting(""));
        for (var (longer, tries) = (Longer(""), 0); longer is not null && tries < MaxPrefixes; longer = Longer(longer), tries++)
            if (Fitting(longer) is var count && count > best) (prefix, best) = (longer, count);
        return prefix;

        int Fitting(string start) => names.Count(name => rename(Without(start, name)) is { } full && targets.Contains(full));

        // A name without a dot (a counter of averaging) belongs to the wrapper itself.
        string? Longer(string start) => Prefixes.Select(next => start + next).FirstOrDefault(whole => names.TrueForAll(
            name => name.StartsWith(whole, StringComparison.Ordinal) || !name.Contains('.', StringComparison.Ordinal)));
    }

    private static IEnumerable<string> Notes(TensorFile file, List<string> stored, string prefix)
    {
        string[] left = [.. Marks.Where(mark => stored.Exists(name => name.Split('.').Contains(mark))).Select(mark => mark + "."),
            .. prefix.Length > 0 ? [prefix] : Array.Empty<string>()];
        if (left.Length > 0) yield return $"{file.Path}: {string.Join(" and ", left.Select(part => $"'{part}'"))} left out of its names.";
        if (file.ForeignNames.Count == 0) yield break;
        var first = string.Join(", ", file.ForeignNames.Take(MostForeign).Select(name => Refusal.Show(name)));
        yield return $"{file.Path}: foreign names ({file.ForeignNames.Count}) stay placeholders, nothing of them was run: {first}"
            + (file.ForeignNames.Count > MostForeign ? ", ..." : ".");
    }

    /// <summary>The file's names that are most like the first of the model's, in words; empty where none is alike.</summary>
    public static string Nearest(IReadOnlyList<string> stored, IReadOnlyList<string> wanted)
    {
        var pairs = wanted.Take(MostPairs)
            .Select(name => (Model: name, File: stored.Take(MostCompared).MaxBy(other => Likeness(name, other))))
            .Where(pair => pair.File is not null && Likeness(pair.Model, pair.File) is var (ending, anywhere, _) && ending + anywhere > 1)
            .Select(pair => $"'{Refusal.Show(pair.File!)}' in the file and '{Refusal.Show(pair.Model)}' in the model").ToList();
        return pairs.Count == 0 ? "" : $" (nearest names: {string.Join(", ", pairs)})";
    }

    // Components in common at the end; then anywhere; then the length.
    private static (int Ending, int Anywhere, int Length) Likeness(string name, string other)
    {
        string[] a = name.Split('.'), b = other.Split('.');
        var ending = 0;
        while (ending < Math.Min(a.Length, b.Length) && a[^(ending + 1)] == b[^(ending + 1)]) ending++;
        return (ending, a.Intersect(b).Count(), -Math.Abs(a.Length - b.Length));
    }

    private static string Without(string prefix, string name) =>
        name.StartsWith(prefix, StringComparison.Ordinal) ? name[prefix.Length..] : name;

    private static string WithoutMarks(string name) => Array.Exists(Marks, mark => name.Contains(mark, StringComparison.Ordinal))
        ? string.Join('.', name.Split('.').Where(part => !Marks.Contains(part))) : name;
}
