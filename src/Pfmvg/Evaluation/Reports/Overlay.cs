using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using SkiaSharp;

namespace Pfmvg.Evaluation.Reports;

/// <summary>The colours of the boxes; by default those of the paper's Fig. 2.</summary>
/// <param name="Truth">The true box, as "#rrggbb".</param>
/// <param name="Prediction">The predicted box, as "#rrggbb".</param>
public sealed record OverlayColors(string Truth = "#ffffff", string Prediction = "#9a9a9a")
{
    /// <summary>Reads "white,gray" or "#rrggbb,#rrggbb": truth first.</summary>
    /// <exception cref="InputException">The text is none of these.</exception>
    public static OverlayColors Parse(string text)
    {
        var parts = text.Split(',', StringSplitOptions.TrimEntries);
        return parts.Length == 2 ? new OverlayColors(Hex(parts[0]), Hex(parts[1]))
            : throw new InputException($"'{text}' are no overlay colours; give two, truth first, as in white,gray or #00ff00,#ff0000.");

        string Hex(string name) => name.ToLowerInvariant() switch
        {
            "white" => "#ffffff",
            "gray" or "grey" => "#9a9a9a",
            "green" => "#2ecc71",
            "red" => "#e74c3c",
            "blue" => "#3498db",
            "yellow" => "#f1c40f",
            "cyan" => "#00bcd4",
            "magenta" => "#e91e9c",
            var hex when hex.Length == 7 && hex[0] == '#' && hex.Skip(1).All(char.IsAsciiHexDigit) => hex,
            _ => throw new InputException($"'{name}' is no colour; use white, gray, green, red, blue, yellow, cyan, magenta or #rrggbb."),
        };
    }
}

/// <summary>Pictures with the true and the predicted boxes drawn on them.</summary>
public static class Overlay
{
    private const int Tile = 384, Gap = 12;

    /// <summary>A sheet of samples side by side, as the paper's Fig. 2, from the best to the worst.</summary>
    /// <param name="path">The PNG to write.</param>
    /// <param name="table">Scored samples.</param>
    /// <param name="imagePath">Where a sample's picture is; null when there is none (it is drawn as an empty frame).</param>
    /// <param name="count">How many samples, spread evenly over the classes and over the range of IoU.</param>
    /// <param name="colors">The boxes' colours.</param>
    /// <param name="dicom">How DICOM values became gray when the model saw them.</param>
    public static void WriteSheet(
        string path, ScoreTable table, Func<Prediction, string?> imagePath, int count = 8, OverlayColors? colors = null,
        DicomGray dicom = DicomGray.Window) => WriteSheet(path, table, imagePath, count, colors, dicom, null);

    /// <summary>The same, with pictures that cannot be shown noted.</summary>
    internal static void WriteSheet(string path, ScoreTable table, Func<Prediction, string?> imagePath, int count, OverlayColors? colors,
        DicomGray dicom, LeftOutPictures? leftOut)
    {
        var samples = Spread(table, count);
        var columns = Math.Min(4, samples.Count);
        var rows = (samples.Count + columns - 1) / columns;
        using var font = new SKFont(SKTypeface.Default, 14);
        var caption = font.ContainsGlyphs("IoU") ? 44 : 0; // a machine without fonts draws no text
        using var bitmap = Canvas(Gap + columns * (Tile + Gap), Gap + rows * (Tile + caption + Gap));
        using var canvas = new SKCanvas(bitmap);
        canvas.Clear(new SKColor(0x14, 0x16, 0x1a));
        using var ink = new SKPaint { Color = new SKColor(0xe6, 0xe6, 0xe6), IsAntialias = true };
        for (var i = 0; i < samples.Count; i++)
        {
            var (x, y) = (Gap + i % columns * (Tile + Gap), Gap + i / columns * (Tile + caption + Gap));
            var picture = imagePath(samples[i].Prediction) is { } image ? ReportImage.Decode(image, dicom, leftOut) : null;
            Draw(canvas, SKRect.Create(x, y, Tile, Tile), samples[i], picture, colors ?? new OverlayColors());
            if (caption == 0) continue;
            var title = $"({(char)('a' + i % 26)}) {samples[i].Prediction.Class}, IoU {ScoreGrid.Figure(samples[i].Iou)}";
            canvas.DrawText(Fit(title, font), x, y + Tile + 17, font, ink);
            canvas.DrawText(Fit($"\"{samples[i].Prediction.Phrase}\"", font), x, y + Tile + 36, font, ink);
        }

        ImageSharpFile.WritePng(path, bitmap);
    }

