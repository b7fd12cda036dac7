using System.Text;

namespace Pfmvg.Weights.Loading;

/// <summary>A stored tensor whose shape is not the model's.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Stored">Shape in the file.</param>
/// <param name="Expected">Shape in the model.</param>
public sealed record ShapeMismatch(string Name, long[] Stored, long[] Expected)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Name} ({TensorInfo.ShapeToText(Stored)} in the file, {TensorInfo.ShapeToText(Expected)} in the model)";
}

/// <summary>A tensor that was loaded though it holds NaN or infinity.</summary>
/// <param name="Name">The model's name.</param>
/// <param name="Index">Place of the first such value in the stored tensor, one index per dimension.</param>
public sealed record NotFiniteValue(string Name, long[] Index)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Name}[{string.Join(",", Index)}]";
}

/// <summary>What became of every tensor when weights were loaded. Names are the model's, except in <see cref="Unexpected"/>.</summary>
public sealed record LoadReport
{
    /// <summary>Tensors of the model that now hold the file's values, the resized ones included.</summary>
    public IReadOnlyList<string> Loaded { get; init; } = [];

    /// <summary>Required tensors of the model that the file lacks.</summary>
    public IReadOnlyList<string> Missing { get; init; } = [];

    /// <summary>Tensors of the model that the file lacks and need not have: they keep their values.</summary>
    public IReadOnlyList<string> Kept { get; init; } = [];

    /// <summary>Tensors of the file, by its names, that the model has no place for. They are not read.</summary>
    public IReadOnlyList<string> Unexpected { get; init; } = [];

    /// <summary>Tensors that were made to fit, such as a position embedding of another grid.</summary>
    public IReadOnlyList<ShapeMismatch> Resized { get; init; } = [];

    /// <summary>Tensors that do not fit.</summary>
    public IReadOnlyList<ShapeMismatch> WrongShape { get; init; } = [];

    /// <summary>Tensors that are stored as whole numbers: quantised, without what they mean.</summary>
    public IReadOnlyList<string> NotFloating { get; init; } = [];

    /// <summary>Tensors that were loaded with NaN or infinity in them.</summary>
    public IReadOnlyList<NotFiniteValue> NotFinite { get; init; } = [];

    /// <summary>Whether every value that was loaded is zero, as in a file that was saved without its data.</summary>
    public bool OnlyZeros { get; init; }

    /// <summary>The key under which the file keeps the weights; null for none.</summary>
    public string? Container { get; init; }

    /// <summary>Sentences about the file that the user should read (<see cref="ITensorFile.Notes"/>).</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Fails unless the model can be used with what was loaded.</summary>
    /// <param name="path">The file or folder, for the message.</param>
    /// <exception cref="InputException">
    /// A required tensor is missing, a shape is wrong, weights are whole numbers, not finite or all zero, or nothing was loaded at all.
    /// </exception>
    public void ThrowIfUnusable(string path)
    {
        const string otherModel = "use weights of the configured model, or the configuration of these weights";
        if (NotFloating.Count > 0)
            throw Refusal.ForFile(path, $"holds whole numbers (int8 or the like) for {Some(NotFloating, 3)}, so it is quantised",
                "give the unquantised weights, in float16, bfloat16 or float32");
        if (WrongShape.Count > 0) throw Refusal.ForFile(path, $"has the wrong shape for {Some(WrongShape, 5)}", otherModel);
        if (Missing.Count > 0)
            throw Refusal.ForFile(path, $"lacks {Some(Missing, 5)}{WrapperNames.Nearest(Unexpected, Missing)}", otherModel);
        if (Loaded.Count == 0 && Kept.Count > 0)
            throw Refusal.ForFile(path, $"has no tensor that the model knows{WrapperNames.Nearest(Unexpected, Kept)}", otherModel);
        if (OnlyZeros)
            throw Refusal.ForFile(
                path, "holds nothing but zeros for the model, as a file saved with skip_data does", "save it with its data");
        if (NotFinite.Count > 0)
            throw Refusal.ForFile(
                path, $"has NaN or infinity in {Some(NotFinite, 5)}", "use another: the training that wrote it diverged, or it is damaged");
    }

    /// <summary>One line: the count of loaded tensors, then count and first names of every other kind there is.</summary>
    public override string ToString()
    {
        var text = new StringBuilder($"{Loaded.Count} loaded");
        Append("resized", Resized);
        Append("kept", Kept);
        Append("missing", Missing);
        Append("unexpected", Unexpected);
        Append("of wrong shape", WrongShape);
        Append("not floating", NotFloating);
        Append("not finite", NotFinite);
        if (Container is not null) text.Append($"; from '{Refusal.Show(Container)}' in the file");
        return text.ToString();

        void Append<T>(string what, IReadOnlyList<T> items)
        {
            if (items.Count > 0) text.Append($"; {items.Count} {what}: {Some(items, 3)}");
        }
    }

    private static string Some<T>(IReadOnlyList<T> items, int count) =>
        string.Join(", ", items.Take(count).Select(item => Refusal.Show($"{item}")))
        + (items.Count > count ? $" and {items.Count - count} more" : "");
}
