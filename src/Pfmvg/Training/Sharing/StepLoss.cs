namespace Pfmvg.Training.Sharing;

/// <summary>The loss of an answer token by the rules of a stage, and its gradient.</summary>
internal static unsafe class StepLoss
{
    /// <summary>Replaces logits by the gradient of the token's loss, and returns what is reported of it.</summary>
    /// <param name="rules">The stage's rules.</param>
    /// <param name="logits">Of the token's row, padded as rows of a step are.</param>
    /// <param name="target">The token.</param>
    /// <param name="columns">The vocabulary.</param>
    /// <param name="term">What its loss is.</param>
    public static double Replace(LossRules rules, float* logits, int target, int columns, TargetTerm term)
    {
        Span<float> pulls = stackalloc float[term.Distance > 0 ? rules.Numbers.Length : 0];
        if (term.Distance > 0) Pull(rules, logits, pulls, term);
        var loss = StepVectors.CrossEntropy(logits, target, columns);
        StepVectors.Scale(logits, term.Weight, StepMatrix.Padded(columns));
        for (var n = 0; n < pulls.Length; n++) logits[rules.Numbers[n]] += pulls[n];
        return term.Weight * loss;
    }

    // The derivative of the expected distance E by the logit of a number with share p: p (its distance - E).
    private static void Pull(LossRules rules, float* logits, Span<float> pulls, TargetTerm term)
    {
        var (largest, sum, expected) = (float.NegativeInfinity, 0f, 0f);
        foreach (var id in rules.Numbers) largest = Math.Max(largest, logits[id]);
        for (var n = 0; n < pulls.Length; n++) sum += pulls[n] = MathF.Exp(logits[rules.Numbers[n]] - largest);
        for (var n = 0; n < pulls.Length; n++)
        {
            pulls[n] /= sum;
            expected += pulls[n] * Math.Abs(rules.Values[n] - term.Truth);
        }

        for (var n = 0; n < pulls.Length; n++)
            pulls[n] *= term.Weight * term.Distance * (Math.Abs(rules.Values[n] - term.Truth) - expected);
    }
}
