using Pfmvg.Configuration;
using Pfmvg.Serving;
using Pfmvg.Tests.Imaging.Formats;
using Pfmvg.Tests.Runs;
using SkiaSharp;

namespace Pfmvg.Tests.Cli.Serving;

/// <summary>A very small model with random weights, loaded once for all tests of a class, and pictures to ask it about.</summary>
public sealed class ServedWorkspace : IDisposable
{
    private readonly TrainingWorkspace _workspace = new();

    public ServedWorkspace() => Model = ServedModel.Open(Configuration, fromBase: true);

    internal ServedModel Model { get; }

    /// <summary>Answers are boxes: a model that was taught nothing writes none of itself.</summary>
    public PfmvgConfiguration Configuration => _workspace.Configuration("served", "eval.constrain=boxes");

    /// <summary>The same as arguments of the program.</summary>
    public string[] Sets(params string[] changes) => _workspace.Sets("served", ["eval.constrain=boxes", .. changes]);

    public string Folder => _workspace.Path;

    public void Dispose()
    {
        Model.Dispose();
        _workspace.Dispose();
    }

    /// <summary>A gray PNG with something in it.</summary>
    internal static byte[] Png(int width, int height, int depth = 8) => PngWriter.Write(0, depth,
        [.. Enumerable.Range(0, height).Select(y =>
            Enumerable.Range(0, width).Select(x => (x * 7 + y * 13 + x * y) % (depth == 16 ? 4096 : 256)).ToArray())]);

    /// <summary>A JPEG in colours.</summary>
    internal static byte[] Jpeg(int width, int height)
    {
        using var bitmap = new SKBitmap(width, height, SKColorType.Rgba8888, SKAlphaType.Opaque);
        using (var canvas = new SKCanvas(bitmap))
        using (var paint = new SKPaint { Color = SKColors.OrangeRed })
        {
            canvas.Clear(SKColors.DarkSlateBlue);
            canvas.DrawOval(width / 3f, height / 2f, width / 5f, height / 4f, paint);
        }

        return bitmap.Encode(SKEncodedImageFormat.Jpeg, 90).ToArray();
    }

    /// <summary>A picture as clients write it into JSON.</summary>
    internal static string Uri(byte[] picture, string type = "image/png") => $"data:{type};base64,{Convert.ToBase64String(picture)}";
}
