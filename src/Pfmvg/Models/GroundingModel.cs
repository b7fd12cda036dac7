using System.Security.Cryptography;
using Pfmvg.Models.Building;
using Pfmvg.Models.Language;
using Pfmvg.Models.Layers;
using Pfmvg.Models.Vision;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models;

/// <summary>
/// The whole method (paper, Fig. 1): picture -> frozen EVA ViT -> LayerNorm -> every 4 tokens joined -> trainable linear
/// projector -> placed among the prompt's embeddings -> LLaMA-2 with LoRA -> answer text. Letters: B rows, T positions,
/// N visual tokens, V vision width, C hidden width.
/// </summary>
public sealed class GroundingModel : Module
{
    /// <summary>Stands for "a visual token comes here" among token ids.</summary>
    public const long ImageToken = -1;

    /// <summary>Stands for "nothing is predicted here" among targets; torch's own ignored index.</summary>
    public const int NoTarget = -100;

    private const double VisionNormEps = 1e-5; // torch's default, not the tower's 1e-6

    [ComponentName(Name = ParameterNames.VisionTower)] private readonly EvaVisionTower _visionTower;
    [ComponentName(Name = ParameterNames.VisionNorm)] private readonly FrozenLayerNorm _visionNorm;
    [ComponentName(Name = ParameterNames.Projector)] private readonly Projector _projector;
    [ComponentName(Name = ParameterNames.Language)] private readonly Llama _llama;
    [ComponentName(Name = ParameterNames.BoxHead)] private readonly BoxRegressor? _boxHead;
    private readonly Scalar _lastVisual;
    private bool _ownsVision;

    /// <summary>Creates the model with uninitialised weights; <see cref="ModelBuilder"/> is the way to a usable one.</summary>
    /// <param name="config">All sizes.</param>
    /// <param name="type">Type of the frozen weights: float32 or bfloat16. Trainables are float32, `ln_vision` too.</param>
    /// <param name="device">Where the model lives; the meta device holds shapes only.</param>
    public GroundingModel(GroundingConfig config, ScalarType type, Device device) : this(config, type, device, device)
    {
    }

    /// <summary>As above, with projector, adapters and `ln_vision` on a device of their own.</summary>
    internal GroundingModel(GroundingConfig config, ScalarType type, Device device, Device trained) : base(nameof(GroundingModel))
    {
        Config = config;
        Device = device;
        _lastVisual = config.VisualTokens - 1;
        Dropout = new LoraDropout(config.Lora.Dropout);
        _visionTower = new EvaVisionTower(config.Vision, type, device);
        _visionNorm = new FrozenLayerNorm(config.Vision.Width, VisionNormEps, ScalarType.Float32, trained);
        _projector = new Projector(config.FeatureWidth, config.Language.HiddenSize, trained);
        _llama = new Llama(config.Language, Projection, type, device);
        if (config.BoxHead) _boxHead = new BoxRegressor(config.Language.HiddenSize, trained);
        RegisterComponents();
        foreach (var (_, parameter) in named_parameters()) parameter.requires_grad = false;
        foreach (var (_, parameter) in Trainables()) parameter.requires_grad = true;

        Projection Projection(string name, int inputs, int outputs) =>
            config.Lora.Targets.Contains(name[(name.LastIndexOf('.') + 1)..])
                ? new LoraLinear(inputs, outputs, config.Lora, Dropout, type, device, config.Language.Quantized, trained)
                : new FrozenLinear(inputs, outputs, hasBias: false, type, device, config.Language.Quantized);
    }

    /// <summary>All sizes.</summary>
    public GroundingConfig Config { get; }

    /// <summary>Where the model lives.</summary>
    public Device Device { get; }

    /// <summary>The dropout that all adapters share; off until begun.</summary>
    public LoraDropout Dropout { get; }

    /// <summary>The vision tower.</summary>
    public EvaVisionTower VisionTower => _visionTower;

    /// <summary>The language model.</summary>
    public Llama Language => _llama;

    /// <summary>Reads a box off the hidden state behind a prompt; null where the configuration wants text alone.</summary>
    internal BoxRegressor? BoxHead => _boxHead;

    /// <summary>Whether the vision tower learns.</summary>
    public bool TrainsVision { get; private set; }

    /// <summary>
    /// The trained tensors by name, in a fixed order: projector, adapters and box head, and the vision tower where it is the model's own;
    /// nothing else ever changes.
    /// </summary>
    public IEnumerable<(string Name, Parameter Parameter)> Trainables() => named_parameters()
        .Where(p => ParameterNames.IsTrainable(p.name) || _ownsVision && ParameterNames.IsVision(p.name))
        .OrderBy(p => p.name, StringComparer.Ordinal);

    /// <summary>Makes the vision tower and its norm the model's own: trained tensors, which are kept with the others.</summary>
    internal void OwnVision()
    {
        if (_ownsVision) return;
        _ownsVision = true;
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        foreach (var (name, parameter) in named_parameters())
            if (ParameterNames.IsVision(name)) parameter.set_(parameter.clone()); // its memory may be a file's pages
    }

    /// <summary>Lets the vision tower learn from here on.</summary>
    internal void TrainVision()
    {
        OwnVision();
        TrainsVision = true;
        foreach (var (name, parameter) in named_parameters())
            if (ParameterNames.IsVision(name)) parameter.requires_grad = true;
    }

