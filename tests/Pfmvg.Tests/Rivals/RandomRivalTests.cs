using Pfmvg.Rivals;
using Pfmvg.Tests.Models;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Loading;
using TorchSharp;

namespace Pfmvg.Tests.Rivals;

[Collection(nameof(Alone))]
public sealed class RandomRivalTests : IDisposable
{
    private static readonly string Root = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "rivals", "biovil");

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // The authors' files: 104 and 110 MB, 439 and 441 MB. What stands beside the tensors is below 1 MB.
    [Theory]
    [InlineData((int)Rival.BioVil, 104, 439)]
    [InlineData((int)Rival.BioVilT, 110, 441)]
    public void The_tensors_have_the_sizes_of_the_published_files(int which, double image, double text)
    {
        var (rival, sizes) = ((Rival)which, RivalSizes.Published((Rival)which));
        Assert.Equal(image, RandomRival.ImagePlan(rival, sizes.Image).Sum(info => info.Bytes) / 1e6, 1.0);
        Assert.Equal(text, RandomRival.TextPlan(rival, sizes.Text, sizes.Image.Joint).Sum(info => info.Bytes) / 1e6, 1.5);
    }

    [Theory]
    [InlineData((int)Rival.BioVil, "biovil", "BiomedVLP-CXR-BERT-specialized")]
    [InlineData((int)Rival.BioVilT, "biovil-t", "BiomedVLP-BioViL-T")]
    public void The_tensors_have_the_names_and_types_of_the_original_code_s_files(int which, string folder, string text)
    {
        var (rival, sizes) = ((Rival)which, RivalSizes.Published((Rival)which));
        using var image = WeightFile.Open(Path.Combine(Root, "weights", folder, BioVilFiles.PublishedName(rival)));
        Assert.Equal(image.Tensors.Values.Select(info => (info.Name, info.Type, info.Shape.Length)).Order(),
            RandomRival.ImagePlan(rival, sizes.Image).Select(info => (info.Name, info.Type, info.Shape.Length)).Order());
        using var words = WeightFile.Open(Path.Combine(Root, "weights", folder, text, "pytorch_model.bin"));
        var config = CxrBert.ReadSizes(Path.Combine(Root, "weights", folder, text, "config.json"), words);
        Assert.Equal(words.Tensors.Values.Where(info => info.Name != "cls.predictions.decoder.weight") // the word embeddings once more
                .Select(info => (info.Name, info.Type, string.Join('x', info.Shape))).Order(),
            RandomRival.TextPlan(rival, config.Config, config.Joint)
                .Select(info => (info.Name, info.Type, string.Join('x', info.Shape))).Order());
    }

    [Fact]
    public void A_phrase_s_map_has_the_same_bits_whatever_is_asked_beside_it()
    {
        using var scope = torch.NewDisposeScope();
        var folder = _folder.In("weights");
        RandomRival.Write(folder, Rival.BioVil, RivalSizes.Published(Rival.BioVil, shrink: 4), seed: 3, vocabulary: null);
        using var model = BioVil.Open(folder, Rival.BioVil, dilated: false, torch.CPU);
        var places = torch.randn([32, 9, 7], generator: new torch.Generator(1, torch.CPU));
        string[] phrases = [.. Enumerable.Range(0, 20).Select(i => new string((char)('a' + i), 1 + i % 2 * 6))];
        var (together, expected) = (model.Text.Encode(phrases), new List<PhraseMap>());
        foreach (var (i, phrase) in phrases.Index())
        {
            var alone = model.Text.Encode([phrase]);
            Assert.True(alone[0].Same(together[i]), phrase);
            expected.AddRange(BioVil.Maps(places, alone));
        }

        foreach (var (one, other) in expected.Zip(BioVil.Maps(places, together)))
        {
            Assert.Equal(one.Values, other.Values);
            Assert.Equal(one.GlobalSimilarity, other.GlobalSimilarity);
        }
    }

    [Theory]
    [InlineData("biovil")]
    [InlineData("biovil-t")]
    public void Written_weights_answer_and_the_same_seed_gives_the_same_map(string model)
    {
        var picture = Path.Combine(Root, "cases", "b2", "picture.png");
        List<byte[]> maps = [];
        foreach (var (run, seed) in new[] { "1", "1", "2" }.Index())
        {
            var (weights, map) = (_folder.In($"weights{run}"), _folder.In($"map{run}.npy"));
            var written = Shell.RunPfmvg("weights", "random", "--model", model, "--out", weights, "--shrink", "32", "--seed", seed);
            Assert.True(written.ExitCode == 0, $"{written}");
            var answered = Shell.RunPfmvg("predict", "--model", model, "--from", weights, "--image", picture,
                "--phrase", "Left pleural effusion.", "--heatmap", map);
            Assert.True(answered.ExitCode == 0, $"{answered}");
            maps.Add(File.ReadAllBytes(map));
        }

        Assert.Equal(maps[0], maps[1]);
        Assert.NotEqual(maps[0], maps[2]);
    }

    [Theory]
    [InlineData("--shrink 3", "give 1, 2, 4, 8, 16 or 32")]
    [InlineData("--type float16", "belongs to our own model")]
    [InlineData("--vocabulary nowhere.txt", "this does not exist")]
    public void Wrong_options_are_refused_in_a_sentence(string options, string said)
    {
        var result = Shell.RunPfmvg(["weights", "random", "--model", "biovil", "--out", _folder.In("w"), .. options.Split(' ')]);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(said, result.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder.In("w")));
    }
}