    /// <summary>One picture at its own size with boxes drawn on it: its pixels are those that the model saw.</summary>
    /// <param name="path">The PNG to write.</param>
    /// <param name="image">The picture.</param>
    /// <param name="truth">True boxes in its pixels.</param>
    /// <param name="predicted">Predicted boxes in its pixels.</param>
    /// <param name="colors">The boxes' colours.</param>
    /// <param name="dicom">How DICOM values became gray when the model saw them.</param>
    /// <exception cref="InputException">The picture cannot be read.</exception>
    public static void WriteOne(string path, string image, IReadOnlyList<Box> truth, IReadOnlyList<Box> predicted,
        OverlayColors? colors = null, DicomGray dicom = DicomGray.Window)
    {
        using var bitmap = SkiaPicture.ToBitmap(ImageFile.Decode(image, dicom: dicom));
        using var canvas = new SKCanvas(bitmap);
        DrawBoxes(canvas, SKRect.Create(bitmap.Width, bitmap.Height), (bitmap.Width, bitmap.Height), truth, predicted,
            colors ?? new OverlayColors());
        canvas.Flush();
        ImageSharpFile.WritePng(path, bitmap);
    }

    private static SKBitmap Canvas(int width, int height) => new(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);

    private static void Draw(SKCanvas canvas, SKRect tile, ScoredSample sample, DecodedImage? decoded, OverlayColors colors)
    {
        var (width, height) = (sample.Prediction.Width, sample.Prediction.Height);
        var scale = Math.Min(tile.Width / width, tile.Height / height);
        var area = SKRect.Create(tile.MidX - width * scale / 2, tile.MidY - height * scale / 2, width * scale, height * scale);
        using var picture = decoded is null ? null : SkiaPicture.ToBitmap(decoded);
        using var frame = new SKPaint { Color = new SKColor(0x2a, 0x2e, 0x36) };
        if (picture is null) canvas.DrawRect(area, frame);
        else DrawPicture(canvas, picture, area);
        DrawBoxes(canvas, area, (width, height), sample.Truth, sample.Predicted, colors);
    }

    private static void DrawPicture(SKCanvas canvas, SKBitmap picture, SKRect area)
    {
        using var image = SKImage.FromBitmap(picture);
        canvas.DrawImage(image, area, new SKSamplingOptions(SKFilterMode.Linear, SKMipmapMode.Linear));
    }

    /// <param name="canvas">Where to draw.</param>
    /// <param name="area">The picture's place on the canvas.</param>
    /// <param name="size">Width and height of the original picture, in whose pixels the boxes are.</param>
    /// <param name="truth">True boxes.</param>
    /// <param name="predicted">Predicted boxes.</param>
    /// <param name="colors">The boxes' colours.</param>
    internal static void DrawBoxes(SKCanvas canvas, SKRect area, (int Width, int Height) size,
        IReadOnlyList<Box> truth, IReadOnlyList<Box> predicted, OverlayColors colors)
    {
        canvas.Save();
        canvas.ClipRect(area);
        var stroke = Math.Max(2, Math.Max(area.Width, area.Height) / 150);
        foreach (var (boxes, color) in ((IReadOnlyList<Box>, string)[])[(truth, colors.Truth), (predicted, colors.Prediction)])
        {
            using var pen = new SKPaint
            {
                Color = SKColor.Parse(color),
                Style = SKPaintStyle.Stroke,
                StrokeWidth = stroke,
                IsAntialias = true,
            };
            using var shadow = new SKPaint
            {
                Color = SKColors.Black.WithAlpha(110),
                Style = SKPaintStyle.Stroke,
                StrokeWidth = stroke + 2,
                IsAntialias = true,
            };
            foreach (var box in boxes)
            {
                var scaled = box.Scale(area.Width / size.Width, area.Height / size.Height).Move(area.Left, area.Top);
                var rectangle = new SKRect((float)scaled.Left, (float)scaled.Top, (float)scaled.Right, (float)scaled.Bottom);
                canvas.DrawRect(rectangle, shadow);
                canvas.DrawRect(rectangle, pen);
            }
        }

        canvas.Restore();
    }

    /// <summary>Samples from as many classes as possible, from the best to the worst.</summary>
    private static List<ScoredSample> Spread(ScoreTable table, int count)
    {
        var queues = table.Classes.Select(row => table.Samples.Where(sample => sample.Prediction.Class == row.Name)
            .OrderByDescending(sample => sample.Iou).ToList()).ToList();
        List<ScoredSample> chosen = [];
        for (var round = 0; chosen.Count < Math.Min(count, table.Samples.Count); round++)
            foreach (var (samples, c) in queues.Select((samples, c) => (samples, c)))
            {
                if (samples.Count == 0 || chosen.Count >= count) continue;
                var at = queues.Count == 1 ? 0 : (int)Math.Round((double)c / (queues.Count - 1) * (samples.Count - 1));
                chosen.Add(samples[at]);
                samples.RemoveAt(at);
            }

        return [.. chosen.OrderByDescending(sample => sample.Iou)];
    }

    private static string Fit(string text, SKFont font)
    {
        if (font.MeasureText(text) <= Tile) return text;
        var length = text.Length;
        while (length > 1 && font.MeasureText(text[..length] + "…") > Tile) length--;
        return text[..length] + "…";
    }

}