    /// <summary>Pictures to features: vision tower, norm, class token dropped, tokens joined.</summary>
    /// <param name="images">(B, 3, S, S) float32, normalised.</param>
    /// <returns>(B, N, 4V) in float32; without gradients unless the tower learns.</returns>
    public Tensor EncodeImages(Tensor images)
    {
        using var quiet = TrainsVision ? null : no_grad();
        using var scope = NewDisposeScope();
        var tokens = NormalizeTokens(_visionTower.call(images.to(_llama.Type, Device)));                    // (B, P + 1, V)
        return TokenConcat.Join(tokens.narrow(1, 1, tokens.shape[1] - 1), Config).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// A hash of all that the frozen features of a picture depend on beside its pixels: weights, types, sizes and kind
    /// of device.
    /// </summary>
    /// <returns>SHA-256 in lower-case hex. Reads every weight of the vision tower once.</returns>
    public string VisionHash()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Add(FormattableString.Invariant($"features 1 {Device.type} {Config.Vision} {_llama.Type}\n"));
        if (Config.Join != TokenJoin.Row) Add(FormattableString.Invariant($"{Config.Join} {Config.Concat}\n"));
        foreach (var (name, parameter) in named_parameters())
        {
            if (!ParameterNames.IsPartOf(ParameterNames.VisionTower, name) && !ParameterNames.IsVisionNorm(name)) continue;
            Add($"{name} {parameter.dtype} {string.Join('x', parameter.shape)}\n");
            TensorMemory.Write(parameter, hash.AppendData);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());

        void Add(string text) => hash.AppendData(System.Text.Encoding.UTF8.GetBytes(text));
    }

    /// <summary>`ln_vision`: vision tokens (B, P + 1, V) to float32.</summary>
    public Tensor NormalizeTokens(Tensor tokens) => _visionNorm.call(tokens);

    /// <summary>Frozen features (B, N, 4V) to visual tokens (B, N, C) in float32; with gradients for the projector.</summary>
    public Tensor Project(Tensor features) => _projector.call(features);

    /// <summary>Puts token embeddings and visual tokens into one sequence.</summary>
    /// <param name="ids">(B, T) token ids; the j-th <see cref="ImageToken"/> of a row stands for its j-th visual token.</param>
    /// <param name="visual">(B, N, C); null when the rows have no pictures.</param>
    /// <returns>(B, T, C) in the language model's type.</returns>
    public Tensor Embed(Tensor ids, Tensor? visual)
    {
        using var scope = NewDisposeScope();
        using Scalar zero = 0, image = ImageToken;
        var isImage = ids.eq(image);
        var text = _llama.EmbedTokens(ids.masked_fill(isImage, zero));                                      // (B, T, C)
        if (visual is null) return text.MoveToOuterDisposeScope();
        var index = isImage.cumsum(1).sub(isImage.to(ScalarType.Int64)).clamp_max_(_lastVisual);             // (B, T)
        var placed = visual.to(text.dtype).gather(1, index.unsqueeze(-1).expand(-1, -1, text.shape[2]));    // (B, T, C)
        var picture = isImage.unsqueeze(-1);                                                                // (B, T, 1)
        // A choice by `where` has no form for the meta device.
        return text.masked_fill(picture, zero).Plus(placed.masked_fill(picture.bitwise_not(), zero)).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// The summed cross-entropy of the answer tokens: position t predicts token t + 1. Logits are computed only where there
    /// is a target.
    /// </summary>
    /// <param name="hidden">(B, T, C) after the final norm.</param>
    /// <param name="targets">
    /// (B, T) int64 token ids on the CPU whatever the model's device, <see cref="NoTarget"/> where nothing is predicted: the host must know
    /// how many there are.
    /// </param>
    /// <returns>The sum as a float32 scalar, and the number of answer tokens in it.</returns>
    public (Tensor Sum, long Tokens) AnswerLoss(Tensor hidden, Tensor targets)
    {
        using var scope = NewDisposeScope();
        var (logits, tokens) = AnswerLogits(hidden, targets);
        var sum = functional.cross_entropy(logits, tokens, reduction: Reduction.Sum);
        return (sum.MoveToOuterDisposeScope(), logits.shape[0]);
    }

    /// <summary>The logits (answer tokens, W) in float32 where there is a target, row by row, and the tokens that are due there.</summary>
    /// <param name="hidden">(B, T, C) after the final norm.</param>
    /// <param name="targets">(B, T) on the CPU, as for <see cref="AnswerLoss"/>.</param>
    internal (Tensor Logits, Tensor Tokens) AnswerLogits(Tensor hidden, Tensor targets)
    {
        using var scope = NewDisposeScope();
        using Scalar ignored = NoTarget, rowLength = targets.shape[1], one = 1;
        var found = targets.narrow(1, 1, targets.shape[1] - 1).ne(ignored).nonzero();                       // (answer tokens, 2)
        var places = found.select(1, 0).mul(rowLength).PlusInPlace(found.select(1, 1));
        var sent = stack([places, targets.flatten().index_select(0, places.Plus(one))]).Send(hidden.device);
        var logits = _llama.Logits(hidden.flatten(0, 1).Rows(sent[0]));                           // (answer tokens, W)
        return (logits.MoveToOuterDisposeScope(), sent[1].MoveToOuterDisposeScope());
    }
}
