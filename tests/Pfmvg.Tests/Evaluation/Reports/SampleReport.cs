using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;
using SkiaSharp;

namespace Pfmvg.Tests.Evaluation.Reports;

/// <summary>A folder with reports of varied answers and their pictures.</summary>
internal sealed class SampleReport : IDisposable
{
    public TemporaryFolder Folder { get; } = new();

    public string Html => Folder.In("report.html");

    public static ScoreTable Table(int count, ScoringOptions? options = null) =>
        Scorer.Score(Answers.Varied(count).ConvertAll(p => p with { Patient = "p1000" + p.Patient }),
            options ?? new ScoringOptions { Resamples = 100 });

    public ReportOptions Options()
    {
        var pictures = Enumerable.Range(0, 4).Select(i => Picture($"picture{i}.png", 300 + 40 * i, 320)).ToArray();
        return new ReportOptions { Title = "Varied answers", ImagePath = prediction => pictures[prediction.Id.Length % pictures.Length] };
    }

    /// <summary>Writes the folder's report anew and returns it.</summary>
    public string Write(ScoreTable table, ReportOptions options)
    {
        if (File.Exists(Folder.In("overlay.png"))) File.Delete(Folder.In("overlay.png"));
        ScoreReport.WriteAll(Folder.Path, table, options);
        return File.ReadAllText(Html);
    }

    public string Picture(string name, int width, int height, bool noise = false)
    {
        var path = Folder.In(name);
        if (File.Exists(path)) return path;
        using var bitmap = new SKBitmap(new SKImageInfo(width, height, SKColorType.Gray8));
        var random = new CounterRandom(width, name);
        var pixels = bitmap.GetPixelSpan().ToArray();
        for (var i = 0; i < pixels.Length; i++) pixels[i] = noise ? (byte)random.Next(256) : (byte)(20 + 60 * (i / width) / height);
        System.Runtime.InteropServices.Marshal.Copy(pixels, 0, bitmap.GetPixels(), pixels.Length);
        using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        using var file = File.Create(path);
        data.SaveTo(file);
        return path;
    }

    public void Dispose() => Folder.Dispose();
}
