using Pfmvg.Models.Kernels;
using Pfmvg.Models.Layers;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Vision;

/// <summary>
/// EVA ViT as in BLIP-2: pre-norm blocks, separate query and value biases and no key bias, exact GELU, absolute position
/// embedding, no final norm. Frozen in both stages (paper, section 2.1). Letters: B pictures, S image side,
/// P patches, V width, H heads, D head size.
/// </summary>
public sealed class EvaVisionTower : Module<Tensor, Tensor>
{
    private const double NormEps = 1e-6;
    private const int HeadMultiple = 32; // libtorch's attention on a CPU can be twice as fast at head sizes 96 and 128 as at 88

    [ComponentName(Name = "cls_token")] private readonly Parameter _classToken;          // (1, 1, V)
    [ComponentName(Name = "pos_embed")] private readonly Parameter _positionEmbedding;   // (1, P + 1, V)
    [ComponentName(Name = "patch_embed")] private readonly PatchEmbedding _patchEmbedding;
    [ComponentName(Name = "blocks")] private readonly ModuleList<EvaBlock> _blocks;

    /// <summary>Creates the tower with uninitialised weights for a loader to fill.</summary>
    public EvaVisionTower(EvaConfig config, ScalarType type, Device device) : base(nameof(EvaVisionTower))
    {
        _classToken = Frozen.Parameter(type, device, 1, 1, config.Width);
        _positionEmbedding = Frozen.Parameter(type, device, 1, config.Patches + 1, config.Width);
        _patchEmbedding = new PatchEmbedding(config, type, device);
        _blocks = new ModuleList<EvaBlock>([.. Enumerable.Range(0, config.Depth).Select(_ => new EvaBlock(config, type, device))]);
        RegisterComponents();
    }

    /// <summary>Normalised pictures (B, 3, S, S) in the tower's type to tokens (B, P + 1, V), the class token first.</summary>
    public override Tensor forward(Tensor images) => Run(images, null);

