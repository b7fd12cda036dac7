using System.Globalization;
using Pfmvg.Configuration;
using Pfmvg.Decoding;
using Pfmvg.Distributed;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Training;
using Pfmvg.Weights.Loading;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks;

/// <summary>What <see cref="ModelBenchmark"/> can measure.</summary>
public enum BenchmarkPart
{
    /// <summary>The machine itself.</summary>
    Limits,

    /// <summary>Loading the base weights from files.</summary>
    Load,

    /// <summary>The vision tower.</summary>
    Vision,

    /// <summary>A step with captions.</summary>
    Train1,

    /// <summary>A step with boxes.</summary>
    Train2,

    /// <summary>A prompt.</summary>
    Prefill,

    /// <summary>Token after token, one row and several rows.</summary>
    Decode,

    /// <summary>Summing gradients over the processes.</summary>
    AllReduce,
}

/// <summary>How to measure.</summary>
public sealed record ModelBenchmarkOptions
{
    /// <summary>Parts to measure, in the order of the enumeration.</summary>
    public IReadOnlyList<BenchmarkPart> Parts { get; init; } = Enum.GetValues<BenchmarkPart>();

    /// <summary>Timed rounds of each part.</summary>
    public int Rounds { get; init; } = 5;

    /// <summary>Rows of a training step; null for the stage's own batch size.</summary>
    public int? Batch { get; init; }

    /// <summary>Rows of the second decoding.</summary>
    public int DecodedRows { get; init; } = 8;

    /// <summary>Tokens of a decoding round.</summary>
    public int DecodedTokens { get; init; } = 16;

    /// <summary>With, without, or (null) both with and without recomputation.</summary>
    public bool? Recompute { get; init; }

    /// <summary>Where the files of the loading part are written, and removed again.</summary>
    public string Folder { get; init; } = Path.GetTempPath();
}

/// <summary>
/// Measures the model's parts against the machine's own limits, with random weights in memory: no checkpoint is needed. What
/// counts as work is in <see cref="ModelFlops"/>.
/// </summary>
public sealed class ModelBenchmark : IDisposable
{
    internal const int PromptTokens = 62;   // beside the picture's tokens: 330 positions with 256 of those and a box's answer
    internal const int BoxTokens = 12, CaptionTokens = 60;

    private readonly PfmvgConfiguration _configuration;
    private readonly ModelBenchmarkOptions _options;
    private readonly ICommunicator _world;
    private readonly GroundingConfig _sizes;
    private readonly ScalarType _type;
    private readonly Device _device;
    private readonly ModelFlops _flops;
    private readonly MachineLimits _limits;
    private readonly Rounds _rounds;

    /// <summary>Prepares to measure.</summary>
    /// <param name="configuration">Sizes, types and device.</param>
    /// <param name="options">What and how.</param>
    /// <param name="world">The processes that measure at the same time; each has its own model.</param>
    /// <param name="cancel">Stops between two runs.</param>
    public ModelBenchmark(PfmvgConfiguration configuration, ModelBenchmarkOptions options, ICommunicator world,
        CancellationToken cancel = default)
    {
        (_configuration, _options, _world) = (configuration, options, world);
        const int SmallVocabulary = 512; // where the tokenizer decides, which is not there
        _sizes = ConfiguredModel.Sizes(configuration.Model, SmallVocabulary);
        _type = ConfiguredModel.Type(configuration.Precision);
        _device = ConfiguredModel.Device(configuration.Device, world.LocalRank);
        _flops = new ModelFlops(_sizes);
        _limits = new MachineLimits(_device);
        _rounds = new Rounds(options.Rounds, cancel);
    }

