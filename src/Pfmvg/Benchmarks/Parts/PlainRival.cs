using Pfmvg.Rivals;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Benchmarks.Parts;

/// <summary>
/// BioViL's picture and text model as a PyTorch user writes them, with libtorch's operations: each batch norm by itself, a product each for
/// queries, keys and values. The weights are random and belong to the caller's dispose scope.
/// </summary>
internal sealed class PlainRival
{
    private const double NormEps = 1e-5;

    private readonly RivalSizes _sizes;
    private readonly Device _device;
    private readonly Convolution _stem, _hidden;
    private readonly List<(Convolution Narrow, Convolution Spatial, Convolution Wide, Convolution? Shortcut)> _blocks = [];
    private readonly Tensor? _reduction, _noEarlier;
    private readonly (Tensor Weight, Tensor Bias) _output, _textNorm, _headHidden, _headNorm, _headOutput;
    private readonly Tensor _words, _positions, _types;
    private readonly List<Layer> _layers = [];

    /// <summary>Makes the weights.</summary>
    public PlainRival(RivalSizes sizes, bool dilated, Device device)
    {
        (_sizes, _device) = (sizes, device);
        var (image, text) = (sizes.Image, sizes.Text);
        _stem = Made(3, image.Network.StemWidth, 7, stride: 2);
        var inputs = image.Network.StemWidth;
        foreach (var (stage, (count, width, output)) in image.Network.Stages.Index())
            for (var block = 0; block < count; block++)
            {
                var isDilated = dilated && stage == image.Network.Stages.Count - 1;
                var stride = stage > 0 && block == 0 && !isDilated ? 2 : 1;
                _blocks.Add((Made(inputs, width, 1), Made(width, width, 3, stride, isDilated && block > 0 ? 2 : 1), Made(width, output, 1),
                    block == 0 ? Made(inputs, output, 1, stride) : null));
                inputs = output;
            }

        if (image.Reduced > 0)
            (_reduction, _noEarlier) = (Random(image.Reduced, inputs, 1, 1), Random(1, image.Reduced, 1, 1));
        _hidden = Made(image.Reduced > 0 ? 2 * image.Reduced : inputs, image.Joint, 1);
        _output = (Random(image.Joint, image.Joint, 1, 1), Random(image.Joint));
        (_words, _positions, _types) = (Random(text.Vocabulary, text.Width), Random(text.Positions, text.Width), Random(2, text.Width));
        for (var layer = 0; layer < text.Layers; layer++)
            _layers.Add(new Layer(Linear(text.Width, text.Width), Linear(text.Width, text.Width), Linear(text.Width, text.Width),
                Linear(text.Width, text.Width), Norm(text.Width), Linear(text.Width, text.Hidden), Linear(text.Hidden, text.Width),
                Norm(text.Width)));
        _textNorm = Norm(text.Width);
        (_headHidden, _headNorm, _headOutput) = (Linear(text.Width, image.Joint), Norm(image.Joint), Linear(image.Joint, image.Joint));
    }

    /// <summary>Pictures (B, 3, S, S) to the joint space (B, J, h, w).</summary>
    public Tensor Encode(Tensor pictures)
    {
        var x = functional.max_pool2d(_stem.Run(pictures).relu(), kernel_size: 3, stride: 2, padding: 1);
        foreach (var (narrow, spatial, wide, shortcut) in _blocks)
            x = (wide.Run(spatial.Run(narrow.Run(x).relu()).relu()) + (shortcut?.Run(x) ?? x)).relu();
        if (_reduction is not null)
        {
            var current = functional.conv2d(x, _reduction);
            x = cat([current, _noEarlier!.expand(current.shape)], 1);
        }

        return functional.conv2d(_hidden.Run(x).relu(), _output.Weight, _output.Bias);
    }

    /// <summary>Ids (B, T) to the joint space (B, J), normalised.</summary>
    public Tensor Read(Tensor ids)
    {
        var (rows, length, text) = (ids.shape[0], ids.shape[1], _sizes.Text);
        var words = _words.index_select(0, ids.flatten()).view(rows, length, text.Width);
        var x = Normed(words + _positions.narrow(0, 0, length) + _types[0], _textNorm, text.NormEps);
        foreach (var layer in _layers)
        {
            var mixed = functional.scaled_dot_product_attention(Heads(x, layer.Query), Heads(x, layer.Key), Heads(x, layer.Value))
                .transpose(1, 2).reshape(rows, length, text.Width);
            x = Normed(Product(mixed, layer.Output) + x, layer.AttentionNorm, text.NormEps);
            x = Normed(Product(functional.gelu(Product(x, layer.Up)), layer.Down) + x, layer.OutputNorm, text.NormEps);
        }

        var first = functional.gelu(Product(x.select(1, 0), _headHidden));
        return functional.normalize(Product(Normed(first, _headNorm, 1e-12), _headOutput), dim: 1);

        Tensor Heads(Tensor states, (Tensor Weight, Tensor Bias) product) =>
            Product(states, product).view(rows, length, text.Heads, text.Width / text.Heads).transpose(1, 2);
    }

    private static Tensor Product(Tensor x, (Tensor Weight, Tensor Bias) product) => functional.linear(x, product.Weight, product.Bias);

    private static Tensor Normed(Tensor x, (Tensor Weight, Tensor Bias) norm, double eps) =>
        functional.layer_norm(x, [x.shape[^1]], norm.Weight, norm.Bias, eps);

    private Tensor Random(params long[] shape) => randn(shape, device: _device) / 50;

    private (Tensor Weight, Tensor Bias) Linear(long inputs, long outputs) => (Random(outputs, inputs), Random(outputs));

    private (Tensor Weight, Tensor Bias) Norm(long width) => (ones([width], device: _device), zeros([width], device: _device));

    private Convolution Made(long inputs, long outputs, long side, long stride = 1, long dilation = 1)
    {
        var reach = dilation * (side / 2);
        return new Convolution(Random(outputs, inputs, side, side), Norm(outputs), zeros([outputs], device: _device),
            ones([outputs], device: _device), [stride, stride], [reach, reach], [dilation, dilation]);
    }

    private sealed record Convolution(Tensor Kernel, (Tensor Weight, Tensor Bias) Norm, Tensor Mean, Tensor Variance, long[] Stride,
        long[] Padding, long[] Dilation)
    {
        public Tensor Run(Tensor x) => functional.batch_norm(
            functional.conv2d(x, Kernel, strides: Stride, padding: Padding, dilation: Dilation), Mean, Variance, Norm.Weight, Norm.Bias,
            training: false, eps: NormEps);
    }

    private sealed record Layer(
        (Tensor Weight, Tensor Bias) Query, (Tensor Weight, Tensor Bias) Key, (Tensor Weight, Tensor Bias) Value,
        (Tensor Weight, Tensor Bias) Output, (Tensor Weight, Tensor Bias) AttentionNorm, (Tensor Weight, Tensor Bias) Up,
        (Tensor Weight, Tensor Bias) Down, (Tensor Weight, Tensor Bias) OutputNorm);
}
