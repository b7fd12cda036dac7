using Pfmvg.Models.Layers;
using Pfmvg.Weights;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Convolutional;

/// <summary>Sizes of a residual network with bottlenecks.</summary>
/// <param name="StemWidth">Channels of the first convolution.</param>
/// <param name="Stages">Of each stage its blocks, the width of their 3x3 convolutions and that of their result.</param>
internal sealed record ResNetConfig(long StemWidth, IReadOnlyList<(int Blocks, long Width, long Output)> Stages)
{
    /// <summary>ResNet-50 as it is published.</summary>
    public static ResNetConfig ResNet50 { get; } = new(64, [(3, 64, 256), (4, 128, 512), (6, 256, 1024), (3, 512, 2048)]);

    /// <summary>Channels of the features.</summary>
    public long Features => Stages[^1].Output;

    /// <summary>The sizes of a file's tensors; what does not fit together is found when they are loaded.</summary>
    /// <exception cref="InputException">The file has no such network.</exception>
    public static ResNetConfig Read(ITensorFile file, string prefix)
    {
        var stem = Rows("conv1.weight");
        List<(int, long, long)> stages = [];
        for (var stage = 1; file.Tensors.ContainsKey($"{prefix}layer{stage}.0.conv1.weight"); stage++)
        {
            var blocks = 1;
            while (file.Tensors.ContainsKey($"{prefix}layer{stage}.{blocks}.conv1.weight")) blocks++;
            stages.Add((blocks, Rows($"layer{stage}.0.conv1.weight"), Rows($"layer{stage}.0.conv3.weight")));
        }

        return stages.Count == 4 ? new ResNetConfig(stem, stages)
            : throw Refusal.ForFile(file.Path, $"has {stages.Count} stages {prefix}layer1.. where a ResNet has 4");

        long Rows(string name) => file.Tensors.TryGetValue(prefix + name, out var info) && info.Shape is [>= 1 and <= 1 << 20, _, _, _]
            ? info.Shape[0] : throw Refusal.ForFile(file.Path, $"has no convolution {prefix}{name}",
                "name a file with a ResNet of bottlenecks, such as ResNet-50");
    }
}

/// <summary>
/// The ResNet-50 family as torchvision has it (the stride is in the 3x3 convolution) up to its last feature map; the classifier behind it
/// is not used. Batch norms are folded in.
/// </summary>
internal sealed class ResNet
{
    private readonly FoldedConvolution _stem;
    private readonly List<Bottleneck> _blocks = [];

    /// <summary>Takes its weights.</summary>
    /// <param name="config">Sizes.</param>
    /// <param name="weights">The weights.</param>
    /// <param name="prefix">What stands before torchvision's names.</param>
    /// <param name="dilated">The last stage keeps the grid of the one before and dilates its convolutions instead.</param>
    public ResNet(ResNetConfig config, PlannedWeights weights, string prefix, bool dilated = false)
    {
        _stem = new FoldedConvolution(weights, $"{prefix}conv1", $"{prefix}bn1", stride: 2);
        foreach (var (stage, (blocks, _, _)) in config.Stages.Index())
        {
            var isDilated = dilated && stage == config.Stages.Count - 1;
            for (var block = 0; block < blocks; block++)
                _blocks.Add(new Bottleneck(weights, $"{prefix}layer{stage + 1}.{block}", hasShortcut: block == 0,
                    stride: stage > 0 && block == 0 && !isDilated ? 2 : 1, dilation: isDilated && block > 0 ? 2 : 1));
        }
    }

    /// <summary>The tensors of such a network.</summary>
    public static IEnumerable<TensorInfo> Plan(ResNetConfig config, string prefix)
    {
        var inputs = config.StemWidth;
        foreach (var info in FoldedConvolution.Plan($"{prefix}conv1", $"{prefix}bn1", 3, inputs, 7)) yield return info;
        foreach (var (stage, (blocks, width, output)) in config.Stages.Index())
            for (var block = 0; block < blocks; block++)
            {
                foreach (var info in Bottleneck.Plan($"{prefix}layer{stage + 1}.{block}", inputs, width, output, hasShortcut: block == 0))
                    yield return info;
                inputs = output;
            }
    }

    /// <summary>(B, 3, S, S) to (B, C, S / 32, S / 32), dilated (B, C, S / 16, S / 16).</summary>
    public Tensor Forward(Tensor pictures)
    {
        using var scope = NewDisposeScope();
        var x = functional.max_pool2d(_stem.Forward(pictures).relu_(), kernel_size: 3, stride: 2, padding: 1);
        foreach (var block in _blocks)
        {
            var next = block.Forward(x);
            x.Dispose();
            x = next;
        }

        return x.MoveToOuterDisposeScope();
    }

    private sealed class Bottleneck
    {
        private readonly FoldedConvolution _narrow, _spatial, _wide;
        private readonly FoldedConvolution? _shortcut;

        public Bottleneck(PlannedWeights weights, string name, bool hasShortcut, long stride, long dilation)
        {
            _narrow = new FoldedConvolution(weights, $"{name}.conv1", $"{name}.bn1");
            _spatial = new FoldedConvolution(weights, $"{name}.conv2", $"{name}.bn2", stride, dilation);
            _wide = new FoldedConvolution(weights, $"{name}.conv3", $"{name}.bn3");
            if (hasShortcut) _shortcut = new FoldedConvolution(weights, $"{name}.downsample.0", $"{name}.downsample.1", stride);
        }

        public static IEnumerable<TensorInfo> Plan(string name, long inputs, long width, long output, bool hasShortcut) =>
        [
            .. FoldedConvolution.Plan($"{name}.conv1", $"{name}.bn1", inputs, width, 1),
            .. FoldedConvolution.Plan($"{name}.conv2", $"{name}.bn2", width, width, 3),
            .. FoldedConvolution.Plan($"{name}.conv3", $"{name}.bn3", width, output, 1),
            .. hasShortcut ? FoldedConvolution.Plan($"{name}.downsample.0", $"{name}.downsample.1", inputs, output, 1) : [],
        ];

        public Tensor Forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var inner = _wide.Forward(_spatial.Forward(_narrow.Forward(x).relu_()).relu_());
            return inner.add_(_shortcut?.Forward(x) ?? x).relu_().MoveToOuterDisposeScope();
        }
    }
}
