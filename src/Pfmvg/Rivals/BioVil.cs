using Pfmvg.Models.Layers;
using Pfmvg.Text;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Rivals;

/// <summary>A picture's map for a phrase.</summary>
/// <param name="Values">The smoothed similarity of each place, row by row.</param>
/// <param name="Rows">Rows of the grid.</param>
/// <param name="Columns">Its columns.</param>
/// <param name="GlobalSimilarity">The similarity of the phrase and the picture as a whole.</param>
internal sealed record PhraseMap(float[] Values, int Rows, int Columns, double GlobalSimilarity);

/// <summary>BioViL or BioViL-T, loaded from what the user brings. One thread at a time.</summary>
internal sealed class BioVil : IDisposable
{
    private readonly PlannedWeights _weights, _textWeights;
    private readonly Device _device;

    private BioVil(BioVilFiles files, Rival rival, bool dilated, Device device)
    {
        (Files, Rival, _device) = (files, rival, device);
        (_weights, _textWeights) = (new PlannedWeights(device), new PlannedWeights(device));
        try
        {
            using var image = WeightFile.Open(files.Image);
            using var text = WeightFile.Open(files.Text);
            var sizes = BioVilImage.ReadSizes(image, rival == Rival.BioVilT);
            var (config, joint) = CxrBert.ReadSizes(Path.Combine(files.Text, "config.json"), text);
            if (sizes.Joint != joint)
                throw Refusal.ForFile(files.Image, $"projects to {sizes.Joint} numbers, but the text model in {files.Text} to {joint}",
                    "give image and text model of one release");
            var vocabulary = WordPiece.Load(Path.Combine(files.Text, "vocab.txt"));
            if (vocabulary.Size != config.Vocabulary)
                throw Refusal.ForFile(Path.Combine(files.Text, "vocab.txt"), $"has {vocabulary.Size} pieces, but the embedding "
                    + $"{config.Vocabulary}", "fetch the text model's folder again");
            _weights.Load(BioVilImage.Plan(sizes), image, BioVilImage.MayBeUnused);
            Image = new BioVilImage(sizes, _weights, dilated);
            _textWeights.Load(CxrBert.Plan(config, joint), text, CxrBert.MayBeUnused);
            Text = new CxrBert(config, _textWeights, vocabulary, device);
            _weights.FreeRest();
            _textWeights.FreeRest();
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The files.</summary>
    public BioVilFiles Files { get; }

    /// <summary>Which of the two.</summary>
    public Rival Rival { get; }

    /// <summary>The image model.</summary>
    public BioVilImage Image { get; }

    /// <summary>The text model.</summary>
    public CxrBert Text { get; }

    /// <summary>Side of the crop that a rival was published with.</summary>
    public static int PublishedCrop(Rival rival) => rival == Rival.BioVil ? 480 : 448;

    /// <summary>Loads a rival.</summary>
    /// <param name="folder">What the user brings.</param>
    /// <param name="rival">Which of the two.</param>
    /// <param name="dilated">The last stage on a grid of twice the size; BioViL only.</param>
    /// <param name="device">Where to compute.</param>
    /// <exception cref="InputException">The files are absent, broken, another model's, or do not belong together.</exception>
    public static BioVil Open(string folder, Rival rival, bool dilated, Device device) => dilated && rival == Rival.BioVilT
        ? throw new InputException("--dilated is an option of BioViL, and BioViL-T has no such form; leave it out.")
        : new BioVil(BioVilFiles.Find(folder, rival), rival, dilated, device);

    /// <summary>A picture's places in the joint space (J, h, w), not normalised; on the CPU, owned by the caller's dispose scope.</summary>
    public Tensor Encode(RivalPicture picture)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        return Image.Project(Image.Features(picture.ToTensor().to(_device)))[0].cpu().MoveToOuterDisposeScope();
    }

    /// <summary>The maps of phrases on a picture.</summary>
    /// <param name="places">(J, h, w), not normalised.</param>
    /// <param name="phrases">(P, J), normalised.</param>
    public static IReadOnlyList<PhraseMap> Maps(Tensor places, Tensor phrases)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var (rows, columns) = ((int)places.shape[1], (int)places.shape[2]);
        var flat = places.flatten(1);
        var (normalised, whole) = (functional.normalize(flat, dim: 0), functional.normalize(flat.mean([1]), dim: 0));
        // A product for each phrase: of all together a phrase's last bits would depend on how many there are.
        return [.. phrases.cpu().unbind().Select(text => new PhraseMap(
            SimilarityMap.Smooth(text.matmul(normalised).data<float>().ToArray(), rows, columns), rows, columns,      // (h * w)
            text.dot(whole).item<float>()))];
    }

    /// <summary>Frees the weights.</summary>
    public void Dispose()
    {
        _weights.Dispose();
        _textWeights.Dispose();
    }
}
