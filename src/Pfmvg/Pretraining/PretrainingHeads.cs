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
    private readonly Scalar _half = 0.5, _five = 5, _zero = 0;

    public PretrainingHeads(int visionWidth, int hiddenWidth, int patches) : base(nameof(PretrainingHeads))
    {
        _patch = Linear(visionWidth, Shapes + 3 + 4);
        _askedPatch = Linear(hiddenWidth, patches);
        _askedBox = Linear(hiddenWidth, 4);
        RegisterComponents();
    }

    /// <summary>A batch's part of the auxiliary loss of a step; the parts of all batches add up to it.</summary>
    /// <param name="patches">(B, P, V) vision features after the norm.</param>
    /// <param name="hidden">(B, T, C) after the final norm.</param>
    /// <param name="batch">The truth.</param>
    /// <param name="step">What the step's losses are means over.</param>
    public Tensor Loss(Tensor patches, Tensor hidden, SceneBatch batch, SceneCounts step)
    {
        using var scope = NewDisposeScope();
        using Scalar perPatch = 1.0 / step.Patches, perCovered = 1.0 / (step.Covered + 1), perAsked = 1.0 / Math.Max(1, step.Asked);
        var seen = _patch.call(patches.flatten(0, 1));                                                     // (B P, shapes + 3 + 4)
        var shapes = functional.cross_entropy(seen.narrow(1, 0, Shapes), batch.PatchShapes, reduction: Reduction.Sum);
        var tones = functional.cross_entropy(seen.narrow(1, Shapes, 3), batch.PatchTones, reduction: Reduction.Sum);
        var covered = batch.PatchShapes.gt(_zero).to(ScalarType.Float32);                                  // (B P)
        var error = seen.narrow(1, Shapes + 3, 4).sub(batch.PatchBoxes).abs().mean([1L]);
        var loss = shapes.Plus(tones.mul(_half)).mul(perPatch).Plus(error.mul(covered).sum().mul(perCovered).mul(_five));
        if (batch.AskedAt.shape[0] == 0) return loss.MoveToOuterDisposeScope();
        var asked = hidden.flatten(0, 1).index_select(0, batch.AskedAt);                                   // (Q, C)
        var which = _askedPatch.call(asked).log_softmax(1).mul(batch.AskedPatches).sum().neg();
        var box = _askedBox.call(asked).sub(batch.AskedBoxes).abs().mean([1L]).sum();
        return loss.Plus(which.mul(_half).Plus(box.mul(_five)).mul(perAsked)).MoveToOuterDisposeScope();
    }
}

/// <summary>What the losses of a worker's step are means over, whichever batches it is computed in.</summary>
/// <param name="Tokens">Answer tokens.</param>
/// <param name="Patches">Patches of all pictures.</param>
/// <param name="Covered">Patches with an object.</param>
/// <param name="Asked">Phrases with one box.</param>
internal sealed record SceneCounts(long Tokens, long Patches, long Covered, long Asked)
{
    /// <summary>Counts batches.</summary>
    public static SceneCounts Of(IReadOnlyList<SceneBatch> batches)
    {
        using var scope = NewDisposeScope();
        using Scalar ignored = Models.GroundingModel.NoTarget, ground = 0;
        return new SceneCounts(
            batches.Sum(batch => batch.Targets.narrow(1, 1, batch.Targets.shape[1] - 1).ne(ignored).sum().item<long>()),
            batches.Sum(batch => batch.PatchShapes.shape[0]), batches.Sum(batch => batch.PatchShapes.gt(ground).sum().item<long>()),
            batches.Sum(batch => batch.AskedAt.shape[0]));
    }
}
