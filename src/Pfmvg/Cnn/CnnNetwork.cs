using Pfmvg.Configuration;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Cnn;

/// <summary>What the network says of a batch.</summary>
/// <param name="Boxes">(B, 4): left, top, right, bottom as shares of the picture; not cut at its edges.</param>
/// <param name="Attention">(B, G*G): the logarithm of the share of each place of the grid in the answer.</param>
/// <param name="Confidence">(B): log-odds of the expected IoU.</param>
internal sealed record CnnOutput(Tensor Boxes, Tensor Attention, Tensor Confidence);

/// <summary>
/// A plain network without anything learned before: convolutions to a grid of an eighth of the picture's side, residual blocks that the
/// phrase, a bag of words, scales and shifts (FiLM, Perez et al. 2018), and at each place of the grid a box and a weight; the answer is
/// the weighted mean of the boxes. Norms are over groups of channels, so that no sample depends on the others of its batch.
/// </summary>
internal sealed class CnnNetwork : Module<Tensor, Tensor, CnnOutput>
{
    /// <summary>The picture's side over the grid's.</summary>
    public const int Stride = 8;

    private const double Reach = 0.1, UsualSize = -1.4; // a place's first boxes: around it, a fifth of the picture

    private static readonly Scalar Half = 0.5, NearBy = Reach, Minus = -1.0, One = 1.0;

    [ComponentName(Name = "down")] private readonly ModuleList<Downsampling> _down;
    [ComponentName(Name = "position")] private readonly Parameter _position; // (1, C, G, G)
    [ComponentName(Name = "words")] private readonly Linear _words;
    [ComponentName(Name = "phrase")] private readonly Linear _phrase;
    [ComponentName(Name = "blocks")] private readonly ModuleList<ModulatedBlock> _blocks;
    [ComponentName(Name = "head")] private readonly Conv2d _head;
    [ComponentName(Name = "confidence")] private readonly Linear _confidence;
    private readonly Tensor _places; // (1, 2, G*G): x and y of the places' middles
    private readonly int _width;

    /// <summary>Draws the start values, a function of seed and name.</summary>
    /// <param name="settings">Sizes.</param>
    /// <param name="words">Words that it knows.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="device">Where it computes.</param>
    public CnnNetwork(CnnSettings settings, int words, long seed, Device device) : base(nameof(CnnNetwork))
    {
        using var scope = NewDisposeScope();
        var (width, grid) = (settings.Width, settings.ImageSize / Stride);
        _width = width;
        _down = ModuleList(new Downsampling(1, width / 4), new Downsampling(width / 4, width / 2), new Downsampling(width / 2, width));
        _position = new Parameter(zeros(1, width, grid, grid));
        _words = Linear(Math.Max(words, 1), settings.WordWidth);
        _phrase = Linear(settings.WordWidth, settings.Blocks * 2 * width);
        _blocks = ModuleList(Enumerable.Range(0, settings.Blocks).Select(_ => new ModulatedBlock(width)).ToArray());
        _head = Conv2d(width, 5, 1);
        _confidence = Linear(width, 1);
        RegisterComponents();
        foreach (var (name, parameter) in named_parameters()) Fill(name, parameter, seed);
        this.to(device);
        foreach (var (_, parameter) in named_parameters()) parameter.DetachFromDisposeScope(); // the network owns them
        var middles = Enumerable.Range(0, grid * grid).Select(i => (X: (i % grid + 0.5f) / grid, Y: (i / grid + 0.5f) / grid)).ToArray();
        _places = tensor([.. middles.Select(p => p.X), .. middles.Select(p => p.Y)], [1, 2, grid * grid]).to(device)
            .DetachFromDisposeScope();
    }

    /// <summary>Where it computes.</summary>
    public Device Device => _position.device;

