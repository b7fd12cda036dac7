using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Models.Language;
using Pfmvg.Models.Vision;
using Pfmvg.Pretraining.Scenes;
using Pfmvg.Tensors;
using Pfmvg.Text;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Pretraining;

/// <summary>One thread's copy of the model with its gradients.</summary>
internal sealed class PretrainWorker : IDisposable
{
    private readonly GroundingModel _model;
    private readonly PretrainingHeads _heads;
    private readonly SceneQuestions _questions;
    private readonly PretrainSettings _settings;
    private readonly Scalar _auxiliary, _share, _zero = 0, _hidden = -1e9f;

    public PretrainWorker(GroundingConfig config, LlamaTokenizer tokenizer, PretrainSettings settings, long seed)
    {
        _settings = settings;
        (_auxiliary, _share) = (settings.Auxiliary, 1.0 / settings.Workers);
        _model = new GroundingModel(config with { Lora = config.Lora with { Targets = [] } }, ScalarType.Float32, CPU);
        _heads = new PretrainingHeads(config.Vision.Width, config.Language.HiddenSize, config.Vision.Patches);
        _questions = new SceneQuestions(tokenizer, config.VisualTokens);
        Parameters = [.. _model.named_parameters().Select(p => (p.name, p.parameter)),
            .. _heads.named_parameters().Select(p => ("auxiliary." + p.name, p.parameter))];
        foreach (var (name, parameter) in Parameters)
        {
            StartValues.Fill(name, parameter, config, seed);
            parameter.requires_grad = true;
        }
    }

    /// <summary>All weights by name; those of the heads begin with `auxiliary.`.</summary>
    public IReadOnlyList<(string Name, Parameter Value)> Parameters { get; }

    /// <summary>The model without the heads.</summary>
    public GroundingModel Model => _model;

    /// <summary>Adds this worker's share of the step's gradient.</summary>
    /// <param name="seed">Seed of the run.</param>
    /// <param name="first">Index of the first scene.</param>
    /// <param name="most">Largest number of objects in a scene.</param>
    /// <param name="backward">False computes the losses only.</param>
    /// <returns>Mean loss of an answer token, and the auxiliary loss.</returns>
    public (double Answer, double Auxiliary) Accumulate(long seed, long first, int most, bool backward = true)
    {
        using var scope = NewDisposeScope();
        var batches = SceneBatch.Draw(_questions, _model.Config, _settings, seed, first, most);
        var step = SceneCounts.Of(batches);
        var (answer, auxiliary) = (0.0, 0.0);
        foreach (var batch in batches)
        {
            var part = Accumulate(batch, step, backward);
            (answer, auxiliary) = (answer + part.Answer, auxiliary + part.Auxiliary);
        }

        return (answer, auxiliary);
    }

    private (double Answer, double Auxiliary) Accumulate(SceneBatch batch, SceneCounts step, bool backward)
    {
        using var scope = NewDisposeScope();
        var tokens = _model.NormalizeTokens(_model.VisionTower.call(batch.Images));                        // (B, P + 1, V)
        var patches = tokens.narrow(1, 1, tokens.shape[1] - 1);
        var visual = _model.Project(TokenConcat.Join(patches, _model.Config));                             // (B, N, C)
        var pass = new DecoderPass(_model.Language.RotaryAt(batch.Positions), Mask(batch.Segments));
        var hidden = _model.Language.call(_model.Embed(batch.Ids, visual), pass);                          // (B, T, C)
        using Scalar perToken = 1.0 / step.Tokens;
        var answer = _model.AnswerLoss(hidden, batch.Targets).Sum.mul(perToken);
        var auxiliary = _settings.Auxiliary == 0 ? null : _heads.Loss(patches, hidden, batch, step);
        if (backward) (auxiliary is null ? answer : answer.Plus(auxiliary.mul(_auxiliary))).mul(_share).backward();
        return (answer.item<float>(), auxiliary?.item<float>() ?? 0);
    }

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        _model.Dispose();
        _heads.Dispose();
    }

    /// <summary>(B, 1, T, T): a position attends to itself and to the earlier positions of the picture and of its own question.</summary>
    private Tensor Mask(Tensor segments)
    {
        using var scope = NewDisposeScope();
        var (query, key) = (segments.unsqueeze(2), segments.unsqueeze(1));
        var length = segments.shape[1];
        var seen = key.eq(_zero).logical_or(key.eq(query)).logical_and(ones(length, length, ScalarType.Bool).tril());
        return zeros(seen.shape).masked_fill(seen.logical_not(), _hidden).unsqueeze(1).MoveToOuterDisposeScope();
    }
}
