using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using SkiaSharp;

namespace Pfmvg.Evaluation.Reports;

/// <summary>
/// A picture with a map of similarity over it: red above 0, blue below, the stronger the nearer to 1 and -1, whatever the map's own range
/// is; white contours at steps of 0.25; dark where there is no map.
/// </summary>
internal static class MapOverlay
{
    private const float Step = 0.25f, Strongest = 0.75f, Dimmed = 0.35f;

    private static readonly (float Red, float Green, float Blue) Above = (230, 40, 30), Below = (40, 90, 230);

    /// <summary>Draws and writes it.</summary>
    /// <param name="path">The PNG to write.</param>
    /// <param name="picture">The picture.</param>
    /// <param name="map">As many values as the picture has pixels; NaN where there is no map.</param>
    /// <param name="frame">The place of the map.</param>
    /// <param name="boxes">Boxes in pixels.</param>
    /// <param name="colors">Their colours.</param>
    public static void Write(string path, DecodedImage picture, float[] map, Box frame, IReadOnlyList<Box> boxes, OverlayColors colors)
    {
        using var bitmap = SkiaPicture.ToBitmap(picture);
        Paint(bitmap.GetPixelSpan(), map, picture.Width, Math.Max(1, Math.Max(picture.Width, picture.Height) / 700));
        using var canvas = new SKCanvas(bitmap);
        var (area, size) = (SKRect.Create(picture.Width, picture.Height), (picture.Width, picture.Height));
        Overlay.DrawBoxes(canvas, area, size, [], [frame], new OverlayColors(Prediction: "#9a9a9a"));
        Overlay.DrawBoxes(canvas, area, size, [], boxes, colors);
        canvas.Flush();
        ImageSharpFile.WritePng(path, bitmap);
    }

    private static void Paint(Span<byte> pixels, float[] map, int width, int stroke)
    {
        for (var (i, at) = (0, 0); i < map.Length; i++, at += 4)
        {
            var value = map[i];
            if (float.IsNaN(value))
            {
                for (var channel = 0; channel < 3; channel++) pixels[at + channel] = (byte)(Dimmed * pixels[at + channel]);
                continue;
            }

            if (IsEdge(i, i % width + stroke < width ? i + stroke : i) || IsEdge(i, Math.Min(i + stroke * width, map.Length - 1)))
            {
                pixels.Slice(at, 3).Fill(byte.MaxValue);
                continue;
            }

            var (share, (red, green, blue)) = (Strongest * Math.Min(1, Math.Abs(value)), value > 0 ? Above : Below);
            pixels[at] = (byte)(pixels[at] + share * (red - pixels[at]));
            pixels[at + 1] = (byte)(pixels[at + 1] + share * (green - pixels[at + 1]));
            pixels[at + 2] = (byte)(pixels[at + 2] + share * (blue - pixels[at + 2]));
        }

        // The margin has no contour: its frame says where it begins.
        bool IsEdge(int here, int there) => !float.IsNaN(map[there]) && MathF.Floor(map[here] / Step) != MathF.Floor(map[there] / Step);
    }
}
