using Pfmvg.Geometry;

namespace Pfmvg.Phantoms.Planning;

/// <summary>The projection of a radiograph.</summary>
internal enum PhantomView
{
    /// <summary>Back to front, upright.</summary>
    PosteroAnterior,

    /// <summary>Front to back, in bed.</summary>
    AnteroPosterior,

    /// <summary>From the side; findings are not drawn.</summary>
    Lateral,
}

/// <summary>
/// Everything that decides how a picture looks: (seed, patient, study) for the chest, its pose and exposure, and the
/// findings. Two studies of a patient share the anatomy.
/// </summary>
internal sealed record PhantomPicture
{
    /// <summary>The study's seed.</summary>
    public required long Seed { get; init; }

    /// <summary>Patient number; distinct over all data sets.</summary>
    public required long Patient { get; init; }

    /// <summary>Number of the study within the patient.</summary>
    public required long Study { get; init; }

    /// <summary>Projection.</summary>
    public required PhantomView View { get; init; }

    /// <summary>Width in pixels.</summary>
    public required int Width { get; init; }

    /// <summary>Height in pixels.</summary>
    public required int Height { get; init; }

    /// <summary>The findings to draw.</summary>
    public required IReadOnlyList<Finding> Findings { get; init; }

    /// <summary>Chooses size, view and findings of a frontal picture.</summary>
    /// <param name="seed">The study's seed.</param>
    /// <param name="patient">Patient number.</param>
    /// <param name="study">Study number within the patient.</param>
    /// <param name="width">Typical width in pixels.</param>
    /// <param name="height">Typical height in pixels.</param>
    /// <param name="wanted">A class that must be there, or null.</param>
    /// <param name="earlier">Findings of the patient's last study, half of which persist, or null.</param>
    public static PhantomPicture Sample(
        long seed, long patient, long study, int width, int height, FindingClass? wanted = null, IReadOnlyList<Finding>? earlier = null)
    {
        var random = new CounterRandom(seed, "picture", patient, study);
        var view = random.Chance(0.4) ? PhantomView.AnteroPosterior : PhantomView.PosteroAnterior;
        var (w, h) = SampleSize(random, width, height);
        var findings = FindingSampler.Sample(new(seed, "findings", patient, study), wanted, earlier ?? []);
        return new() { Seed = seed, Patient = patient, Study = study, View = view, Width = w, Height = h, Findings = findings };
    }

    // Most pictures are portrait, some landscape or nearly square.
    private static (int Width, int Height) SampleSize(CounterRandom random, int width, int height)
    {
        var (w, h) = random.Weighted([0.6, 0.25, 0.15]) switch
        {
            0 => (width, height),
            1 => (height, width),
            _ => (height, height),
        };
        return (Vary(w), Vary(h));

        int Vary(int size) => Math.Max(32, (int)(size * random.Range(0.88f, 1.08f)));
    }

    /// <summary>The picture's stream of random numbers for one purpose.</summary>
    internal CounterRandom Random(string purpose, params ReadOnlySpan<long> counters) =>
        new(Seed, purpose, [Patient, Study, (long)View, .. counters]);
}

/// <summary>A drawn picture.</summary>
/// <param name="Width">Width in pixels.</param>
/// <param name="Height">Height in pixels.</param>
/// <param name="Gray">One byte per pixel, row by row; white is dense.</param>
/// <param name="Boxes">
/// Boxes of each finding in whole pixels, in the order of the findings: one, or one per lung. Empty when the finding
/// changes nothing that can be seen.
/// </param>
internal sealed record PhantomImage(int Width, int Height, byte[] Gray, IReadOnlyList<IReadOnlyList<Box>> Boxes)
{
    /// <summary>Regions of the anatomy, where they were asked for; empty for pictures from the side.</summary>
    public IReadOnlyList<(string Name, Box Box)> Anatomy { get; init; } = [];
}
