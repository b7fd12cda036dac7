using Pfmvg.Data;
using Pfmvg.Imaging;

namespace Pfmvg.Answering;

/// <summary>The questions of the controls that ask the model.</summary>
internal static class ControlQuestions
{
    private const byte Gray = 128;

    /// <summary>A picture with nothing on it: middle gray.</summary>
    public static DecodedImage BlankPicture(int side) => new(side, side, 1, [.. Enumerable.Repeat(Gray, side * side)]);

    /// <summary>The same questions about one blank picture.</summary>
    public static IReadOnlyList<Sample> Blind(IReadOnlyList<Sample> samples) =>
        [.. samples.Select(sample => sample with { Image = "blank" })];

    /// <summary>
    /// The same questions about other patients' pictures. All patients form one random cycle, and each gets the pictures of the
    /// next one. Questions about one picture stay together.
    /// </summary>
    /// <param name="samples">The questions. Where no patient is named, the picture takes the patient's place.</param>
    /// <param name="seed">Another seed gives another cycle.</param>
    /// <exception cref="InputException">There is only one patient.</exception>
    public static IReadOnlyList<Sample> Shuffle(IReadOnlyList<Sample> samples, long seed)
    {
        var patients = samples.GroupBy(Patient).OrderBy(own => own.Key, StringComparer.Ordinal)
            .Select(own => (Name: own.Key, Pictures: own.Select(Picture).Distinct().ToList())).ToList();
        if (patients.Count < 2)
            throw new InputException("The split has one patient only, so pictures cannot be exchanged between patients; " +
                "leave the controls out.");
        var order = new CounterRandom(seed, "exchanged pictures").Permutation(patients.Count);
        var given = new Dictionary<(string Source, string Image, int Width, int Height),
            (string Source, string Image, int Width, int Height)>();
        for (var i = 0; i < order.Length; i++)
        {
            var (own, other) = (patients[order[i]].Pictures, patients[order[(i + 1) % order.Length]].Pictures);
            for (var p = 0; p < own.Count; p++) given[own[p]] = other[p % other.Count];
        }

        return [.. samples.Select(sample => (Sample: sample, Given: given[Picture(sample)]))
            .Select(pair => pair.Sample with
            {
                Source = pair.Given.Source,
                Image = pair.Given.Image,
                Width = pair.Given.Width,
                Height = pair.Given.Height,
                // A box that is asked about is where it was, as a share of the picture.
                Boxes = pair.Sample.Task != SampleTask.Identify ? pair.Sample.Boxes : [.. pair.Sample.Boxes.Select(box =>
                    box.Scale((double)pair.Given.Width / pair.Sample.Width, (double)pair.Given.Height / pair.Sample.Height))],
            })];

        static (string Source, string Image, int Width, int Height) Picture(Sample sample) =>
            (sample.Source, sample.Image, sample.Width, sample.Height);
        static string Patient(Sample sample) => sample.Patient ?? $"picture {sample.Source}/{sample.Image}";
    }
}
