using Pfmvg.Models.Convolutional;
using Pfmvg.Models.Layers;
using Pfmvg.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Rivals;

/// <summary>Sizes of a BioViL or BioViL-T image model.</summary>
/// <param name="Network">The residual network.</param>
/// <param name="Joint">Width of the space that pictures and texts share.</param>
/// <param name="Reduced">Of BioViL-T the channels of the reduced features; 0 for BioViL.</param>
internal sealed record BioVilSizes(ResNetConfig Network, long Joint, long Reduced);

/// <summary>The image model of BioViL and BioViL-T (MIT): a residual network and a projection of each place to the joint space.</summary>
internal sealed class BioVilImage
{
    private const string Network = "encoder.encoder.", Reduction = "encoder.backbone_to_vit.weight",
        NoEarlier = "encoder.missing_previous_emb", Projector = "projector.model.";

    private readonly ResNet _network;
    private readonly Tensor? _reduction, _noEarlier;
    private readonly FoldedConvolution _hidden;
    private readonly Tensor _outputWeight, _outputBias;

    /// <summary>Takes its weights.</summary>
    public BioVilImage(BioVilSizes sizes, PlannedWeights weights, bool dilated)
    {
        _network = new ResNet(sizes.Network, weights, Network, dilated);
        if (sizes.Reduced > 0) (_reduction, _noEarlier) = (weights.Keep(weights[Reduction]), weights.Keep(weights[NoEarlier]));
        _hidden = new FoldedConvolution(weights, $"{Projector}0", $"{Projector}1");
        _outputWeight = weights.Keep(weights[$"{Projector}3.weight"]);
        _outputBias = weights.Keep(weights[$"{Projector}3.bias"]);
    }

    /// <summary>Whether a file has an image model of this kind.</summary>
    public static bool IsIn(ITensorFile file) =>
        file.Tensors.ContainsKey($"{Projector}0.weight") && file.Tensors.ContainsKey($"{Network}conv1.weight");

    /// <summary>Whether it is BioViL-T's.</summary>
    public static bool IsTemporal(ITensorFile file) => file.Tensors.ContainsKey(Reduction) || file.Tensors.ContainsKey(NoEarlier);

    /// <summary>Tensors of the published files that one picture does not need.</summary>
    public static bool MayBeUnused(string name) => name.StartsWith($"{Network}fc.", StringComparison.Ordinal)
        || name.EndsWith(".num_batches_tracked", StringComparison.Ordinal)
        || name.StartsWith("encoder.vit_pooler.", StringComparison.Ordinal);

    /// <summary>The sizes of a file's tensors.</summary>
    /// <exception cref="InputException">The file has no such model.</exception>
    public static BioVilSizes ReadSizes(ITensorFile file, bool temporal) =>
        new(ResNetConfig.Read(file, Network), Rows(file, $"{Projector}0.weight"), temporal ? Rows(file, Reduction) : 0);

    /// <summary>The tensors of such a model.</summary>
    public static IReadOnlyList<TensorInfo> Plan(BioVilSizes sizes)
    {
        var features = sizes.Network.Features;
        var (reduced, inputs) = (sizes.Reduced, sizes.Reduced > 0 ? 2 * sizes.Reduced : features);
        return
        [
            .. ResNet.Plan(sizes.Network, Network),
            .. reduced == 0 ? [] : (TensorInfo[])[
                TensorInfo.Describe(Reduction, ScalarType.Float32, reduced, features, 1, 1),
                TensorInfo.Describe(NoEarlier, ScalarType.Float32, 1, reduced, 1, 1),
            ],
            .. FoldedConvolution.Plan($"{Projector}0", $"{Projector}1", inputs, sizes.Joint, 1),
            TensorInfo.Describe($"{Projector}3.weight", ScalarType.Float32, sizes.Joint, sizes.Joint, 1, 1),
            TensorInfo.Describe($"{Projector}3.bias", ScalarType.Float32, sizes.Joint),
        ];
    }

    /// <summary>
    /// Pictures (B, 3, S, S) to the features of each place (B, C, h, w); of BioViL-T those of the absent earlier picture behind them.
    /// </summary>
    public Tensor Features(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        var features = _network.Forward(pictures);
        if (_reduction is null) return features.MoveToOuterDisposeScope();
        var current = functional.conv2d(features, _reduction);
        return cat([current, _noEarlier!.expand(current.shape)], 1).MoveToOuterDisposeScope();
    }

    /// <summary>Features (B, C, h, w) to the joint space (B, J, h, w), not normalised.</summary>
    public Tensor Project(Tensor features)
    {
        using var scope = NewDisposeScope();
        return functional.conv2d(_hidden.Forward(features).relu_(), _outputWeight, _outputBias).MoveToOuterDisposeScope();
    }

    private static long Rows(ITensorFile file, string name) =>
        file.Tensors.TryGetValue(name, out var info) && info.Shape is [>= 1 and <= 1 << 20, _, _, _] ? info.Shape[0]
            : throw Refusal.ForFile(file.Path, $"has no convolution {name}", "name an image model of BioViL or BioViL-T");
}