    /// <summary>Measures one part after another.</summary>
    /// <param name="measured">Told each line as it comes.</param>
    public IReadOnlyList<BenchmarkLine> Run(Action<BenchmarkLine> measured)
    {
        var lines = new List<BenchmarkLine>();
        if (Wants(BenchmarkPart.Limits)) Keep(Machine());
        if (Wants(BenchmarkPart.Load)) Keep([Loading()]);
        if (_options.Parts.Any(part => part is >= BenchmarkPart.Vision and <= BenchmarkPart.Decode))
        {
            using var model = new GroundingModel(_sizes, _type, _device);
            RandomWeights.Fill(model, _configuration.Seed);
            if (Wants(BenchmarkPart.Vision)) Keep([Vision(model)]);
            if (Wants(BenchmarkPart.Train1)) Keep(Training(model, "stage 1 step", _configuration.Stage1, CaptionTokens));
            if (Wants(BenchmarkPart.Train2)) Keep(Training(model, "stage 2 step", _configuration.Stage2, BoxTokens));
            if (Wants(BenchmarkPart.Prefill)) Keep([Prefill(model)]);
            if (Wants(BenchmarkPart.Decode)) Keep(new[] { 1, _options.DecodedRows }.Distinct().Select(rows => Decode(model, rows)));
        }

        if (Wants(BenchmarkPart.AllReduce) && _world.Size > 1) Keep([AllReduce()]);
        return lines;

        bool Wants(BenchmarkPart part) => _options.Parts.Contains(part);

        void Keep(IEnumerable<BenchmarkLine> found)
        {
            foreach (var line in found)
            {
                lines.Add(line);
                measured(line);
            }

            _limits.Free();
        }
    }

    /// <summary>Frees what measuring needed.</summary>
    public void Dispose() => _limits.Dispose();

    private IEnumerable<BenchmarkLine> Machine()
    {
        var language = _sizes.Language;
        foreach (var type in (ScalarType[])[ScalarType.BFloat16, ScalarType.Float32])
            yield return Alone(_limits.Products(
                type, PromptTokens + BoxTokens + _sizes.VisualTokens, language.HiddenSize, language.IntermediateSize), "GFLOP/s");
        yield return Alone(_limits.MemoryRead(), "GB/s");
        var file = Path.Combine(_options.Folder, $"pfmvg-bench-{Guid.NewGuid():N}");
        try
        {
            AtomicFile.Write(file, stream =>
            {
                var block = new byte[16 << 20];
                new Random(1).NextBytes(block);
                for (var i = 0; i < 32; i++) stream.Write(block);
            });
            yield return Alone(MachineLimits.FileRead([file]), "GB/s");
        }
        finally
        {
            File.Delete(file);
        }

        BenchmarkLine Alone(Limit limit, string unit) => _rounds.Measure($"limit: {limit.Name}", unit, limit.Work, null, limit.Run);
    }

    private BenchmarkLine Loading()
    {
        var folder = Path.Combine(_options.Folder, $"pfmvg-bench-{Guid.NewGuid():N}");
        try
        {
            var paths = new WeightPaths(Path.Combine(folder, "vision.pth"), Path.Combine(folder, "language"), null);
            BaseWeights.WriteRandom(_sizes, paths, _type, ShardFormat.SafeTensors, 5L << 30, _configuration.Seed);
            string[] files = [paths.Vision, .. Directory.GetFiles(paths.Language, "*.safetensors")];
            var bytes = files.Sum(file => new FileInfo(file).Length);
            var before = ProcessMemory.Resident;
            var line = _rounds.Measure("load weights", "GB/s", bytes, MachineLimits.FileRead(files),
                () => ModelBuilder.Load(_sizes, paths, _type, _device, 1).Model.Dispose());
            return line with { Note = Text($"{bytes / 1e9:f2} GB; peak {(line.PeakBytes - before) / 1e9:f2} GB above what was there") };
        }
        finally
        {
            if (Directory.Exists(folder)) Directory.Delete(folder, recursive: true);
        }
    }

    private BenchmarkLine Vision(GroundingModel model)
    {
        using var scope = NewDisposeScope();
        var vision = _sizes.Vision;
        var images = randn(1, 3, vision.ImageSize, vision.ImageSize, device: _device);
        return _rounds.Measure("vision tower", "GFLOP/s", _flops.Vision(1),
            _limits.Products(_type, vision.Patches + 1, vision.Width, vision.MlpHidden), () =>
        {
            using var inside = NewDisposeScope();
            model.EncodeImages(images);
            Synchronize();
        }, seconds => Text($"{1 / seconds:f2} pictures/s"));
    }

