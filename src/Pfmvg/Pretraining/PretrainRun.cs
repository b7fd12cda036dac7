using Pfmvg.Configuration;
using Pfmvg.Text;
using Pfmvg.Training;

namespace Pfmvg.Pretraining;

/// <summary>A pre-training with its folder.</summary>
public sealed class PretrainRun : IDisposable
{
    private PretrainRun(Pretrainer pretrainer) => Pretrainer = pretrainer;

    /// <summary>The training.</summary>
    public Pretrainer Pretrainer { get; }

    /// <summary>Opens a run.</summary>
    public static PretrainRun Open(string folder, PfmvgConfiguration configuration, PretrainSettings settings)
    {
        var path = Path.Combine(folder, "llama-tiny", "tokenizer.model");
        TinyTokenizer.Write(path);
        var tokenizer = LlamaTokenizer.Load(path);
        return new PretrainRun(new Pretrainer(ConfiguredModel.Sizes(configuration.Model, tokenizer.VocabularySize), tokenizer, settings, configuration.Seed));
    }

    /// <summary>Trains.</summary>
    public void Train(Action<PretrainProgress> report, CancellationToken cancel) => Pretrainer.Run(report, () => { }, cancel);

    /// <summary>Frees.</summary>
    public void Dispose() => Pretrainer.Dispose();
}
