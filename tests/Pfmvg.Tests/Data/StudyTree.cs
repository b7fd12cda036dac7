using System.IO.Compression;
using System.Text;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Phantoms.Files;
using Pfmvg.Phantoms.Planning;
using SkiaSharp;

namespace Pfmvg.Tests.Data;

/// <summary>A temporary folder with small data sets in the official layouts.</summary>
internal sealed class StudyTree : IDisposable
{
    public const string MsCxrHeader = "category_name,label_text,path,x,y,w,h,image_width,image_height,dicom_id";

    public string Root { get; } = Directory.CreateTempSubdirectory("pfmvg-data-").FullName;

    public string this[params string[] parts] => Path.Combine([Root, .. parts]);

    public void Dispose() => Directory.Delete(Root, recursive: true);

    public string Write(string path, string text)
    {
        var full = this[path];
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        if (path.EndsWith(".gz", StringComparison.Ordinal))
        {
            using var zipped = new GZipStream(File.Create(full), CompressionLevel.Fastest);
            zipped.Write(Encoding.UTF8.GetBytes(text));
        }
        else File.WriteAllText(full, text, new UTF8Encoding(false));
        return full;
    }

    /// <summary>A small JPEG whose content depends on the shade, so that files with the same shade and size are the same.</summary>
    public string Picture(string path, int width = 40, int height = 30, int shade = 0)
    {
        var full = this[path];
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Gray8, SKAlphaType.Opaque));
        bitmap.Erase(new SKColor((byte)shade, (byte)shade, (byte)shade));
        bitmap.SetPixel(shade % width, shade / width % height, SKColors.White);
        using var data = bitmap.Encode(SKEncodedImageFormat.Jpeg, 90);
        File.WriteAllBytes(full, data.ToArray());
        return full;
    }

    /// <summary>A small DICOM picture, a ramp that gets steeper.</summary>
    public string Dicom(string path, int width = 40, int height = 30, bool inverted = false, bool window = true)
    {
        var full = this[path];
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        byte[] gray = [.. Enumerable.Range(0, width * height).Select(i => (byte)(20 + 200 * Math.Pow((double)i / (width * height), 2)))];
        DicomWriter.Write(full, new PhantomImage(width, height, gray, []), path, inverted);
        if (window) return full;
        var file = File.ReadAllBytes(full);
        var center = file.AsSpan().IndexOf("(\0P\u0010DS"u8);
        File.WriteAllBytes(full, [.. file[..center], .. file[(center + 8 + 6 + 8 + 4)..]]);
        return full;
    }

    /// <summary>MS-CXR 1.0.0 with one box on each of so many patients' single pictures (40 x 30).</summary>
    public DataSources MsCxr(int patients)
    {
        var rows = new StringBuilder(MsCxrHeader + "\n");
        for (var i = 0; i < patients; i++)
        {
            var picture = $"files/p{10 + i % 10}/p{10 + i % 10}{i:000000}/s5{i:0000000}/d{i}.jpg";
            Picture(picture, shade: i);
            rows.Append($"Edema,edema of lung {i},{picture},{i % 20},3,10,12,40,30,d{i}\n");
        }

        Write("MS_CXR_Local_Alignment_v1.0.0.csv", rows.ToString());
        return new DataSources { MsCxr = Root };
    }

    public static PrepareReport Prepare(PrepareOptions options) =>
        DataPreparation.Run(options, cancel: TestContext.Current.CancellationToken);

    /// <summary>Everything a prepared folder holds, to compare.</summary>
    public static string Contents(string folder) => string.Join("\n", Directory.GetFiles(folder, "*.json*").Order()
        .Where(file => !file.EndsWith("pictures.jsonl", StringComparison.Ordinal))
            .Select(file => Path.GetFileName(file) + "\n" + File.ReadAllText(file)));
}
