using System.Text.Json;
using System.Text.Json.Serialization;
using Pfmvg.Data.Files;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using Pfmvg.Text;
using SkiaSharp;

namespace Pfmvg.Data.Checks;

/// <summary>What <see cref="ContactSheet"/> shows.</summary>
internal sealed record SheetOptions
{
    /// <summary>Captions or phrases with boxes.</summary>
    public SampleTask Task { get; init; } = SampleTask.Refer;

    /// <summary>From which split.</summary>
    public Split Split { get; init; } = Split.Train;

    /// <summary>Samples, chosen at random.</summary>
    public int Count { get; init; } = 24;

    /// <summary>Side of the square picture that the model sees, in pixels.</summary>
    public int Size { get; init; } = 448;

    /// <summary>Smallest area of a random crop as a share of the picture; null: no augmentation.</summary>
    public double? LeastCropArea { get; init; }

    /// <summary>Chooses the samples and the crops.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>Another epoch has other crops of the same samples.</summary>
    public int Epoch { get; init; }

    /// <summary>Only this finding class; null: all.</summary>
    public string? Class { get; init; }

    /// <summary>How DICOM values become gray.</summary>
    public DicomGray Dicom { get; init; } = DicomGray.Window;

    /// <summary>Write picture names, which can tell who the patient is.</summary>
    public bool ShowIds { get; init; }
}

/// <summary>One picture of a sheet, as the list beside it has it.</summary>
/// <param name="Number">Its number on the sheet.</param>
/// <param name="Text">Phrase or caption.</param>
/// <param name="Answer">The boxes as the model is taught them; null for captions.</param>
/// <param name="Class">Finding class.</param>
/// <param name="Crop">The part of the original picture that is seen: left, top, width, height.</param>
/// <param name="Id">The sample's id; null unless asked for.</param>
internal sealed record SheetEntry(int Number, string Text, string? Answer, string? Class, IReadOnlyList<int> Crop, string? Id);

/// <summary>
/// A sheet of pictures exactly as the model sees them, after transform and augmentation, with the boxes read back from the
/// answer text that the model is taught: a wrong coordinate space is seen at a glance.
/// </summary>
internal static class ContactSheet
{
    private const int Gap = 8, MostPictures = 400;
    private static readonly SKColor Paper = new(0x16, 0x18, 0x1c), Ink = new(0xe8, 0xe8, 0xe8), Faint = new(0x9a, 0xa0, 0xa8),
        BoxColor = new(0xff, 0xc8, 0x2e);

    private static readonly JsonSerializerOptions Json = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Writes the sheet as PNG, and beside it a list of what is on it (the same name with .json).</summary>
    /// <exception cref="InputException">There are no such samples, or a picture cannot be read.</exception>
    public static IReadOnlyList<SheetEntry> Write(string path, PreparedData data, SheetOptions options)
    {
        if (options.Count is < 1 or > MostPictures)
            throw new InputException($"A sheet has 1 to {MostPictures} pictures, not {options.Count}.");
        var samples = data.Read(options.Task, options.Split);
        var fitting = Enumerable.Range(0, samples.Count)
            .Where(i => options.Class is null || string.Equals(samples[i].Class, options.Class, StringComparison.OrdinalIgnoreCase))
            .ToList();
        if (fitting.Count == 0)
            throw new InputException($"{Path.Combine(data.Folder, Manifest.FileName(options.Task, options.Split))}: there is no "
                + $"sample{(options.Class is null ? "" : $" of class '{options.Class}'")} to show.");
        var chosen = new CounterRandom(options.Seed, "sheet").Permutation(fitting.Count).Take(options.Count).Select(i => fitting[i]).Order()
            .ToList();

        var columns = (int)Math.Ceiling(Math.Sqrt(chosen.Count * 1.4));
        var rows = (chosen.Count + columns - 1) / columns;
        var scale = options.Size >= 300 ? 2 : 1;
        var legend = (4 * PixelFont.LineHeight + 3) * scale;
        var (across, down) = (options.Size + Gap, options.Size + legend + Gap); // from one picture to the next
        using var bitmap = new SKBitmap(Gap + columns * across, Gap + rows * down, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(Paper);
        var loader = new SampleLoader(data,
            new LoaderOptions { Size = options.Size, LeastCropArea = options.LeastCropArea, Seed = options.Seed, Dicom = options.Dicom });
        var entries = new List<SheetEntry>();
        foreach (var sample in loader.Load(samples, chosen, options.Epoch, augment: true))
        {
            var (x, y) = (Gap + entries.Count % columns * across, Gap + entries.Count / columns * down);
            var place = SKRect.Create(x, y, options.Size, options.Size);
            entries.Add(Draw(canvas, place, sample, entries.Count + 1, scale, options));
        }

        ImageSharpFile.WritePng(path, bitmap);
        AtomicFile.WriteText(Path.ChangeExtension(path, ".json"), JsonSerializer.Serialize(entries, Json) + "\n");
        return entries;
    }

    private static SheetEntry Draw(SKCanvas canvas, SKRect place, LoadedSample loaded, int number, int scale, SheetOptions options)
    {
        using (var picture = SkiaPicture.ToBitmap(loaded.Picture.Image!)) canvas.DrawBitmap(picture, place.Left, place.Top);
        var sample = loaded.Sample;
        var answer = sample.Task == SampleTask.Refer ? BoxCodec.Format(loaded.Boxes, loaded.Crop.Width, loaded.Crop.Height) : null;
        if (answer is not null)
        {
            using var pen = new SKPaint { Color = BoxColor, Style = SKPaintStyle.Stroke, StrokeWidth = scale };
            foreach (var box in BoxCodec.Parse(answer).Boxes.Select(box => box.ToPixels(options.Size, options.Size, sortAndClamp: true)))
                canvas.DrawRect(place.Left + (float)box.Left, place.Top + (float)box.Top, (float)box.Width, (float)box.Height, pen);
        }

        var letters = options.Size / (PixelFont.Advance * scale);
        var heading = new[] { $"{number}", sample.Class, options.ShowIds ? sample.Id : null }.Where(part => part is not null);
        var (x, y) = (place.Left, place.Bottom + 2 * scale);
        Line(string.Join("  ", heading), Faint);
        foreach (var line in PixelFont.Wrap(sample.Text, letters, answer is null ? 3 : 2)) Line(line, Ink);
        if (answer is not null) Line(answer, BoxColor);
        return new SheetEntry(number, sample.Text, answer, sample.Class,
            [loaded.Crop.Left, loaded.Crop.Top, loaded.Crop.Width, loaded.Crop.Height], options.ShowIds ? sample.Id : null);

        void Line(string text, SKColor color)
        {
            PixelFont.Draw(canvas, PixelFont.Wrap(text, letters, 1)[0], x, y, scale, color);
            y += PixelFont.LineHeight * scale;
        }
    }
}