    private IEnumerable<BenchmarkLine> Training(GroundingModel model, string part, StageSettings stage, int answers)
    {
        using var scope = NewDisposeScope();
        var rows = _options.Batch ?? stage.BatchSize;
        long length = _sizes.VisualTokens + PromptTokens + answers;
        var ids = Ids(rows, length);
        var targets = ids.clone();
        using Scalar ignored = GroundingModel.NoTarget;
        targets.narrow(1, 0, length - answers).fill_(ignored);
        var batch = new MicroBatch(ids, targets, Features(rows));
        var language = _sizes.Language;
        var limit = _limits.Products(_type, rows * length, language.HiddenSize, language.IntermediateSize);
        using var optimizer = new AdamW(model.Trainables(), stage.Beta1, stage.Beta2, stage.WeightDecay);
        var dropout = Enumerable.Range(0, rows).Select(row => ((long)row, (int)length)).ToArray();
        foreach (var recompute in _options.Recompute is { } only ? [only] : (bool[])[false, true])
        {
            yield return _rounds.Measure(
                $"{part}, {rows} x {length}{(recompute ? ", recomputing" : "")}", "GFLOP/s",
                    _flops.TrainingStep(rows, length, (long)rows * answers), limit, () =>
                {
                    using var inside = NewDisposeScope();
                    model.Dropout.Begin(dropout);
                    Backpropagation.Accumulate(model, batch, 1.0 / (rows * answers), recompute);
                    model.Dropout.End();
                    optimizer.Step(1e-9); // small: the model must stay what it is
                    Synchronize();
                }, seconds => Text($"{rows * length / seconds:f0} positions/s"));
        }
    }

    private BenchmarkLine Prefill(GroundingModel model)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        long length = _sizes.VisualTokens + PromptTokens + BoxTokens;
        var visual = model.Project(Features(1));
        var prompts = Prompts(1);
        var limit = _limits.Products(_type, length, _sizes.Language.HiddenSize, _sizes.Language.IntermediateSize);
        return _rounds.Measure($"prefill, {length} positions", "GFLOP/s", _flops.Layers(1, length) + _flops.Head(1), limit, () =>
        {
            using var state = new DecodingState(model, prompts, visual, new DecodingOptions(1));
            state.Next();
            Synchronize();
        }, seconds => Text($"{length / seconds:f0} tokens/s"));
    }

    private BenchmarkLine Decode(GroundingModel model, int rows)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var steps = _options.DecodedTokens;
        var visual = model.Project(Features(rows));
        using var state = new DecodingState(
            model, Prompts(rows), visual, new DecodingOptions(steps * (_options.Rounds + 2)));
        state.Next();
        var bytes = (double)_flops.DecodedWeights * (_sizes.Language.Quantized ? 1 : _type.ElementSize());
        return _rounds.Measure($"decode, {rows} row{(rows > 1 ? "s" : "")}", "GB/s", bytes * steps, _limits.MemoryRead(), () =>
        {
            for (var step = 0; step < steps; step++)
            {
                using var inside = NewDisposeScope();
                state.Append([.. Enumerable.Repeat((long)step, rows)]);
                state.Next().argmax(1).cpu();
            }
        }, seconds => Text($"{rows * steps / seconds:f1} tokens/s"));
    }

    private BenchmarkLine AllReduce()
    {
        var gradients = new float[_sizes.TrainedParameters];
        var sent = 2.0 * sizeof(float) * gradients.Length * (_world.Size - 1) / _world.Size;
        var read = _limits.MemoryRead();
        return _rounds.Measure($"all-reduce, {_world.Size} processes", "GB/s", sent, read with { Run = Together(read.Run) },
            Together(() => _world.AllReduceSum(gradients)),
            _ => Text($"{sizeof(float) * (double)gradients.Length / 1e6:f0} MB of gradients"));

        Action Together(Action run) => () =>
        {
            _world.Barrier();
            run();
        };
    }

    private Tensor Ids(int rows, long length)
    {
        var row = Enumerable.Range(0, (int)length)
            .Select(i => i is >= 4 && i < 4 + _sizes.VisualTokens ? GroundingModel.ImageToken : i % _sizes.Language.VocabularySize);
        return tensor([.. Enumerable.Repeat(row, rows).SelectMany(r => r)], [rows, length], device: _device);
    }

    private List<IReadOnlyList<int>> Prompts(int rows)
    {
        using var ids = Ids(1, _sizes.VisualTokens + PromptTokens + BoxTokens);
        int[] prompt = [.. ids.cpu().data<long>().Select(id => (int)id)];
        return [.. Enumerable.Repeat(prompt, rows)];
    }

    private Tensor Features(int rows) => randn(rows, _sizes.VisualTokens, _sizes.FeatureWidth, device: _device);

    private void Synchronize()
    {
        if (_device.type == DeviceType.CUDA) cuda.synchronize();
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
