using System.Runtime.InteropServices;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Tensors;
using static TorchSharp.torch;

namespace Pfmvg.Data.Loading;

/// <summary>A picture on its way into the model: its pixels, or its features where they were kept.</summary>
/// <remarks>Letters: B pictures, S image side, N visual tokens, V vision width.</remarks>
/// <param name="Image">S x S, 8 bits; null when the features are known.</param>
/// <param name="Entry">Where its features are kept; null when they are not, as those of a random crop.</param>
/// <param name="Features">N x 4V values; null when the picture is still to be encoded. They are shared: never written to.</param>
public sealed record VisionInput(DecodedImage? Image, FeatureEntry? Entry = null, float[]? Features = null)
{
    /// <summary>The features of pictures, from their cache where they have one.</summary>
    /// <remarks>
    /// Pictures whose features are kept are encoded one by one, so that what is kept depends on the picture alone; all others in one
    /// batch. On the CPU a batch gives the same bits, which a test checks; on a GPU the last bits may differ.
    /// </remarks>
    /// <returns>(B, N, 4V) float32 on the model's device; owned by the caller's dispose scope.</returns>
    public static Tensor Encode(GroundingModel model, IReadOnlyList<VisionInput> pictures)
    {
        using var scope = NewDisposeScope();
        int[] unkept = [.. Enumerable.Range(0, pictures.Count).Where(i => pictures[i].Entry is null)];
        var together = unkept.Length == 0 ? null : model.EncodeImages(
            stack([.. unkept.Select(i => ImageTransform.ToTensor(pictures[i].Image!))]).Send(model.Device));
        if (unkept.Length == pictures.Count) return together!.MoveToOuterDisposeScope();
        var features = empty([pictures.Count, model.Config.VisualTokens, model.Config.FeatureWidth], ScalarType.Float32);
        for (var i = 0; i < pictures.Count; i++)
        {
            if (pictures[i].Entry is null) continue;
            using var row = features.narrow(0, i, 1);
            pictures[i].FeaturesOf(model).CopyTo(MemoryMarshal.Cast<byte, float>(row.bytes));
        }

        for (var i = 0; i < unkept.Length; i++) features[unkept[i]].copy_(together![i]);
        return features.Send(model.Device).MoveToOuterDisposeScope();
    }

    // Another sample of the same picture may have been encoded since this one was looked up.
    private float[] FeaturesOf(GroundingModel model)
    {
        if ((Features ?? Entry?.Find()) is { } known) return known;
        using var scope = NewDisposeScope();
        var features = model.EncodeImages(ImageTransform.ToTensor(Image!).unsqueeze(0)).cpu().contiguous();
        var encoded = MemoryMarshal.Cast<byte, float>(features.bytes).ToArray();
        Entry?.Keep(encoded);
        return encoded;
    }
}
