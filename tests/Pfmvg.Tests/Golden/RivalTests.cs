using System.Text.Json.Nodes;
using Pfmvg.Imaging;
using Pfmvg.Rivals;
using Pfmvg.Runs;
using Pfmvg.Tests.Support;
using TorchSharp;

namespace Pfmvg.Tests.Golden;

/// <summary>
/// BioViL and BioViL-T beside the numbers of the original code with small random weights. PFMVG_RIVALS names another set of the same
/// shape; every size is read from its files.
/// </summary>
[Trait("Category", "Golden")]
[Collection(nameof(Alone))]
public sealed class RivalTests
{
    private const double Projected = 3e-4, Text = 2e-6, Map = 5e-5, Global = 5e-5;

    private static readonly string Root = Path.Combine(
        Environment.GetEnvironmentVariable("PFMVG_RIVALS") is { Length: > 0 } folder ? Path.GetFullPath(folder)
            : Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "rivals"), "biovil");

    private static readonly Dictionary<string, JsonNode> Cases =
        Json("cases.json")["cases"]!.AsArray().ToDictionary(one => one!["id"]!.GetValue<string>(), one => one!);

    public static TheoryData<string> Ids => [.. Cases.Keys];

    public static TheoryData<string> Models => ["biovil", "biovil-t"];

    [Theory, MemberData(nameof(Models))]
    public void Every_text_has_the_reference_tokens_or_is_refused(string name)
    {
        using var model = Open(name, $"weights/{name}", dilated: false);
        var tokens = Json($"{name}.tokens.json");
        foreach (var entry in tokens["accepted"]!.AsArray())
            Assert.Equal(entry!["ids"]!.AsArray().Select(id => id!.GetValue<int>()), model.Text.Tokens(entry["text"]!.GetValue<string>()));
        foreach (var entry in tokens["refused"]!.AsArray())
            Assert.Throws<InputException>(() => model.Text.Tokens(entry!.GetValueKind() == System.Text.Json.JsonValueKind.String
                ? entry.GetValue<string>() : entry["text"]!.GetValue<string>()));
    }

    [Theory, MemberData(nameof(Models))]
    public void Every_layer_of_the_text_model_is_the_reference_s(string name)
    {
        using var scope = torch.NewDisposeScope();
        using var model = Open(name, $"weights/{name}", dilated: false);
        var expected = Npy.ReadArchive(Path.Combine(Root, $"{name}.text.npz"));
        foreach (var (i, text) in Json($"{name}.tokens.json")["stages"]!.AsArray().Index())
        {
            var states = model.Text.Observe(text!.GetValue<string>());
            Fixtures.AssertClose(expected[$"hidden_{i}"], torch.cat([.. states.SkipLast(1)]), 2e-5, $"{name}, states of text {i}");
            Fixtures.AssertClose(expected[$"projected_{i}"], states[^1], 2e-5, $"{name}, projection of text {i}");
        }
    }

    [Theory, MemberData(nameof(Ids))]
    public void A_picture_becomes_the_reference_s_input(string id)
    {
        var one = Cases[id];
        var path = Path.Combine(Root, one["picture"]!.GetValue<string>());
        var expected = Npy.ReadArchive(Of(id, "input.npz")).Values.Single().data<byte>().ToArray();
        var decoded = ImageFile.Decode(path);
        Assert.Equal((Size(one, "width"), Size(one, "height")), (decoded.Width, decoded.Height));
        var (gray, seen) = (RivalPicture.ToGray(decoded, path), decoded);
        if (File.Exists(Of(id, "grey.npy")))
        {
            var reference = Npy.Read(Of(id, "grey.npy")).data<byte>().ToArray();
            // Decoders of JPEG differ by a level.
            if (one["mode"]!.GetValue<string>() == "JPEG") seen = new DecodedImage(gray.Width, gray.Height, 1, reference);
            else Assert.Equal(reference, gray.Pixels.ToArray());
        }

        Assert.Equal(expected, RivalPicture.Prepare(seen, Size(one, "resize"), Size(one, "crop"), path).Pixels);
    }

    [Theory, MemberData(nameof(Ids))]
    public void Features_texts_maps_and_global_similarity_are_the_reference_s(string id)
    {
        using var scope = torch.NewDisposeScope();
        var one = Cases[id];
        using var model = Open(one["model"]!.GetValue<string>(), one["weights"]!.GetValue<string>(), one["dilated"]!.GetValue<bool>());
        var crop = Size(one, "crop");
        var picture = new RivalPicture(Npy.ReadArchive(Of(id, "input.npz")).Values.Single().data<byte>().ToArray(), crop);
        using var quiet = torch.no_grad();
        var features = model.Image.Features(picture.ToTensor());
        Fixtures.AssertClose(Npy.Read(Of(id, "patch_embeddings.npy")), features[0],
            Json("tolerances.json")["patch_embeddings"]!["tolerance"]!.GetValue<double>(), $"{id}, features");
        var places = model.Encode(picture);
        Fixtures.AssertClose(Npy.Read(Of(id, "projected.npy")), torch.nn.functional.normalize(places, dim: 0).permute(1, 2, 0), Projected,
            $"{id}, places");
        var phrases = one["phrases"]!.AsArray().Select(phrase => phrase!.GetValue<string>()).ToList();
        var texts = model.Text.Encode(phrases);
        Fixtures.AssertClose(Npy.Read(Of(id, "text_embeddings.npy")), texts, Text, $"{id}, texts");

        var maps = BioVil.Maps(places, texts);
        var grid = one["grid"]!.AsArray();
        Assert.All(maps, map => Assert.Equal((grid[0]!.GetValue<int>(), grid[1]!.GetValue<int>()), (map.Rows, map.Columns)));
        Fixtures.AssertClose(Npy.Read(Of(id, "smoothed.npy")),
            torch.tensor(maps.SelectMany(map => map.Values).ToArray()).view(maps.Count, maps[0].Rows, maps[0].Columns), Map, $"{id}, maps");
        foreach (var (map, expected) in maps.Zip(one["global_similarity"]!.AsArray()))
            Assert.InRange(map.GlobalSimilarity - expected!.GetValue<double>(), -Global, Global);
        AssertFullMaps(id, maps);
    }

    [Fact]
    public void A_phrase_alone_and_among_others_is_the_same_vector()
    {
        using var scope = torch.NewDisposeScope();
        using var model = Open("biovil", "weights/biovil", dilated: false);
        string[] phrases = [.. Json("biovil.tokens.json")["accepted"]!.AsArray().Select(entry => entry!["text"]!.GetValue<string>())];
        var together = model.Text.Encode(phrases);
        foreach (var (i, phrase) in phrases.Index())
            Fixtures.AssertClose(together[i], model.Text.Encode([phrase])[0], Text, phrase);
    }

    [Fact]
    public void Loading_and_answering_leave_no_tensor_behind()
    {
        Answer();
        var before = Alive();
        Answer();
        Assert.Equal(before, torch.Tensor.TotalCount);

        static void Answer()
        {
            using var scope = torch.NewDisposeScope();
            using var model = Open("biovil-t", "weights/biovil-t", dilated: false);
            var places = model.Encode(new RivalPicture(new byte[96 * 96], 96));
            Assert.NotEmpty(BioVil.Maps(places, model.Text.Encode(["effusion"])));
        }
    }

    [Fact]
    public void A_picture_with_several_phrases_leaves_no_tensor_behind_beside_the_model()
    {
        using var model = Open("biovil", "weights/biovil", dilated: false);
        var gray = new DecodedImage(96, 96, 1, [.. Enumerable.Range(0, 96 * 96).Select(i => (byte)i)]);
        var view = new RivalView(gray, false, RivalPicture.FromGray(gray, 96, 80, "picture"), SimilarityMap.Place(96, 96, 96, 80));
        string[] phrases = ["effusion", "left effusion", "right basilar opacity", "edema", "effusion."]; // of several lengths
        Answer();
        var before = Alive();
        for (var round = 0; round < 3; round++) Answer();
        Assert.Equal(before, torch.Tensor.TotalCount);
        Assert.Equal(before + 1, Kept());

        void Answer()
        {
            using var texts = model.Text.Encode(phrases);
            Assert.Equal(phrases.Length, view.Maps(model, texts, "picture").Count);
        }

        long Kept()
        {
            using var places = model.Encode(view.Picture);
            return torch.Tensor.TotalCount;
        }
    }

    // What earlier tests left to the collector must not go between two counts.
    private static long Alive()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return torch.Tensor.TotalCount;
    }

    private static void AssertFullMaps(string id, IReadOnlyList<PhraseMap> maps)
    {
        var one = Cases[id];
        var (width, height) = (Size(one, "width"), Size(one, "height"));
        foreach (var (kind, expected) in Npy.ReadArchive(Of(id, "maps.npz")))
        {
            var place = SimilarityMap.Place(width, height, Size(one, "resize"), Size(one, "crop"), smooth: kind == "bilinear");
            for (var i = 0; i < expected.shape[0]; i++)
            {
                var ours = torch.tensor(place.Enlarge(maps[i].Values, maps[i].Rows, maps[i].Columns, width, height)).view(height, width);
                Assert.True(ours.isnan().eq(expected[i].isnan()).all().item<bool>(), $"{id}, {kind} map {i}: NaN in other places");
                Fixtures.AssertClose(expected[i].nan_to_num(0), ours.nan_to_num(0), Map, $"{id}, {kind} map {i}");
            }
        }
    }

    private static BioVil Open(string name, string weights, bool dilated) => BioVil.Open(
        Path.Combine(Root, weights), name == "biovil" ? Rival.BioVil : Rival.BioVilT, dilated, torch.CPU);

    private static JsonNode Json(string file) => JsonNode.Parse(File.ReadAllText(Path.Combine(Root, file)))!;

    private static string Of(string id, string file) => Path.Combine(Root, "cases", id, file);

    private static int Size(JsonNode one, string key) => one[key]!.GetValue<int>();
}
