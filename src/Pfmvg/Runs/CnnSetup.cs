using Pfmvg.Answering;
using Pfmvg.Cnn;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Data.Preparation;
using Pfmvg.Imaging;
using Pfmvg.Training;

namespace Pfmvg.Runs;

/// <summary>The plain network of a configuration with its words, to be trained or asked.</summary>
internal sealed class CnnSetup : IModelSetup
{
    /// <summary>The mark of its checkpoints.</summary>
    public const string Format = "pfmvg-cnn-1";

    /// <summary>How its answers are made, for the records of a run.</summary>
    public const string Decoding = CnnAnswers.Way;

    private const string FormatKey = "format", WordsKey = "words";

    private readonly PfmvgConfiguration _configuration;
    private readonly CnnSettings _settings;
    private readonly CnnNetwork _network;
    private readonly WordList _words;
    private readonly CnnAnswers _answers;
    private PreparedData? _data;

    private CnnSetup(PfmvgConfiguration configuration, WordList words, int localRank)
    {
        (_configuration, _settings, _words) = (configuration, Settings(configuration), words);
        _network = new CnnNetwork(_settings, words.Count, configuration.Seed, ConfiguredModel.Device(configuration.Device, localRank));
        _answers = new CnnAnswers(_network, words, _settings.ImageSize, configuration.Eval.BatchSize);
        Lines = [$"plain network  {Units.Count(Parameters)} parameters, from scratch; {words.Count} words, those of at least two training "
            + "phrases"];
    }

    public IEnumerable<string> Lines { get; private set; }

    public IReadOnlyList<string> Notes => [];

    public string? Summary => _answers.Unknown;

    public long Parameters => _network.named_parameters().Sum(p => p.parameter.numel());

    public IReadOnlyDictionary<string, string> Marks => new Dictionary<string, string> { [FormatKey] = Format, [WordsKey] = _words.Text };

    public int ImageSize => _settings.ImageSize;

    /// <summary>A network at its start.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="training">Whose words it knows.</param>
    /// <param name="localRank">Picks the CUDA device of this process.</param>
    public static CnnSetup ForTraining(PfmvgConfiguration configuration, IReadOnlyList<Sample> training, int localRank) =>
        new(configuration, WordList.Of(training.Select(sample => sample.Text)), localRank);

    /// <summary>A trained network.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="from">The folder of its training, or one of its checkpoints.</param>
    /// <param name="localRank">Picks the CUDA device of this process.</param>
    /// <exception cref="InputException">There is none, it is broken, or it does not fit the configuration.</exception>
    public static CnnSetup Load(PfmvgConfiguration configuration, string from, int localRank)
    {
        var checkpoint = new Checkpoint(GroundingSetup.Trained(from), 0);
        if (!IsAt(checkpoint))
            throw new InputException($"{checkpoint.Path}: is no checkpoint of `pfmvg train --model cnn`; name one, or leave --model out.");
        var words = WordList.Parse(checkpoint.Mark(WordsKey) ?? "");
        var setup = new CnnSetup(configuration, words, localRank);
        try
        {
            checkpoint.Restore(setup._network.named_parameters(), null, setup.Marks);
            setup.Lines = [$"weights  {checkpoint.Path}: plain network, {Units.Count(setup.Parameters)} parameters, {words.Count} words"];
            return setup;
        }
        catch (InputException mismatch)
        {
            setup.Dispose();
            throw new InputException($"{mismatch.Message.TrimEnd('.')}: set cnn.image_size, cnn.width, cnn.blocks and cnn.word_width as "
                + "they were in its training, or fetch the file again.", mismatch);
        }
    }

    /// <summary>Whether a checkpoint is one of the plain network.</summary>
    public static bool IsAt(Checkpoint checkpoint) => checkpoint.Mark(FormatKey) == Format;

    /// <summary>The network's sizes.</summary>
    /// <exception cref="InputException">The configuration is not one of the network.</exception>
    public static CnnSettings Settings(PfmvgConfiguration configuration) => configuration.Cnn ?? throw new InputException(
        "--model cnn needs a configuration with a 'cnn' section, whose stage2 says how the network is trained; configs/cnn.yaml is one.");

    public ILearner Learner(IReadOnlyList<Sample> samples, StageSettings settings) =>
        settings.Tasks.Count > 0 ? throw new InputException("stage2.tasks: the plain network finds phrases and knows no other task; leave "
            + "it out.")
        : settings.Negatives > 0 ? throw new InputException("stage2.negatives: the plain network always answers with a box, so it cannot "
            + "learn that nothing is there; set it to 0.")
        : settings is not { LossMean: LossMean.Tokens, CoordinateLoss: 0 } ? throw new InputException("stage2.loss_mean and "
            + "stage2.coordinate_loss are about answers in words, and the plain network has none; leave them out.")
        : new CnnLearner(_network, _words,
            new StageSamples(Data, samples, settings, GroundingSetup.Loading(_configuration, ImageSize, Truncation)), _settings,
            settings, _configuration.Seed);

    public TruncationGuard? Truncation { private get; set; }

    public IAnswers Answers() => _answers;

    public SampleLoader Pictures() => new(Data, GroundingSetup.Loading(_configuration, ImageSize, Truncation) with
    {
        Broken = BadSamples.Fail, Workers = 0,
    });

    public void Dispose() => _network.Dispose();

    private PreparedData Data => _data ??= GroundingSetup.OpenData(_configuration);
}
