namespace Pfmvg.Models;

/// <summary>
/// Floating-point operations that the method needs, by which measured times become rates. A multiplication with its addition
/// counts 2. Counted are matrix products: linear layers, attention (a position sees on average half of the others when it is
/// causal), adapters and the vocabulary's logits. Norms, activations, softmax and the optimizer are not counted, nor is what a
/// program does twice (recomputation, padding), so that a better program has the higher rate.
/// </summary>
/// <remarks>
/// The gradient of a frozen layer is one product (towards its input), so training costs a frozen layer 2 forward passes and an
/// adapter 3. Letters: B rows, T positions, C hidden width, I intermediate width, W vocabulary, V vision width, P patches.
/// </remarks>
/// <param name="config">All sizes.</param>
internal sealed class ModelFlops(GroundingConfig config)
{
    private readonly EvaConfig _vision = config.Vision;
    private readonly LlamaConfig _language = config.Language;

    /// <summary>Weights of the matrices of one decoder layer, adapters not included: 4 C^2 + 3 C I.</summary>
    public long LayerWeights => 4L * _language.HiddenSize * _language.HiddenSize + 3L * _language.HiddenSize * _language.IntermediateSize;

    /// <summary>Weights of the head: C W.</summary>
    public long HeadWeights => (long)_language.HiddenSize * _language.VocabularySize;

    /// <summary>Weights that a decoded token must read: every layer's and the head's. The embedding is one row of its table.</summary>
    public long DecodedWeights => _language.Layers * LayerWeights + HeadWeights;

    /// <summary>Weights of one block of the vision tower: 4 V^2 + 2 V times the MLP's width.</summary>
    public long BlockWeights => 4L * _vision.Width * _vision.Width + 2L * _vision.Width * _vision.MlpHidden;

    /// <summary>The vision tower for some pictures: patch embedding, blocks, attention of every token to every token.</summary>
    public double Vision(long pictures)
    {
        double tokens = _vision.Patches + 1;
        var embedding = 2.0 * _vision.Patches * _vision.Width * 3 * _vision.PatchSize * _vision.PatchSize;
        return pictures * (embedding + _vision.Depth * (2 * tokens * BlockWeights + 4 * tokens * tokens * _vision.Width));
    }

    /// <summary>The projector for some pictures.</summary>
    public double Projector(long pictures) => 2.0 * pictures * config.VisualTokens * config.FeatureWidth * _language.HiddenSize;

    /// <summary>The decoder layers, without head, over new positions that follow seen ones.</summary>
    /// <param name="rows">B.</param>
    /// <param name="positions">T, the new positions of a row.</param>
    /// <param name="seen">Positions of a row that are in the cache already.</param>
    public double Layers(long rows, long positions, long seen = 0) =>
        rows * _language.Layers * (2.0 * positions * LayerWeights + Attention(positions, seen) + positions * Adapters());

    /// <summary>Logits of some positions.</summary>
    public double Head(long positions) => 2.0 * positions * HeadWeights;

    /// <summary>A training step from frozen features on: projector, decoder and loss, forward and backward; no vision tower.</summary>
    /// <param name="rows">B, one picture each.</param>
    /// <param name="positions">T.</param>
    /// <param name="answers">Answer tokens of all rows together; only they have logits.</param>
    public double TrainingStep(long rows, long positions, long answers) =>
        2 * Projector(rows) // forward, and the gradient of its weights
        + rows * _language.Layers * (4.0 * positions * LayerWeights + 3 * Attention(positions, 0) + 3 * positions * Adapters())
        + 2 * Head(answers);

    /// <summary>
    /// What recomputation adds to a training step: the layers again, less their two last projections where those are frozen.
    /// Not counted by <see cref="TrainingStep"/>.
    /// </summary>
    /// <param name="rows">B.</param>
    /// <param name="positions">T.</param>
    public double Recomputation(long rows, long positions) => Layers(rows, positions)
        - rows * _language.Layers * 2.0 * positions * new[] { ParameterNames.AttentionOutput, ParameterNames.Down }
            .Where(name => !config.Lora.Targets.Contains(name)).Select(_language.Projection)
            .Sum(sides => (double)sides.Inputs * sides.Outputs);

    // Two products (queries with keys, weights with values) over all pairs that see each other.
    private double Attention(double positions, double seen) =>
        4 * (positions * seen + positions * (positions + 1) / 2) * _language.HiddenSize;

    /// <summary>All adapters of one layer for one position: down and up.</summary>
    private double Adapters() => config.Lora.Targets.Sum(target =>
    {
        var (inputs, outputs) = _language.Projection(target);
        return 2.0 * config.Lora.Rank * (inputs + outputs);
    });
}
