using Pfmvg.Configuration;

namespace Pfmvg.Training;

/// <summary>The learning rate as a pure function of the step: linear warm-up, then a cosine to the minimum.</summary>
/// <remarks>
/// MiniGPT-v2's schedule. The cosine runs over the whole stage from its first step, so the rate that follows the warm-up
/// is already a little below <paramref name="Init"/>.
/// </remarks>
/// <param name="Init">Rate that the warm-up rises to and the cosine falls from.</param>
/// <param name="Min">Rate that the cosine falls to.</param>
/// <param name="WarmupStart">Rate of the first step of the warm-up.</param>
/// <param name="WarmupSteps">Optimizer steps of warm-up; 0 for none.</param>
/// <param name="StepsPerEpoch">Optimizer steps in an epoch.</param>
/// <param name="Epochs">Epochs of the stage.</param>
/// <param name="Scope">Whether the warm-up rises with the step of the stage or, as the original, with the step of the epoch.</param>
public sealed record LearningRate(
    double Init, double Min, double WarmupStart, int WarmupSteps, int StepsPerEpoch, int Epochs, WarmupScope Scope = WarmupScope.Run)
{
    /// <summary>The schedule of a stage whose epochs have this many optimizer steps.</summary>
    public static LearningRate ForStage(StageSettings stage, int stepsPerEpoch) =>
        new(stage.InitLr, stage.MinLr, stage.WarmupStartLr, stage.WarmupSteps, stepsPerEpoch, stage.Epochs, stage.WarmupScope);

    /// <summary>The rate of an optimizer step.</summary>
    /// <param name="epoch">Epoch, counted from 0.</param>
    /// <param name="step">Step within the epoch, counted from 0.</param>
    public double At(int epoch, int step)
    {
        var sinceStart = (double)epoch * StepsPerEpoch + step;
        if (sinceStart >= WarmupSteps)
            return Cosine(Init, Min, sinceStart, (double)Epochs * StepsPerEpoch);

        // The original looks at the step of the epoch: epochs shorter than the warm-up start it again, each time.
        var risen = Scope == WarmupScope.Epoch ? step : sinceStart;
        return Math.Min(Init, WarmupStart + (Init - WarmupStart) * risen / Math.Max(WarmupSteps, 1));
    }

    /// <summary>Half a cosine that falls from one rate to another.</summary>
    /// <param name="high">Rate at step 0.</param>
    /// <param name="low">Rate at the last step.</param>
    /// <param name="step">Steps since the start of the cosine.</param>
    /// <param name="steps">Steps from the start to the end.</param>
    public static double Cosine(double high, double low, double step, double steps) =>
        (high - low) * 0.5 * (1 + Math.Cos(Math.PI * step / steps)) + low;
}
