using Pfmvg.Benchmarks;
using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Text;
using SkiaSharp;

namespace Pfmvg.Tests.Data;

public sealed class LoaderTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private (PreparedData Data, IReadOnlyList<Sample> Samples) Prepare(int patients)
    {
        StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = _tree.MsCxr(patients) });
        var data = PreparedData.Open(_tree["prepared"]);
        return (data, data.Read(SampleTask.Refer, Split.Train));
    }

    [Fact]
    public void The_result_does_not_depend_on_workers_or_the_cache()
    {
        var (data, samples) = Prepare(30);
        var order = new CounterRandom(1, "order").Permutation(samples.Count);
        var expected = Load(1, null);
        Assert.Equal(order, expected.Select(loaded => loaded.Index));
        Assert.NotEqual(expected.Select(loaded => loaded.Crop), Load(1, null, epoch: 1).Select(loaded => loaded.Crop));
        foreach (var workers in new[] { 2, 7 })
            foreach (var cache in new[] { null, _tree["cache"], _tree["cache"] })
                foreach (var (a, b) in expected.Zip(Load(workers, cache)))
                {
                    Assert.Equal((a.Index, a.Crop), (b.Index, b.Crop));
                    Assert.Equal(a.Boxes, b.Boxes);
                    Assert.True(a.Picture.Image!.Pixels.SequenceEqual(b.Picture.Image!.Pixels));
                }

        List<LoadedSample> Load(int workers, string? cache, int epoch = 0) =>
            [.. new SampleLoader(data, new LoaderOptions
            {
                Size = 28,
                Workers = workers,
                Ahead = 3,
                LeastCropArea = 0.5,
                Seed = 9,
                Cache = cache,
            }).Load(samples, order, epoch, augment: true, TestContext.Current.CancellationToken)];
    }

    [Fact]
    public void A_broken_picture_fails_or_is_left_out_and_listed()
    {
        var (data, samples) = Prepare(20);
        File.WriteAllText(data.ImagePath(samples[3]), "no picture");
        _tree.Picture(samples[5].Image, 41, 30); // another size than when it was prepared
        var cancel = TestContext.Current.CancellationToken;
        var order = Enumerable.Range(0, samples.Count).ToList();
        var skipping = new SampleLoader(data, new LoaderOptions { Size = 28, Workers = 3, Broken = BadSamples.Skip });
        Assert.Equal(order.Except([3, 5]), skipping.Load(samples, order, cancel: cancel).Select(loaded => loaded.Index));
        Assert.Equal(order.Except([3, 5]), skipping.Load(samples, order, cancel: cancel).Select(loaded => loaded.Index));
        Assert.Equal([3, 5], skipping.Broken.Select(broken => broken.Index));
        Assert.All(skipping.Broken, broken =>
            Assert.DoesNotContain(samples[broken.Index].Patient!, broken.Reason, StringComparison.Ordinal));

        var seen = new List<int>();
        var failing = new SampleLoader(data, new LoaderOptions { Size = 28, Workers = 3 });
        var error = Assert.Throws<InputException>(
            () => seen.AddRange(failing.Load(samples, order, cancel: cancel).Select(loaded => loaded.Index)));
        Assert.Contains("the file is no JPEG, PNG", error.Message, StringComparison.Ordinal);
        Assert.Contains("when the data were prepared",
            Assert.Throws<InputException>(() => failing.Load(samples, [5], cancel: cancel).Count()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cached_picture_is_the_picture_and_a_damaged_one_is_made_again()
    {
        var (data, samples) = Prepare(10);
        var cancel = TestContext.Current.CancellationToken;
        var options = new LoaderOptions { Size = 28, Cache = _tree["cache"] };
        var fresh = new SampleLoader(data, options with { Cache = null }).Load(samples, [0, 1], cancel: cancel).ToList();
        AssertSame(fresh);
        foreach (var file in Directory.GetFiles(_tree["cache"], "*", SearchOption.AllDirectories))
        {
            var bytes = File.ReadAllBytes(file);
            bytes[^1] ^= 1;
            File.WriteAllBytes(file, bytes);
        }

        AssertSame(fresh);
        foreach (var sample in samples.Take(2)) File.Delete(data.ImagePath(sample));
        AssertSame(fresh); // now really from the cache

        void AssertSame(List<LoadedSample> expected)
        {
            foreach (var (a, b) in expected.Zip(new SampleLoader(data, options).Load(samples, [0, 1], cancel: cancel)))
                Assert.True(a.Picture.Image!.Pixels.SequenceEqual(b.Picture.Image!.Pixels));
        }
    }

    [Fact]
    public void Work_ahead_is_bounded_and_ends_with_its_consumer()
    {
        var (taken, done) = (0, 0);
        var cancel = TestContext.Current.CancellationToken;
        using (var results = LoadAhead.InOrder(
            Enumerable.Range(0, 1_000_000).Select(i => { taken++; return i; }), (i, _) =>
            { Interlocked.Increment(ref done); return i; }, 4, 8, cancel).GetEnumerator())
        {
            for (var i = 0; i < 100; i++)
            {
                Assert.True(results.MoveNext());
                Assert.Equal(i, results.Current);
                Assert.InRange(taken, i, i + 1 + 8 + 1);
            }
        }

        var after = Volatile.Read(ref done);
        Thread.Sleep(50);
        Assert.Equal(after, Volatile.Read(ref done));
    }

    [Fact]
    public void An_exception_comes_in_the_place_of_its_item()
    {
        var cancel = TestContext.Current.CancellationToken;
        var seen = new List<int>();
        Assert.Throws<FormatException>(() =>
        {
            foreach (var value in LoadAhead.InOrder(
                Enumerable.Range(0, 50), (i, _) => i == 20 ? throw new FormatException() : i, 3, 5, cancel)) seen.Add(value);
        });
        Assert.Equal(Enumerable.Range(0, 20), seen);
        // more workers than room
        Assert.Equal(Enumerable.Range(0, 5), LoadAhead.InOrder(Enumerable.Range(0, 5), (i, _) => i, 9, 1, cancel));
        Assert.Throws<FormatException>(() => LoadAhead.InOrder(Failing(), (i, _) => i, 2, 4, cancel).Count());

        static IEnumerable<int> Failing()
        {
            yield return 1;
            throw new FormatException();
        }
    }

    [Fact]
    public void The_answer_is_within_a_grid_cell_of_the_moved_box()
    {
        for (var trial = 0; trial < 300; trial++)
        {
            var random = new CounterRandom(8, "test", trial);
            var (width, height) = (100 + random.Next(3000), 100 + random.Next(3000));
            var (left, top) = (random.Next(width - 20), random.Next(height - 20));
            var box = Box.FromXywh(left, top, 10 + random.Next(width - left - 10), 10 + random.Next(height - top - 10));
            var crop = Crop.Random(width, height, [box], 0.5, random);
            var moved = crop.Apply([box])[0];
            var read = BoxCodec.Parse(BoxCodec.Format([moved], crop.Width, crop.Height)).Boxes[0]
                .ToPixels(crop.Width, crop.Height, sortAndClamp: false);
            var (cellX, cellY) = (crop.Width / 100.0 + 1e-9, crop.Height / 100.0 + 1e-9);
            Assert.InRange(Math.Abs(read.Left - moved.Left), 0, cellX);
            Assert.InRange(Math.Abs(read.Right - moved.Right), 0, cellX);
            Assert.InRange(Math.Abs(read.Top - moved.Top), 0, cellY);
            Assert.InRange(Math.Abs(read.Bottom - moved.Bottom), 0, cellY);
        }
    }

    [Fact]
    public void The_sheet_shows_the_boxes_as_they_are_taught_and_hides_the_patient()
    {
        var (data, samples) = Prepare(12);
        var path = _tree["sheet.png"];
        var entries = ContactSheet.Write(path, data, new SheetOptions { Count = 4, Size = 60, LeastCropArea = 0.5 });
        Assert.Equal(4, entries.Count);
        using var sheet = SKBitmap.Decode(path);
        var gold = new SKColor(0xff, 0xc8, 0x2e);
        foreach (var entry in entries)
        {
            // The upper left corner of the box, where the answer text says it is.
            var box = BoxCodec.Parse(entry.Answer!).Boxes[0].ToPixels(60, 60, sortAndClamp: true);
            var (column, row) = ((entry.Number - 1) % 3, (entry.Number - 1) / 3);
            Assert.True(Near(sheet, 8 + column * 68 + (int)box.Left, 8 + row * (68 + 39) + (int)(box.Top + box.Bottom) / 2, gold),
                $"picture {entry.Number}");
        }

        var list = File.ReadAllText(Path.ChangeExtension(path, ".json"));
        Assert.DoesNotContain(samples, sample => list.Contains(sample.Patient!, StringComparison.Ordinal)
            || list.Contains(sample.Id, StringComparison.Ordinal));
        Assert.Throws<InputException>(() => ContactSheet.Write(path, data, new SheetOptions { Class = "no such" }));

        static bool Near(SKBitmap sheet, int x, int y, SKColor color) =>
            Enumerable.Range(-2, 5).Any(dx => Math.Abs(sheet.GetPixel(x + dx, y).Red - color.Red) < 90
                && Math.Abs(sheet.GetPixel(x + dx, y).Blue - color.Blue) < 90);
    }

    [Fact]
    public void The_benchmark_measures_all_that_it_promises()
    {
        var (data, samples) = Prepare(5);
        var report = LoadBenchmark.Run([.. samples.Select(data.ImagePath)], new BenchmarkOptions
        {
            Size = 28,
            Rounds = 1,
            Workers = [1, 2],
            ModelMilliseconds = 0,
        }, TestContext.Current.CancellationToken);
        Assert.Equal([1, 2], report.Rows.Select(row => row.Workers));
        Assert.All(report.Rows, row => Assert.True(
            row is { PicturesPerSecond: > 0, DecodedPerSecond: > 0, CachedPerSecond: > 0, ModelWaitMilliseconds: >= 0 }));
        Assert.Equal(1200, report.MeanPixels);
    }
}
