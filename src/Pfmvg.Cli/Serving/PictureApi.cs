using System.Globalization;
using Microsoft.AspNetCore.Http;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;
using Pfmvg.Serving;
using SkiaSharp;

namespace Pfmvg.Cli.Serving;

/// <summary>
/// `POST /v1/picture`: any picture that the program reads as a PNG of 8 bits, for programs that show it and cannot read DICOM. Its size
/// stands in the header Image-Size; `?side=N` makes it smaller.
/// </summary>
internal sealed class PictureApi(AnswerDesk desk, PictureShelf shelf, RequestBody bodies)
{
    private sealed record Shown(byte[] Png, int Width, int Height, string? Note);

    /// <summary>Answers a request: a form with the field image, JSON with it, or the file itself.</summary>
    public async Task Handle(HttpContext context)
    {
        using var clock = desk.Clock(context);
        var side = Side(context.Request);
        Shown shown;
        using (var body = await bodies.Read(context))
        {
            var file = await File(context.Request, body.Bytes);
            try
            {
                shown = await desk.Decode(() => shelf.Decode(file.Span, (image, _) => Encode(image, side)), clock.Token);
            }
            catch (OperationCanceledException) when (!context.RequestAborted.IsCancellationRequested)
            {
                throw desk.Late();
            }
        }

        context.Response.Headers["Image-Size"] = string.Create(CultureInfo.InvariantCulture, $"{shown.Width}x{shown.Height}");
        if (shown.Note is { } note) context.Response.Headers["Image-Note"] = string.Concat(note.Where(c => c is >= ' ' and <= '~'));
        await Server.Send(context, 200, shown.Png, "image/png");
    }

    private static int? Side(HttpRequest request)
    {
        var text = request.Query["side"].ToString();
        if (text.Length == 0) return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var side) && side is >= 1 and <= 65_535 ? side
            : throw ApiError.Wrong("side", "must be a whole number of pixels.");
    }

    private static async Task<ReadOnlyMemory<byte>> File(HttpRequest request, ReadOnlyMemory<byte> body)
    {
        if (FormBody.IsForm(request)) return (await FormBody.Read(request, body)).File;
        if (request.ContentType?.StartsWith("application/json", StringComparison.OrdinalIgnoreCase) != true) return body;
        using var json = JsonFields.Parse(body);
        return json.RootElement.Member("image") is { } image ? image.Picture("image")
            : throw ApiError.Wrong("image", "there is no picture; send {\"image\": \"data:image/png;base64,...\"}.");
    }

    private static Shown Encode(DecodedImage image, int? side)
    {
        var (width, height) = (image.Width, image.Height);
        var small = image;
        if (side < Math.Max(width, height))
        {
            var scale = (double)side.Value / Math.Max(width, height);
            var (w, h) = (Math.Max(1, (int)Math.Round(width * scale)), Math.Max(1, (int)Math.Round(height * scale)));
            small = new DecodedImage(w, h, image.Channels, PillowResize.Run(image, Crop.Whole(width, height), w, h));
        }

        using var bitmap = small.Channels == 1 ? Gray(small) : SkiaPicture.ToBitmap(small);
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        return new Shown(png.ToArray(), width, height, image.Note);
    }

    private static SKBitmap Gray(DecodedImage image)
    {
        var bitmap = new SKBitmap(image.Width, image.Height, SKColorType.Gray8, SKAlphaType.Opaque);
        var target = bitmap.GetPixelSpan();
        for (var y = 0; y < image.Height; y++)
            image.Pixels.Slice(y * image.Width, image.Width).CopyTo(target[(y * bitmap.RowBytes)..]);
        return bitmap;
    }
}
