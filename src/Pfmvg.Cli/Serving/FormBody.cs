using System.Runtime.InteropServices;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace Pfmvg.Cli.Serving;

/// <summary>A form with a file, taken apart in memory: ASP.NET's own reader writes files onto the disk.</summary>
/// <param name="File">The picture.</param>
/// <param name="Fields">Names and texts in their order.</param>
internal sealed record FormBody(ReadOnlyMemory<byte> File, IReadOnlyList<(string Name, string Text)> Fields)
{
    private const int MostFields = 4096, MostLetters = 64 << 10;

    public static bool IsForm(HttpRequest request) =>
        request.ContentType?.StartsWith("multipart/form-data", StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>The texts of a field.</summary>
    public IEnumerable<string> Texts(string name) => from field in Fields where field.Name == name select field.Text;

    /// <summary>Takes a body apart.</summary>
    /// <exception cref="ApiError">It is no form, or holds no picture.</exception>
    public static async Task<FormBody> Read(HttpRequest request, ReadOnlyMemory<byte> body)
    {
        if (!MediaTypeHeaderValue.TryParse(request.ContentType, out var type)
            || HeaderUtilities.RemoveQuotes(type.Boundary).Value is not { Length: > 0 and <= 200 } boundary)
            throw new ApiError(400, "The form's Content-Type names no boundary.");
        ReadOnlyMemory<byte>? file = null;
        List<(string, string)> fields = [];
        try
        {
            var reader = new MultipartReader(boundary, Stream(body));
            while (await reader.ReadNextSectionAsync() is { } section)
            {
                if (!ContentDispositionHeaderValue.TryParse(section.ContentDisposition, out var place)) continue;
                using var content = new MemoryStream();
                await section.Body.CopyToAsync(content);
                var name = HeaderUtilities.RemoveQuotes(place.Name).Value ?? "";
                if (name == "image")
                {
                    if (file is not null) throw ApiError.Wrong("image", "the form holds several pictures; send one.");
                    file = content.GetBuffer().AsMemory(0, (int)content.Length);
                }
                else
                {
                    if (fields.Count == MostFields || content.Length > MostLetters)
                        throw ApiError.Wrong(Shown(name), "the form holds more text than phrases need.");
                    fields.Add((name, Encoding.UTF8.GetString(content.GetBuffer(), 0, (int)content.Length)));
                }
            }
        }
        catch (Exception wrong) when (wrong is IOException or InvalidDataException)
        {
            throw new ApiError(400, "The form is cut off, or not divided as its Content-Type says.");
        }

        return new FormBody(file is { Length: > 0 } picture ? picture
            : throw ApiError.Wrong("image", "there is no picture; send one as the field 'image' of the form."), fields);
    }

    // The body is large: it is not copied once more.
    private static MemoryStream Stream(ReadOnlyMemory<byte> body) => MemoryMarshal.TryGetArray(body, out var array)
        ? new MemoryStream(array.Array!, array.Offset, array.Count, writable: false) : new MemoryStream(body.ToArray(), writable: false);

    private static string Shown(string name) => name.Length is > 0 and < 40 && name.All(char.IsAsciiLetterOrDigit) ? name : "form";
}
