using Pfmvg.Fuzz.Mutating;
using Pfmvg.Imaging;
using Pfmvg.Models.Bert;
using Pfmvg.Models.Convolutional;
using Pfmvg.Rivals;
using Pfmvg.Runs;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using TorchSharp;

namespace Pfmvg.Fuzz.Reading;

/// <summary>The files of BioViL and BioViL-T, made very small: whatever is read of them answers a phrase about a picture, too.</summary>
internal static class RivalFormats
{
    private const int Side = 32;

    private static readonly string[] Phrases = ["Small left effusion.", "normal", "..."];

    /// <summary>Both models in the archives that they are published in.</summary>
    public static Format Archives(string folder) => new(
        [.. Both(folder).SelectMany(one => new[] { one.Image, Path.Combine(one.Text, "pytorch_model.bin") }
            .Select(path => Input(one, path)))], Zip.Entries);

    /// <summary>Both models in safetensors.</summary>
    public static Format SafeTensorFiles(string folder) => new(
        [.. Both(folder).Select(one => one with { Image = Convert(one.Image, "image.safetensors") }).SelectMany(one =>
            new[] { one.Image, Convert(Path.Combine(one.Text, "pytorch_model.bin"), "model.safetensors") }
                .Select(path => Input(one, path)))], Headed.SafeTensors);

    /// <summary>What lies beside the text model.</summary>
    public static Format Vocabularies(string folder) => new(
        [.. Both(folder).Select(one => Input(one, Path.Combine(one.Text, "vocab.txt")))], Words.Lines, Words.Tokens);

    /// <summary>The sizes of the text model.</summary>
    public static Format Configurations(string folder) => new(
        [.. Both(folder).Select(one => Input(one, Path.Combine(one.Text, "config.json")))], Json.Tree);

    private static IEnumerable<(Rival Rival, string Folder, string Image, string Text)> Both(string folder) =>
        Enum.GetValues<Rival>().Select(rival =>
        {
            var own = Path.Combine(folder, rival.ToString());
            var sizes = new RivalSizes(
                new BioVilSizes(new ResNetConfig(2, [(1, 2, 4), (2, 2, 4), (1, 2, 4), (1, 2, 4)]), 4, rival == Rival.BioVilT ? 4 : 0),
                new BertConfig(Vocabulary: 200, Positions: 32, Width: 8, Layers: 2, Heads: 2, Hidden: 16));
            var files = RandomRival.Write(own, rival, sizes, seed: 1, vocabulary: null);
            return (rival, own, files[0], Path.GetDirectoryName(files[1])!);
        });

    private static string Convert(string path, string name)
    {
        var to = Path.Combine(Path.GetDirectoryName(path)!, name);
        using (torch.NewDisposeScope())
        using (var file = WeightFile.Open(path))
            SafeTensors.Write(to, [.. file.Tensors.Keys.Order(StringComparer.Ordinal)
                .Select(key => KeyValuePair.Create(key, file.Read(key)))]);
        File.Delete(path);
        return to;
    }

    private static Seed Input((Rival Rival, string Folder, string Image, string Text) one, string path) =>
        new(File.ReadAllBytes(path), new Way(path, _ => Ask(one.Rival, one.Folder, path)));

    private static void Ask(Rival rival, string folder, string changed)
    {
        using var scope = torch.NewDisposeScope();
        if (Path.GetExtension(changed) is ".pt" or ".bin" or ".safetensors")
            using (var file = WeightFile.Open(changed)) _ = BioVilFiles.Describe(file);
        using var model = BioVil.Open(folder, rival, dilated: false, torch.CPU);
        var gray = new DecodedImage(Side, Side, 1, [.. Enumerable.Range(0, Side * Side).Select(i => (byte)i)]);
        var view = new RivalView(gray, false, RivalPicture.FromGray(gray, Side, Side, "picture"),
            SimilarityMap.Place(Side, Side, Side, Side));
        RivalView.CheckPhrases([.. Phrases.Select(phrase => ((string?)"phrase", phrase))], model, new Silent());
        _ = view.Maps(model, model.Text.Encode(Phrases), "picture");
    }

    private sealed class Silent : ISessionDisplay;
}