    /// <summary>Looks for phrases.</summary>
    /// <param name="pictures">(B, 1, S, S): gray from -2 to 2.</param>
    /// <param name="bags">(B, words): 1 for the words of the phrase.</param>
    public override CnnOutput forward(Tensor pictures, Tensor bags)
    {
        using var scope = NewDisposeScope();
        var x = pictures;
        foreach (var down in _down) x = down.call(x);
        x = x.Plus(_position);
        var phrase = _phrase.call(_words.call(bags).relu()).view(bags.shape[0], -1, 2, _width, 1, 1); // (B, blocks, 2, C, 1, 1)
        foreach (var (i, block) in _blocks.Index())
        {
            var own = phrase.select(1, i);
            x = block.call(x, own.select(1, 0), own.select(1, 1));
        }

        var places = _head.call(x).flatten(2);                                                   // (B, 5, G*G)
        var attention = functional.log_softmax(places.select(1, 0), 1);
        var shares = attention.exp().unsqueeze(1);                                               // (B, 1, G*G)
        var middles = places.narrow(1, 1, 2).mul(NearBy).Plus(_places).mul(shares).sum(2);       // (B, 2)
        var halves = places.narrow(1, 3, 2).sigmoid().mul(shares).sum(2).mul(Half);
        var boxes = cat([middles.Plus(halves.mul(Minus)), middles.Plus(halves)], 1);
        var seen = x.detach().flatten(2).mul(shares.detach()).sum(2);                            // (B, C): it changes no box
        var confidence = _confidence.call(seen).squeeze(1);
        return new CnnOutput(boxes.MoveToOuterDisposeScope(), attention.MoveToOuterDisposeScope(), confidence.MoveToOuterDisposeScope());
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing) _places.Dispose();
        base.Dispose(disposing);
    }

    private static void Fill(string name, Parameter parameter, long seed)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        if (parameter.dim() < 2)
        {
            if (name.Contains("norm", StringComparison.Ordinal) && name.EndsWith("weight", StringComparison.Ordinal)) parameter.fill_(1);
            else parameter.zero_();
            if (name == "head.bias") parameter.narrow(0, 3, 2).fill_(UsualSize);
            return;
        }

        var fanIn = parameter.shape[1..].Aggregate(1L, (product, size) => product * size);
        var deviation = name switch
        {
            "position" or "confidence.weight" => 0,
            "words.weight" => 0.5, // a phrase has few words, whatever the number of all
            "phrase.weight" => 0.02,
            "head.weight" => 0.01,
            _ => Math.Sqrt(2.0 / fanIn),
        };
        using var generator = new Generator(new CounterRandom(seed, "plain network " + name).NextBits(), CPU);
        parameter.copy_(empty(parameter.shape, ScalarType.Float32, CPU).normal_(0, deviation, generator));
    }

    /// <summary>A convolution that halves the side.</summary>
    private sealed class Downsampling : Module<Tensor, Tensor>
    {
        [ComponentName(Name = "conv")] private readonly Conv2d _conv;
        [ComponentName(Name = "norm")] private readonly GroupNorm _norm;

        public Downsampling(int inputs, int outputs) : base(nameof(Downsampling))
        {
            _conv = Conv2d(inputs, outputs, 3, stride: 2, padding: 1, bias: false);
            _norm = GroupNorm(8, outputs);
            RegisterComponents();
        }

        public override Tensor forward(Tensor x)
        {
            using var scope = NewDisposeScope();
            return _norm.call(_conv.call(x)).relu().MoveToOuterDisposeScope();
        }
    }

    /// <summary>x + two convolutions, the second of which the phrase scales and shifts by channel.</summary>
    private sealed class ModulatedBlock : Module<Tensor, Tensor, Tensor, Tensor>
    {
        [ComponentName(Name = "conv1")] private readonly Conv2d _conv1;
        [ComponentName(Name = "norm1")] private readonly GroupNorm _norm1;
        [ComponentName(Name = "conv2")] private readonly Conv2d _conv2;
        [ComponentName(Name = "norm2")] private readonly GroupNorm _norm2;

        public ModulatedBlock(int width) : base(nameof(ModulatedBlock))
        {
            (_conv1, _norm1) = (Conv2d(width, width, 3, padding: 1, bias: false), GroupNorm(8, width));
            (_conv2, _norm2) = (Conv2d(width, width, 3, padding: 1, bias: false), GroupNorm(8, width));
            RegisterComponents();
        }

        public override Tensor forward(Tensor x, Tensor scale, Tensor shift)
        {
            using var scope = NewDisposeScope();
            var change = _norm2.call(_conv2.call(_norm1.call(_conv1.call(x)).relu()));
            return x.Plus(change.mul(scale.Plus(One)).Plus(shift)).relu().MoveToOuterDisposeScope();
        }
    }
}
