using System.Globalization;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Runs;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Data;

[Collection(nameof(Alone))]
public sealed class FeatureCacheTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly string[] Boxes = ["stage1.task=refer", "stage1.image=resize"];

    [Fact]
    public void Training_with_an_empty_a_full_and_no_cache_gives_the_same_bytes()
    {
        string[] cached = [.. Boxes, $"data.feature_cache={Path.Combine(workspace.Path, "kept")}"];
        workspace.Train("without", changes: [.. Boxes, "data.feature_cache=null"]);
        var filling = workspace.Train("filling", changes: cached);
        var filled = workspace.Train("filled", changes: cached);
        foreach (var other in new[] { "filling", "filled" })
        {
            Assert.Equal(workspace.Log("without"), workspace.Log(other));
            Assert.Equal(workspace.Checkpoints("without"), workspace.Checkpoints(other));
        }

        using var setup = Setup("data.feature_cache=null");
        var splits = new[] { Split.Train, Split.Validate };
        var pictures = splits.SelectMany(s => setup.Data.Read(SampleTask.Refer, s)).DistinctBy(s => s.Image).Count();
        Assert.Equal(pictures, Encoded(filling)); // each once in all epochs
        Assert.Equal(0, Encoded(filled));
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void The_features_of_a_picture_do_not_depend_on_its_batch(ScalarType type)
    {
        using var scope = NewDisposeScope();
        var config = new GroundingConfig(
            new EvaConfig(112, 14, 128, 2, 4, 512), 4, new LlamaConfig(64, 32, 1, 2, 64, 1e-5, 10000), new LoraConfig(2, 4, 0, ["q_proj"]));
        using var model = ModelBuilder.Random(config, type, CPU, 3);
        var images = rand([7, 3, 112, 112], generator: new Generator(5, CPU));
        var alone = cat([.. Enumerable.Range(0, 7).Select(i => model.EncodeImages(images.narrow(0, i, 1)))]);
        for (var batch = 2; batch <= 7; batch++)
            Assert.True(model.EncodeImages(images.narrow(0, 0, batch)).equal(alone.narrow(0, 0, batch)).all().item<bool>(),
                $"batch {batch}");
    }

    [Fact]
    public void A_damaged_entry_is_made_again_and_another_picture_in_the_same_place_is_another_one()
    {
        var folder = Path.Combine(workspace.Path, "damaged");
        using var scope = NewDisposeScope();
        using var setup = Setup($"data.feature_cache={folder}");
        var sample = setup.Data.Read(SampleTask.Refer, Split.Train)[0];
        var fresh = Encode(setup);
        var file = Assert.Single(Directory.GetFiles(folder, "*", SearchOption.AllDirectories));
        var good = File.ReadAllBytes(file);
        foreach (var bad in new[] { [.. good[..^1], (byte)(good[^1] ^ 1)], good[..^4], good[..7], [] })
        {
            File.WriteAllBytes(file, bad);
            using var again = Setup($"data.feature_cache={folder}"); // remembers nothing
            Assert.True(fresh.equal(Encode(again)).all().item<bool>());
            Assert.Equal((0, 1), (again.Features!.Hits, again.Features.Misses));
            Assert.Equal(good, File.ReadAllBytes(file));
        }

        // The same path with other content; then other weights.
        var path = setup.Data.ImagePath(sample);
        var original = File.ReadAllBytes(path);
        var other = setup.Data.Read(SampleTask.Refer, Split.Train).First(s => s.Image != sample.Image);
        sample = sample with { Width = other.Width, Height = other.Height };
        try
        {
            File.Copy(setup.Data.ImagePath(other), path, overwrite: true);
            Assert.False(fresh.equal(Encode(setup)).all().item<bool>());
        }
        finally
        {
            File.WriteAllBytes(path, original);
        }

        using (no_grad()) setup.Model.named_parameters().First(p => p.name == "ln_vision.bias").parameter.fill_(1);
        using var shifted = Setup("data.feature_cache=null");
        Assert.NotEqual(shifted.Model.VisionHash(), setup.Model.VisionHash());

        Tensor Encode(GroundingSetup one) => VisionInput.Encode(one.Model, [one.Pictures().Whole(sample, new DecodeBuffer())]);
    }

    [Fact]
    public void A_picture_of_another_size_than_its_sample_is_refused_with_a_full_cache_too()
    {
        using var scope = NewDisposeScope();
        using var setup = Setup($"data.feature_cache={Path.Combine(workspace.Path, "sizes")}");
        var sample = setup.Data.Read(SampleTask.Refer, Split.Train)[0];
        VisionInput.Encode(setup.Model, [setup.Pictures().Whole(sample, new DecodeBuffer())]);
        Assert.Null(setup.Pictures().Whole(sample, new DecodeBuffer()).Image); // not decoded
        Assert.Throws<InputException>(() => setup.Pictures().Whole(sample with { Width = sample.Width + 1 }, new DecodeBuffer()));
    }

    [Fact]
    public void Only_the_files_unread_for_longest_are_removed_when_the_folder_is_full()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.In("a-users-file"), new string('x', 100_000));
        const int Floats = 1000;
        var bound = 16L * Floats * sizeof(float);
        var writer = new FeatureCache(folder.Path, "encoder", bound);
        for (var i = 0; i < 40; i++)
        {
            Entry(writer, i).Keep([.. Enumerable.Repeat((float)i, Floats)]);
            foreach (var file in Directory.GetFiles(folder.Path, $"{i:x2}*", SearchOption.AllDirectories))
                File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch.AddMinutes(i));
            Assert.NotNull(Entry(new FeatureCache(folder.Path, "encoder", bound), 0).Find()); // read again and again
            Assert.InRange(Directory.GetFiles(folder.Path, "*.features", SearchOption.AllDirectories).Sum(f => new FileInfo(f).Length), 0,
                bound);
        }

        var reader = new FeatureCache(folder.Path, "encoder", bound);
        var kept = Enumerable.Range(0, 40).Where(i => Entry(reader, i).Find() is { } f && f.All(v => v == i)).ToList();
        Assert.Equal([0, .. Enumerable.Range(40 - kept.Count + 1, kept.Count - 1)], kept);
        Assert.InRange(kept.Count, 10, 15);
        Assert.True(File.Exists(folder.In("a-users-file")));

        static FeatureEntry Entry(FeatureCache cache, int i) => new(cache, i.ToString("x2", CultureInfo.InvariantCulture));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_costs_time_but_not_the_run()
    {
        using var folder = new TemporaryFolder();
        var file = folder.In("file");
        File.WriteAllText(file, "");
        var told = workspace.Train("unwritable-cache", changes: [.. Boxes, "stage1.epochs=1", $"data.feature_cache={file}"]);
        Assert.Contains(told, line => line.Contains("could not be written", StringComparison.Ordinal));
    }

    private static int Encoded(List<string> told)
    {
        var line = told.Single(line => line.StartsWith("features ", StringComparison.Ordinal));
        return int.Parse(line.Split(", ")[1].Split(' ')[0], CultureInfo.InvariantCulture);
    }

    private GroundingSetup Setup(string change) => GroundingSetup.Load(workspace.Configuration("setup", change), 0, 64, null);
}
