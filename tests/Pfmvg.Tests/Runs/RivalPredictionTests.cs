using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Rivals;
using Pfmvg.Runs;
using Pfmvg.Tests.Imaging.Dicom;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Loading;
using Pfmvg.Weights.Torch;
using SkiaSharp;
using TorchSharp;

namespace Pfmvg.Tests.Runs;

/// <summary>`predict --model biovil` from the files to the answer, and what it refuses.</summary>
[Collection(nameof(Alone))]
public sealed class RivalPredictionTests : IDisposable
{
    private const double MapTolerance = 5e-5;

    private static readonly string Root = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "rivals", "biovil");
    private static readonly string Picture = Path.Combine(Root, "cases", "b2", "picture.png");

    private readonly TemporaryFolder _folder = new();
    private readonly List<string> _told = [];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("b2", "biovil")]
    [InlineData("b3", "biovil")]
    [InlineData("t3", "biovil-t")]
    public void The_command_writes_the_reference_s_map_and_says_its_global_similarity(string id, string model)
    {
        using var scope = torch.NewDisposeScope();
        var one = JsonNode.Parse(File.ReadAllText(Path.Combine(Root, "cases.json")))!["cases"]!.AsArray()
            .Single(entry => entry!["id"]!.GetValue<string>() == id)!;
        var (map, drawing) = (_folder.In("map.npy"), _folder.In("map.png"));
        var result = Shell.RunPfmvg("predict", "--model", model, "--from", Path.Combine(Root, "weights", model),
            "--image", Path.Combine(Root, one["picture"]!.GetValue<string>()), "--phrase", one["phrases"]![0]!.GetValue<string>(),
            "--heatmap", map, "--overlay", drawing, "--threshold", "-1", "--json",
            "--set", $"rival.resize={one["resize"]}", "--set", $"rival.crop={one["crop"]}");
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Contains("not the published file", result.Error, StringComparison.Ordinal);
        var answer = JsonNode.Parse(result.Output)!;
        Assert.Equal(one["global_similarity"]![0]!.GetValue<double>(), answer["global_similarity"]!.GetValue<double>(), 5e-5);

        var (expected, actual) = (Npy.ReadArchive(Path.Combine(Root, "cases", id, "maps.npz"))["nearest"][0], Npy.Read(map));
        Assert.True(actual.isnan().eq(expected.isnan()).all().item<bool>());
        Fixtures.AssertClose(expected.nan_to_num(0), actual.nan_to_num(0), MapTolerance, id);
        Assert.Equal(expected.nan_to_num(-2).max().item<float>(), answer["peak"]!["value"]!.GetValue<double>(), MapTolerance);
        Assert.Equal($"{answer["crop"]!.ToJsonString()}", $"{answer["boxes"]![0]!.ToJsonString()}"); // all of the map is above -1
        using var drawn = SKBitmap.Decode(drawing);
        Assert.Equal((one["width"]!.GetValue<int>(), one["height"]!.GetValue<int>()), (drawn.Width, drawn.Height));
    }

    [Theory]
    [InlineData("biovil/biovil_image_resnet50_proj_size_128.pt", "an image model of BioViL, but not the published file")]
    [InlineData("biovil-t/biovil_t_image_model_proj_size_128.pt", "an image model of BioViL-T, but not the published file")]
    [InlineData("biovil-t/BiomedVLP-BioViL-T", "a text model of BioViL or BioViL-T")]
    public void The_look_into_a_file_says_what_it_is_of_a_rival(string path, string words)
    {
        using var file = WeightFile.Open(Path.Combine(Root, "weights", path));
        Assert.Contains(words, BioVilFiles.Describe(file), StringComparison.Ordinal);
    }

    [Fact]
    public void A_written_map_is_what_the_scores_read()
    {
        HeatMap.Write(_folder.In("m.npy"), [0.6f, 0, 0, float.NaN, 0, 0], rows: 2, columns: 3);
        var map = HeatMap.Read(_folder.In("m.npy"));
        Assert.True(map.HasHoles);
        Assert.Equal((1, 1, true), map.Score([new(0, 0, 1, 1)], 3, 2));
    }

    [Fact]
    public void The_box_is_that_of_the_largest_region_that_hangs_together_by_sides()
    {
        const float hole = float.NaN;
        float[] map =
        [
            1, 0, 1, 1,
            1, 0, 0, 1,
            0, 1, hole, 0,
        ];
        Assert.Equal(new(2, 0, 4, 2), MapRegion.Largest(map, 4, 0.5f));
        Assert.Equal(new(0, 0, 4, 3), MapRegion.Largest(map, 4, -0.5f));
        Assert.Null(MapRegion.Largest(map, 4, 1));
    }

    [Fact]
    public void A_picture_in_DICOM_is_seen_in_its_full_depth_as_a_16_bit_PNG_is()
    {
        var random = new Random(5);
        int[] words = [.. Enumerable.Range(0, 40 * 36).Select(i => 100 + 20 * (i % 36) + random.Next(900))];
        File.WriteAllBytes(_folder.In("a.dcm"), DicomBytes.Picture(40, 36).Window(300, 100).Pixels(words).File());
        File.WriteAllBytes(_folder.In("i.dcm"), DicomBytes.Picture(40, 36, photometric: "MONOCHROME1")
            .Pixels([.. words.Select(word => 4095 - word)]).File());
        var (low, range) = (words.Min(), (double)(words.Max() - words.Min()));
        byte[] expected = [.. words.Select(word => (byte)((word - low) / range * 255))]; // cut off, not rounded
        foreach (var name in (string[])["a.dcm", "i.dcm"])
            Assert.Equal(expected, RivalPicture.ToGray(
                ImageFile.DecodeFullRange(_folder.In(name), new DecodeBuffer()), name).Pixels.ToArray());
        Ask("biovil", Path.Combine(Root, "weights", "biovil"), _folder.In("a.dcm"), "effusion");
        Assert.Contains(_told, line => line.Contains("full range", StringComparison.Ordinal));
    }

    [Fact]
    public void Answers_in_a_table_are_those_that_each_case_has_alone_and_an_empty_phrase_gets_a_note()
    {
        var other = Path.Combine(Root, "cases", "b4", "picture.png");
        PredictionCase[] cases = [new("1", Picture, "effusion"), new("2", other, "effusion"), new("3", Picture, " ?!."),
            new("4", Picture, "right basilar opacity")];
        var together = Execute("biovil", Path.Combine(Root, "weights", "biovil"), cases);
        Assert.Contains(_told, line => line.Contains("[CLS] [SEP]", StringComparison.Ordinal));
        foreach (var (asked, answer) in cases.Zip(together))
        {
            Assert.Equal(asked, answer.Asked);
            var alone = Execute("biovil", Path.Combine(Root, "weights", "biovil"), [asked])[0];
            Assert.All(alone.Map.Values.Zip(answer.Map.Values), pair => Assert.Equal(pair.First, pair.Second, 1e-6));
        }
    }

    [Theory]
    [InlineData("biovil-t", "biovil", "BioViL, not of BioViL-T: it lacks encoder.backbone_to_vit.weight")]
    [InlineData("biovil", "biovil-t", "BioViL-T, not of BioViL")]
    public void The_other_model_s_file_is_refused(string model, string weights, string words) =>
        AssertRefused(words, model, Path.Combine(Root, "weights", weights));

    [Theory]
    [InlineData("text folder gone", "no text folder")]
    [InlineData("image model gone", "no image model of BioViL")]
    [InlineData("plain BERT", "cls_projection_head")]
    [InlineData("joint sizes", "projects to")]
    [InlineData("missing tensor", "encoder.encoder.layer1.0.bn1.weight")]
    [InlineData("unknown tensor", "extra.weight")]
    [InlineData("NaN", "NaN")]
    [InlineData("shorter vocabulary", "pieces, but the embedding")]
    [InlineData("longer vocabulary", "pieces, but the embedding")]
    [InlineData("no [UNK]", "[UNK]")]
    [InlineData("heads", "num_attention_heads")]
    [InlineData("GLoRIA", "GLoRIA, which is not supported")]
    [InlineData("MedKLIP", "MedKLIP, which is not supported")]
    public void Files_that_cannot_be_right_are_refused_in_a_sentence(string kind, string words)
    {
        using var scope = torch.NewDisposeScope();
        var from = _folder.In("weights");
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Root, "weights", "biovil"), "*", SearchOption.AllDirectories))
        {
            var copy = Path.Combine(from, Path.GetRelativePath(Path.Combine(Root, "weights", "biovil"), file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }

        var image = Directory.GetFiles(from, "*.pt").Single();
        var text = Directory.GetDirectories(from).Single();
        var (vocabulary, configuration) = (Path.Combine(text, "vocab.txt"), Path.Combine(text, "config.json"));
        switch (kind)
        {
            case "text folder gone": Directory.Delete(text, recursive: true); break;
            case "image model gone": File.Delete(image); break;
            case "plain BERT": Change(Path.Combine(text, "pytorch_model.bin"), tensors => Remove(tensors, "cls_projection_head")); break;
            case "joint sizes":
                Change(image, tensors =>
                {
                    foreach (var name in tensors.Keys.Where(name => name.StartsWith("projector.model.", StringComparison.Ordinal)).ToList())
                        if (tensors[name].Dimensions > 0) tensors[name] = name.EndsWith("3.weight", StringComparison.Ordinal)
                            ? tensors[name][..10, ..10].contiguous() : tensors[name][..10].contiguous();
                });
                break;
            case "missing tensor": Change(image, tensors => Remove(tensors, "encoder.encoder.layer1.0.bn1.weight")); break;
            case "unknown tensor": Change(image, tensors => tensors["extra.weight"] = torch.ones(2)); break;
            case "NaN":
                Change(image, tensors =>
                    tensors["projector.model.3.bias"] = torch.full_like(tensors["projector.model.3.bias"], float.NaN));
                break;
            case "shorter vocabulary": File.WriteAllLines(vocabulary, File.ReadAllLines(vocabulary).SkipLast(1)); break;
            case "longer vocabulary": File.AppendAllText(vocabulary, "zebra\n"); break;
            case "no [UNK]":
                File.WriteAllText(vocabulary, File.ReadAllText(vocabulary).Replace("[UNK]", "[unk]", StringComparison.Ordinal));
                break;
            case "heads":
                var json = JsonNode.Parse(File.ReadAllText(configuration))!;
                json["num_attention_heads"] = 5;
                File.WriteAllText(configuration, json.ToJsonString());
                break;
            case "GLoRIA": Change(image, tensors => tensors["gloria.img_encoder.model.conv1.weight"] = torch.ones(2)); break;
            default: Change(image, tensors => tensors["module.disease_embedding_layer.weight"] = torch.ones(2)); break;
        }

        AssertRefused(words, "biovil", from, inFiles: true);
    }

    [Theory]
    [InlineData("a [SEP] b", "[SEP]")]
    [InlineData("[UNK]", "[UNK]")]
    public void A_phrase_with_a_special_piece_is_refused(string phrase, string words) =>
        AssertRefused(words, "biovil", Path.Combine(Root, "weights", "biovil"), phrase: phrase);

    [Fact]
    public void A_phrase_beyond_the_positions_and_pictures_without_a_range_are_refused()
    {
        var weights = Path.Combine(Root, "weights", "biovil");
        AssertRefused("max_position_embeddings", "biovil", weights, phrase: string.Join(' ', Enumerable.Repeat("effusion", 200)));
        foreach (var (width, height, words) in ((int, int, string)[])[(40, 40, "all pixels have the value"), (3000, 1, "too small")])
        {
            var path = _folder.In($"{width}.png");
            using (var bitmap = new SKBitmap(width, height, SKColorType.Gray8, SKAlphaType.Opaque))
            {
                bitmap.GetPixelSpan().Fill(7);
                if (height == 1) bitmap.GetPixelSpan()[0] = 9;
                using var data = bitmap.Encode(SKEncodedImageFormat.Png, 100);
                File.WriteAllBytes(path, data.ToArray());
            }

            AssertRefused(words, "biovil", weights, image: path);
        }
    }

    [Theory]
    [InlineData("--dilated", "--model", "biovil-t", "--from", "weights/biovil-t", "--dilated")]
    [InlineData("--from", "--model", "biovil")]
    [InlineData("--threshold", "--threshold", "0.3")]
    [InlineData("--threshold", "--model", "biovil", "--from", "weights/biovil", "--threshold", "3")]
    [InlineData("--constrain", "--model", "biovil", "--from", "weights/biovil", "--constrain", "boxes")]
    [InlineData("rival.crop", "--model", "biovil", "--from", "weights/biovil", "--set", "rival.resize=100")]
    [InlineData("rival.crop", "--model", "biovil", "--from", "weights/biovil", "--set", "rival.crop=600")]
    public void Options_that_cannot_take_effect_are_refused(string words, params string[] options)
    {
        string[] resolved = [.. options.Select(option => option.StartsWith("weights/", StringComparison.Ordinal)
            ? Path.Combine(Root, option) : option)];
        var result = Shell.RunPfmvg(["predict", "--image", Picture, "--phrase", "effusion", .. resolved]);
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains(words, result.Error, StringComparison.Ordinal);
    }

    private static void Change(string path, Action<Dictionary<string, torch.Tensor>> change)
    {
        Dictionary<string, torch.Tensor> tensors;
        using (var file = WeightFile.Open(path)) tensors = file.Tensors.Keys.ToDictionary(name => name, file.Read);
        change(tensors);
        TorchPickle.Write(path, tensors);
    }

    private static void Remove(Dictionary<string, torch.Tensor> tensors, string start)
    {
        foreach (var name in tensors.Keys.Where(name => name.StartsWith(start, StringComparison.Ordinal)).ToList()) tensors.Remove(name);
    }

    private void AssertRefused(
        string words, string model, string from, string? image = null, string phrase = "effusion", bool inFiles = false)
    {
        var refusal = Assert.Throws<InputException>(() => Ask(model, from, image ?? Picture, phrase));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", refusal.Message, StringComparison.Ordinal);
        if (inFiles) Assert.StartsWith(from, refusal.Message, StringComparison.Ordinal);
    }

    private RivalAnswer Ask(string model, string from, string image, string phrase) =>
        Execute(model, from, [new PredictionCase("1", image, phrase)])[0];

    private IReadOnlyList<RivalAnswer> Execute(string model, string from, PredictionCase[] cases)
    {
        using var world = new SingleProcess();
        return RivalPrediction.Execute(new PfmvgConfiguration { Device = DeviceChoice.Cpu, Threads = 1 }, cases,
            new RivalRequest(from, model == "biovil" ? Rival.BioVil : Rival.BioVilT), world, new Told(_told));
    }

    private sealed class Told(List<string> lines) : ISessionDisplay
    {
        public void Tell(string line) => lines.Add(line);
    }
}
