using Pfmvg.Models.Layers;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Models.Language;

/// <summary>down(silu(gate x) * up x).</summary>
internal sealed class GatedMlp : Module<Tensor, Tensor>
{
    [ComponentName(Name = ParameterNames.Gate)] private readonly Projection _gate;
    [ComponentName(Name = ParameterNames.Up)] private readonly Projection _up;
    [ComponentName(Name = ParameterNames.Down)] private readonly Projection _down;

    public GatedMlp(LlamaConfig config, int layer, ProjectionFactory projection) : base(nameof(GatedMlp))
    {
        _gate = Create(ParameterNames.Gate, config.HiddenSize, config.IntermediateSize);
        _up = Create(ParameterNames.Up, config.HiddenSize, config.IntermediateSize);
        _down = Create(ParameterNames.Down, config.IntermediateSize, config.HiddenSize);
        RegisterComponents();

        Projection Create(string name, int inputs, int outputs) => projection($"layers.{layer}.mlp.{name}", inputs, outputs);
    }

    /// <summary>The projection behind the gate.</summary>
    public Projection Output => _down;

    /// <summary>The weights themselves, with those of the norm before them.</summary>
    public MlpWeights WeightsBehind(RmsNorm norm) => new(norm.Weight, _gate.Weights, _up.Weights, _down.Weights);

    public override Tensor forward(Tensor x)
    {
        using var scope = NewDisposeScope();
        return _down.call(Gated(x)).MoveToOuterDisposeScope();
    }

    /// <summary>silu(gate x) * up x: (B, T, C) to (B, T, I).</summary>
    public Tensor Gated(Tensor x)
    {
        using var scope = NewDisposeScope();
        return functional.silu(_gate.call(x)).mul(_up.call(x)).MoveToOuterDisposeScope();
    }
}
