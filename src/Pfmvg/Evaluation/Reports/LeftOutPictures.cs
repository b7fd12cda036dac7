using System.Collections.Concurrent;
using Pfmvg.Data.Files;
using Pfmvg.Evaluation.Predictions;

namespace Pfmvg.Evaluation.Reports;

/// <summary>Pictures that a report cannot show, and why. Any number of threads may add to them.</summary>
internal sealed class LeftOutPictures
{
    private readonly ConcurrentDictionary<string, string> _reasons = new(StringComparer.Ordinal);

    /// <summary>Leaves a picture out, once.</summary>
    public void Add(string picture, string why) => _reasons.TryAdd(picture, why);

    /// <summary>How many there are and why, as a sentence; null where there are none.</summary>
    public string? Sentence => _reasons.IsEmpty ? null
        : $"Left out of the report: {(_reasons.Count == 1 ? "1 picture" : $"{Units.Count(_reasons.Count)} pictures")} ("
            + string.Join("; ", _reasons.Values.CountBy(why => why).OrderByDescending(pair => pair.Value)
                .ThenBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{Units.Count(pair.Value)}: {pair.Key}")) + ").";

    /// <summary>Finds the pictures of a folder. What an answer names outside of it is left out.</summary>
    public Func<Prediction, string?> Inside(ImageRoot folder) => answer =>
    {
        var path = folder.Find(answer.Image, out var problem);
        if (problem is null) return path;
        Add(answer.Image, problem);
        return null;
    };
}
