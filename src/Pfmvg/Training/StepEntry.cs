namespace Pfmvg.Training;

/// <summary>One optimizer step.</summary>
/// <param name="Step">Number of the step, counted from 1.</param>
/// <param name="Epoch">Epoch, counted from 1.</param>
/// <param name="Loss">Mean loss over the answer tokens of the global batch.</param>
/// <param name="LearningRate">Rate of the step.</param>
/// <param name="Samples">Samples of the global batch.</param>
/// <param name="Tokens">Positions that went through the language model, padding excluded, of the global batch.</param>
/// <param name="Seconds">Time since the end of the step before.</param>
/// <param name="GradientNorm">Norm of the whole gradient before clipping; null when it was not computed.</param>
/// <param name="Skipped">Why the step changed nothing: what was not finite, and in which samples; null for a good step.</param>
public sealed record StepEntry(
    long Step, int Epoch, double Loss, double LearningRate, int Samples, int Tokens, double Seconds, double? GradientNorm = null,
    string? Skipped = null);
