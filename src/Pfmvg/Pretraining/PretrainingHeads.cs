using Pfmvg.Pretraining.Scenes;
using Pfmvg.Tensors;
using TorchSharp;
using TorchSharp.Modules;
using TorchSharp.Utils;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pfmvg.Pretraining;

/// <summary>
/// Auxiliary heads of the pre-training, dropped afterwards. From the vision features they predict what lies on each patch (shape,
/// tone, box); from the hidden state at the end of the prompt, which patches and which box the phrase asks for. MiniGPT-v2 has
/// none of them; without them the small model stays on a plateau for a long time.
/// </summary>
internal sealed class PretrainingHeads : Module
{
    private static readonly int Shapes = 1 + Enum.GetValues<SceneShape>().Length;

    [ComponentName(Name = "patch")] private readonly Linear _patch;
    [ComponentName(Name = "asked_patch")] private readonly Linear _askedPatch;
    [ComponentName(Name = "asked_box")] private readonly Linear _askedBox;
    private readonly Scalar _half = 0.5, _five = 5, _zero = 0, _one = 1;

    public PretrainingHeads(int visionWidth, int hiddenWidth, int patches) : base(nameof(PretrainingHeads))
    {
        _patch = Linear(visionWidth, Shapes + 3 + 4);
        _askedPatch = Linear(hiddenWidth, patches);
        _askedBox = Linear(hiddenWidth, 4);
        RegisterComponents();
    }

    /// <summary>The auxiliary loss.</summary>
    /// <param name="patches">(B, P, V) vision features after the norm.</param>
    /// <param name="hidden">(B, T, C) after the final norm.</param>
    /// <param name="batch">The truth.</param>
    public Tensor Loss(Tensor patches, Tensor hidden, SceneBatch batch)
    {
        using var scope = NewDisposeScope();
        var seen = _patch.call(patches.flatten(0, 1));                                                     // (B P, shapes + 3 + 4)
        var loss = functional.cross_entropy(seen.narrow(1, 0, Shapes), batch.PatchShapes);
        loss = loss.Plus(functional.cross_entropy(seen.narrow(1, Shapes, 3), batch.PatchTones).mul(_half));
        var covered = batch.PatchShapes.gt(_zero).to(ScalarType.Float32);                                  // (B P)
        var error = seen.narrow(1, Shapes + 3, 4).sub(batch.PatchBoxes).abs().mean([1L]);
        loss = loss.Plus(error.mul(covered).sum().div(covered.sum().Plus(_one)).mul(_five));
        if (batch.AskedAt.shape[0] == 0) return loss.MoveToOuterDisposeScope();
        var asked = hidden.flatten(0, 1).index_select(0, batch.AskedAt);                                   // (Q, C)
        var which = _askedPatch.call(asked).log_softmax(1).mul(batch.AskedPatches).sum(1).mean().neg();
        var box = _askedBox.call(asked).sub(batch.AskedBoxes).abs().mean();
        return loss.Plus(which.mul(_half)).Plus(box.mul(_five)).MoveToOuterDisposeScope();
    }
}
