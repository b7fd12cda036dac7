using System.Diagnostics;
using System.Security.Cryptography;
using Pfmvg.Data.Loading;
using Pfmvg.Imaging;
using Pfmvg.Tensors;

namespace Pfmvg.Benchmarks;

/// <summary>What <see cref="LoadBenchmark"/> measures.</summary>
internal sealed record BenchmarkOptions
{
    /// <summary>Side of the square picture in pixels.</summary>
    public int Size { get; init; } = 448;

    /// <summary>How DICOM values become gray.</summary>
    public DicomGray Dicom { get; init; } = DicomGray.Window;

    /// <summary>Numbers of worker threads to measure.</summary>
    public IReadOnlyList<int> Workers { get; init; } = [1, Environment.ProcessorCount];

    /// <summary>Timed passes over the pictures; the median counts.</summary>
    public int Rounds { get; init; } = 5;

    /// <summary>Milliseconds that a model is assumed to spend on a picture.</summary>
    public double ModelMilliseconds { get; init; } = 50;
}

/// <summary>Figures with one number of worker threads.</summary>
/// <param name="Workers">Worker threads.</param>
/// <param name="PicturesPerSecond">Read, decoded, resized and normalised.</param>
/// <param name="DecodedPerSecond">Only read and decoded: no loader with this decoder can be faster.</param>
/// <param name="CachedPerSecond">Read from the cache of ready pictures and normalised.</param>
/// <param name="ModelWaitMilliseconds">How long the assumed model waits for the next picture, on average.</param>
internal sealed record BenchmarkRow(
    int Workers, double PicturesPerSecond, double DecodedPerSecond, double CachedPerSecond, double ModelWaitMilliseconds);

/// <summary>How fast pictures are prepared for the model.</summary>
/// <param name="Pictures">Number of files.</param>
/// <param name="MeanFileBytes">Their mean length.</param>
/// <param name="MeanPixels">Their mean number of pixels.</param>
/// <param name="DecodeMilliseconds">Median time of one thread to read and decode a picture.</param>
/// <param name="ResizeMilliseconds">Median time of one thread to resize a picture.</param>
/// <param name="NormaliseMilliseconds">Median time of one thread to normalise a picture.</param>
/// <param name="Rows">Figures by number of workers.</param>
internal sealed record BenchmarkReport(
    int Pictures, long MeanFileBytes, long MeanPixels, double DecodeMilliseconds, double ResizeMilliseconds, double NormaliseMilliseconds,
    IReadOnlyList<BenchmarkRow> Rows);

/// <summary>Measures how pictures get to the model, in one run on one machine.</summary>
internal static class LoadBenchmark
{
    /// <summary>Runs the benchmark. The first pass, which fills the page cache, is not counted.</summary>
    /// <param name="files">Picture files.</param>
    /// <param name="options">What to measure.</param>
    /// <param name="cancel">Stops it.</param>
    /// <exception cref="InputException">A file cannot be read as a picture.</exception>
    public static BenchmarkReport Run(IReadOnlyList<string> files, BenchmarkOptions options, CancellationToken cancel = default)
    {
        Libtorch.Load();
        var cacheFolder = Directory.CreateTempSubdirectory("pfmvg-bench-").FullName;
        Leftovers.Add(cacheFolder);
        try
        {
            var cache = new PictureCache(cacheFolder, options.Size, options.Dicom);
            var hashes = new string[files.Count];
            var stages = new List<(double Decode, double Resize, double Normalise)>();
            var pixels = 0L;
            var (own, planes) = (new DecodeBuffer(), new float[3 * options.Size * options.Size]);
            for (var round = 0; round < 2; round++)
            {
                for (var i = 0; i < files.Count; i++)
                {
                    cancel.ThrowIfCancellationRequested();
                    var began = Stopwatch.GetTimestamp();
                    var image = ImageFile.Decode(files[i], own, options.Dicom);
                    var decoded = Stopwatch.GetTimestamp();
                    var picture = ImageTransform.Resize(image, options.Size);
                    var resized = Stopwatch.GetTimestamp();
                    ImageTransform.Normalise(picture.Pixels, picture.Channels, planes);
                    var done = Stopwatch.GetTimestamp();
                    if (round == 0)
                    {
                        pixels += (long)image.Width * image.Height;
                        hashes[i] = Convert.ToHexStringLower(SHA256.HashData(ImageFile.ReadFile(files[i], own)));
                        cache.Keep(hashes[i], picture);
                    }
                    else stages.Add((Milliseconds(began, decoded), Milliseconds(decoded, resized), Milliseconds(resized, done)));
                }
            }

            var rows = new List<BenchmarkRow>();
            foreach (var workers in options.Workers.Distinct())
            {
                using var ready = new ThreadLocal<float[]>(() => new float[3 * options.Size * options.Size]);
                rows.Add(new BenchmarkRow(workers,
                    Rate((i, buffer) => Normalise(ImageTransform.Resize(Decode(i, buffer), options.Size), ready.Value!)),
                    Rate((i, buffer) => Decode(i, buffer).Pixels[0]),
                    Rate((i, buffer) => Normalise(cache.Find(hashes[i], buffer)
                        ?? throw new InvalidOperationException("A ready picture has vanished."), ready.Value!)),
                    Wait((i, buffer) => Normalise(ImageTransform.Resize(Decode(i, buffer), options.Size), ready.Value!))));

                double Rate(Func<int, DecodeBuffer, float> work)
                {
                    // A short pass could end before all threads run, so few files are repeated.
                    var seconds = Rounds.Median(Enumerable.Range(0, options.Rounds + 1).Select(_ =>
                    {
                        var began = Stopwatch.GetTimestamp();
                        var count = LoadAhead.InOrder(Order(), work, workers, 4 * workers, cancel).Count();
                        return Stopwatch.GetElapsedTime(began).TotalSeconds / count;
                    }).Skip(1));
                    return 1 / seconds;
                }

                double Wait(Func<int, DecodeBuffer, float> work)
                {
                    var (waited, count) = (0.0, 0);
                    using var results = LoadAhead.InOrder(Order(), work, workers, 4 * workers, cancel).GetEnumerator();
                    for (var more = results.MoveNext(); more; count++) // the wait for the first picture does not count
                    {
                        Thread.Sleep(TimeSpan.FromMilliseconds(options.ModelMilliseconds));
                        var began = Stopwatch.GetTimestamp();
                        more = results.MoveNext();
                        waited += Stopwatch.GetElapsedTime(began).TotalMilliseconds;
                    }

                    return waited / count;
                }
            }

            return new BenchmarkReport(files.Count, files.Sum(file => new FileInfo(file).Length) / files.Count, pixels / files.Count,
                Rounds.Median(stages.Select(stage => stage.Decode)), Rounds.Median(stages.Select(stage => stage.Resize)),
                Rounds.Median(stages.Select(stage => stage.Normalise)), rows);
        }
        finally
        {
            Directory.Delete(cacheFolder, recursive: true);
        }

        DecodedImage Decode(int i, DecodeBuffer buffer) => ImageFile.Decode(files[i], buffer, options.Dicom);

        IEnumerable<int> Order() => Enumerable.Range(0, Math.Max(files.Count, 32 / files.Count * files.Count)).Select(i => i % files.Count);

        static float Normalise(DecodedImage picture, float[] planes)
        {
            ImageTransform.Normalise(picture.Pixels, picture.Channels, planes);
            return planes[0];
        }
    }

    private static double Milliseconds(long from, long to) => Stopwatch.GetElapsedTime(from, to).TotalMilliseconds;
}