    /// <summary>
    /// As <see cref="forward"/>; shows the patch embedding (index -1) and every block's output to
    /// <paramref name="observe"/>.
    /// </summary>
    public Tensor Run(Tensor images, Action<int, Tensor>? observe)
    {
        using var scope = NewDisposeScope();
        var patches = _patchEmbedding.call(images);                                          // (B, P, V)
        observe?.Invoke(-1, patches);
        var x = cat([_classToken.expand(images.shape[0], -1, -1), patches], 1).PlusInPlace(_positionEmbedding); // (B, P + 1, V)
        for (var i = 0; i < _blocks.Count; i++)
        {
            var next = _blocks[i].call(x);
            observe?.Invoke(i, next);
            if (!next.requires_grad) x.Dispose(); // without gradients only the newest activation is alive
            x = next;
        }

        return x.MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Resizes a stored position embedding to another patch grid: the class token's row is kept, the rest is resized with
    /// torch's bicubic (a = -0.75, align_corners false, no antialiasing), in float32 as the original does.
    /// </summary>
    /// <param name="stored">(1, G*G + 1, V).</param>
    /// <param name="grid">Patches along one side of the wanted grid.</param>
    /// <returns>(1, grid*grid + 1, V) float32.</returns>
    public static Tensor ResizePositionEmbedding(Tensor stored, int grid)
    {
        using var scope = NewDisposeScope();
        var all = stored.to(ScalarType.Float32);
        var side = (int)Math.Round(Math.Sqrt(all.shape[1] - 1));
        if (side == grid) return all.alias().MoveToOuterDisposeScope();
        var width = all.shape[2];
        var picture = all.narrow(1, 1, (long)side * side).reshape(1, side, side, width).permute(0, 3, 1, 2);
        var resized = functional.interpolate(picture, [grid, grid], mode: InterpolationMode.Bicubic, align_corners: false);
        return cat([all.narrow(1, 0, 1), resized.permute(0, 2, 3, 1).reshape(1, (long)grid * grid, width)], 1).MoveToOuterDisposeScope();
    }

    /// <summary>How many zeros fill up a head on a kind of device; a GPU's attention takes every multiple of 8 as it is.</summary>
    internal static long HeadPadding(int headSize, DeviceType device) =>
        device == DeviceType.CPU ? (HeadMultiple - headSize % HeadMultiple) % HeadMultiple : 0;

    private sealed class PatchEmbedding : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "proj")] private readonly PatchProjection _projection;

        public PatchEmbedding(EvaConfig config, ScalarType type, Device device) : base(nameof(PatchEmbedding))
        {
            _projection = new PatchProjection(config, type, device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor images) => _projection.call(images);
    }

    /// <summary>A convolution with stride = kernel = patch, then row-major flattening.</summary>
    private sealed class PatchProjection : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "weight")] private readonly Parameter _weight; // (V, 3, patch, patch)
        [ComponentName(Name = "bias")] private readonly Parameter _bias;     // (V)
        private readonly long[] _stride;

        public PatchProjection(EvaConfig config, ScalarType type, Device device) : base(nameof(PatchProjection))
        {
            _weight = Frozen.Parameter(type, device, config.Width, 3, config.PatchSize, config.PatchSize);
            _bias = Frozen.Parameter(type, device, config.Width);
            _stride = [config.PatchSize, config.PatchSize];
            RegisterComponents();
        }

        public override Tensor forward(Tensor images)
        {
            using var scope = NewDisposeScope();
            return functional.conv2d(images, _weight, _bias, strides: _stride).flatten(2).transpose(1, 2).MoveToOuterDisposeScope();
        }
    }

    private sealed class EvaBlock : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "norm1")] private readonly FrozenLayerNorm _norm1;
        [ComponentName(Name = "attn")] private readonly EvaAttention _attention;
        [ComponentName(Name = "norm2")] private readonly FrozenLayerNorm _norm2;
        [ComponentName(Name = "mlp")] private readonly EvaMlp _mlp;

        public EvaBlock(EvaConfig config, ScalarType type, Device device) : base(nameof(EvaBlock))
        {
            _norm1 = new FrozenLayerNorm(config.Width, NormEps, type, device);
            _attention = new EvaAttention(config, type, device);
            _norm2 = new FrozenLayerNorm(config.Width, NormEps, type, device);
            _mlp = new EvaMlp(config, type, device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var attended = _attention.call(_norm1.call(x)).PlusInPlace(x);
            return _mlp.call(_norm2.call(attended)).PlusInPlace(attended).MoveToOuterDisposeScope();
        }
    }

    private sealed class EvaAttention : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "q_bias")] private readonly Parameter _queryBias;  // (V)
        [ComponentName(Name = "v_bias")] private readonly Parameter _valueBias;  // (V)
        [ComponentName(Name = "qkv")] private readonly FrozenLinear _qkv;        // (3V, V)
        [ComponentName(Name = "proj")] private readonly FrozenLinear _output;
        private readonly int _heads, _headSize;
        private readonly double _scale;

        public EvaAttention(EvaConfig config, ScalarType type, Device device) : base(nameof(EvaAttention))
        {
            _queryBias = Frozen.Parameter(type, device, config.Width);
            _valueBias = Frozen.Parameter(type, device, config.Width);
            _qkv = new FrozenLinear(config.Width, 3 * config.Width, hasBias: false, type, device);
            _output = new FrozenLinear(config.Width, config.Width, hasBias: true, type, device);
            _heads = config.Heads;
            _headSize = config.Width / config.Heads;
            _scale = 1 / Math.Sqrt(_headSize);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            var (batch, length, width) = (x.shape[0], x.shape[1], x.shape[2]);
            var bias = cat([_queryBias, zeros_like(_queryBias), _valueBias]);
            var heads = _qkv.Product(x, bias).view(batch, length, 3, _heads, _headSize);
            var mixed = Mixed(heads).to(x.dtype);                                                           // (B, H, P + 1, D)
            return _output.call(mixed.transpose(1, 2).reshape(batch, length, width)).MoveToOuterDisposeScope();
        }

        // Of (B, P + 1, 3, H, D).
        private Tensor Mixed(Tensor heads)
        {
            using var scope = NewDisposeScope();
            var parts = heads.permute(2, 0, 3, 1, 4);                                                       // (3, B, H, P + 1, D)
            if (FloatAttention.Fits(parts[0], parts[1], causal: false))
                return FloatAttention.Attend(parts[0], parts[1], parts[2], _scale, causal: false).MoveToOuterDisposeScope();
            heads = heads.ForProducts();
            var padding = HeadPadding(_headSize, heads.device_type);
            if (padding > 0) heads = functional.pad(heads, [0, padding]);                                   // zeros change no product
            parts = heads.permute(2, 0, 3, 1, 4);
            return Scripted.Attention(parts[0], parts[1], parts[2], _scale).narrow(3, 0, _headSize).MoveToOuterDisposeScope();
        }
    }

    private sealed class EvaMlp : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "fc1")] private readonly FrozenLinear _up;
        [ComponentName(Name = "fc2")] private readonly FrozenLinear _down;

        public EvaMlp(EvaConfig config, ScalarType type, Device device) : base(nameof(EvaMlp))
        {
            _up = new FrozenLinear(config.Width, config.MlpHidden, hasBias: true, type, device);
            _down = new FrozenLinear(config.MlpHidden, config.Width, hasBias: true, type, device);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return _down.call(functional.gelu(_up.call(x))).MoveToOuterDisposeScope();
        }
    }
}

/// <summary>LayerNorm with loaded weights. The norm of `ln_vision` (eps 1e-5) and of the blocks (eps 1e-6).</summary>
public sealed class FrozenLayerNorm : Module<Tensor, Tensor>
{
    [ComponentName(Name = "weight")] private readonly Parameter _weight;
    [ComponentName(Name = "bias")] private readonly Parameter _bias;
    private readonly long[] _shape;
    private readonly double _eps;

    /// <summary>Creates the norm over the last dimension.</summary>
    public FrozenLayerNorm(int width, double eps, ScalarType type, Device device) : base(nameof(FrozenLayerNorm))
    {
        _weight = Frozen.Parameter(type, device, width);
        _bias = Frozen.Parameter(type, device, width);
        _shape = [width];
        _eps = eps;
        RegisterComponents();
    }

    /// <summary>(..., V) to (..., V); the input is converted to the weights' type, so float32 weights compute in float32.</summary>
    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return functional.layer_norm(x.to(_weight.dtype), _shape, _weight, _bias, _eps).MoveToOuterDisposeScope();
    }
}
