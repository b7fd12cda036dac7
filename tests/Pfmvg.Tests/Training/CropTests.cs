using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Geometry;
using Pfmvg.Imaging;
using Pfmvg.Runs;
using Pfmvg.Tests.Runs;
using Pfmvg.Training;

namespace Pfmvg.Tests.Training;

/// <summary>What an epoch shows of pictures that several samples share.</summary>
public sealed class CropTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private const double Kept = 0.75; // of every box, at least

    private static readonly StageSettings Shared = new() { SharePictures = true, CropScaleMin = 0.3 };

    [Fact]
    public void A_shared_crop_holds_all_boxes_of_its_picture_and_depends_on_seed_epoch_and_picture_alone()
    {
        var (data, samples) = Read();
        var all = Load(data, samples, Shared, 3, Enumerable.Range(0, samples.Count));
        var pictures = all.GroupBy(loaded => loaded.Sample.Image).ToList();
        Assert.Contains(pictures, picture => picture.Count() > 1 && picture.First().Crop != Whole(picture.First()));
        foreach (var picture in pictures)
        {
            var crop = Assert.Single(picture.Select(loaded => loaded.Crop).Distinct());
            Assert.Single(picture.Select(loaded => loaded.Picture).Distinct(ReferenceEqualityComparer.Instance)); // resized once
            var edge = new Box(crop.Left, crop.Top, crop.Left + crop.Width, crop.Top + crop.Height);
            Assert.All(picture.SelectMany(loaded => loaded.Sample.Boxes),
                box => Assert.True(box.Intersect(edge).Area >= Kept * box.Area));
            Assert.All(picture, loaded => Assert.Equal(loaded.Sample.Boxes.Count, loaded.Boxes.Count));
        }

        foreach (var loaded in Load(data, samples, Shared, 3, Enumerable.Range(0, samples.Count / 2).Select(i => 2 * i).Reverse()))
        {
            var same = all.Single(one => one.Index == loaded.Index);
            Assert.Equal(same.Crop, loaded.Crop);
            Assert.Equal(same.Boxes, loaded.Boxes);
            Assert.True(same.Picture.Image!.Pixels.SequenceEqual(loaded.Picture.Image!.Pixels));
        }

        Assert.NotEqual(all.Select(loaded => loaded.Crop),
            Load(data, samples, Shared, 4, Enumerable.Range(0, samples.Count)).Select(loaded => loaded.Crop));
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_share_of_what_is_shown_is_cropped_and_the_rest_is_whole(bool shared)
    {
        var (data, samples) = Read();
        var settings = Shared with { SharePictures = shared };
        var (every, none, half) = (Crops(1), Crops(0), Crops(0.5));
        Assert.All(none, loaded => Assert.Equal(Whole(loaded), loaded.Crop));
        Assert.All(none, loaded => Assert.Equal(loaded.Sample.Boxes, loaded.Boxes));
        // A crop that is taken is the one that is taken of all.
        Assert.All(half.Zip(every), pair => Assert.True(pair.First.Crop == pair.Second.Crop || pair.First.Crop == Whole(pair.First)));
        var cropped = half.Count(loaded => loaded.Crop != Whole(loaded)) / (double)every.Count(loaded => loaded.Crop != Whole(loaded));
        Assert.InRange(cropped, 0.25, 0.75);
        if (shared)
            Assert.All(half.GroupBy(loaded => loaded.Sample.Image), picture => Assert.Single(picture.Select(one => one.Crop).Distinct()));

        List<LoadedSample> Crops(double share) =>
            Load(data, samples, settings with { CropShare = share }, 0, Enumerable.Range(0, samples.Count));
    }

    [Fact]
    public void Pictures_that_stay_in_memory_are_decoded_once_and_have_the_same_pixels()
    {
        var (data, samples) = Read();
        var buffer = new DecodeBuffer();
        var paths = samples.Select(data.ImagePath).Distinct().ToList();
        var held = ImageFile.Decode(File.ReadAllBytes(paths[0]), paths[0], buffer, DicomGray.Window).Pixels.Length;
        var pictures = new DecodedPictures(held);
        foreach (var path in paths.Take(2))
        {
            var decoded = ImageFile.Decode(File.ReadAllBytes(path), path, buffer, DicomGray.Window);
            pictures.Keep(path, decoded);
            if (path == paths[0]) Assert.True(decoded.Pixels.SequenceEqual(pictures.Find(path)!.Pixels));
        }

        Assert.Null(pictures.Find(paths[1])); // beyond what may stay
        var before = pictures.Find(paths[0])!.Pixels.ToArray();
        ImageFile.Decode(File.ReadAllBytes(paths[1]), paths[1], buffer, DicomGray.Window);
        Assert.True(pictures.Find(paths[0])!.Pixels.SequenceEqual(before)); // a copy, not the buffer

        var options = new LoaderOptions { Size = 28, LeastCropArea = 0.5, Seed = 4, Workers = 2 };
        SampleLoader fresh = new(data, options), kept = new(data, options with { KeptBytes = 1 << 28 });
        for (var epoch = 0; epoch < 2; epoch++)
            foreach (var (one, other) in Load(fresh, epoch).Zip(Load(kept, epoch)))
            {
                Assert.Equal((one.Index, one.Crop), (other.Index, other.Crop));
                Assert.True(one.Picture.Image!.Pixels.SequenceEqual(other.Picture.Image!.Pixels));
            }

        List<LoadedSample> Load(SampleLoader loader, int epoch) => [.. loader.Load(
            samples, Enumerable.Range(0, samples.Count), epoch, augment: true, TestContext.Current.CancellationToken)];
    }

    private static Crop Whole(LoadedSample loaded) => Crop.Whole(loaded.Sample.Width, loaded.Sample.Height);

    private (PreparedData Data, IReadOnlyList<Sample> Samples) Read()
    {
        var data = GroundingSetup.OpenData(workspace.Configuration("crops"));
        return (data, data.Read(SampleTask.Refer, Split.Train));
    }

    private static List<LoadedSample> Load(
        PreparedData data, IReadOnlyList<Sample> samples, StageSettings settings, int epoch, IEnumerable<int> order) =>
        [.. new StageSamples(data, samples, settings with { MultiBox = MultiBox.PerPhrase }, new LoaderOptions
        {
            Size = 28, Seed = 5, LeastCropArea = settings.CropScaleMin, CropShare = settings.CropShare,
        }).Load([.. order], epoch, augment: true, TestContext.Current.CancellationToken)];
}
