using Pfmvg.Benchmarks.Parts;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using static TorchSharp.torch;

namespace Pfmvg.Benchmarks;

/// <summary>
/// Measures the model's parts against the machine's own limits, with random weights in memory: no checkpoint is needed. What
/// counts as work is in <see cref="ModelFlops"/>.
/// </summary>
internal sealed class ModelBenchmark : IDisposable
{
    private readonly Workbench _bench;
    private readonly ModelBenchmarkOptions _options;

    /// <summary>Prepares to measure.</summary>
    /// <param name="configuration">Sizes, types and device.</param>
    /// <param name="options">What and how.</param>
    /// <param name="world">The processes that measure at the same time; each has its own model.</param>
    /// <param name="cancel">Stops between two runs.</param>
    public ModelBenchmark(
        PfmvgConfiguration configuration, ModelBenchmarkOptions options, ICommunicator world, CancellationToken cancel = default)
    {
        _options = options;
        _bench = new Workbench(configuration, world, new Rounds(options.Rounds, cancel));
    }

    /// <summary>Measures one part after another.</summary>
    /// <param name="measured">Called with each line as soon as it is measured.</param>
    public IReadOnlyList<BenchmarkLine> Run(Action<BenchmarkLine> measured)
    {
        var (configuration, lines) = (_bench.Configuration, new List<BenchmarkLine>());
        if (Wants(BenchmarkPart.Limits)) Keep(LimitsPart.Measure(_bench, _options.Folder));
        if (Wants(BenchmarkPart.Load))
            Keep(new[] { _bench.Type, ScalarType.Float16 }.Select(stored => LoadingPart.Measure(_bench, _options.Folder, stored)));
        if (_options.Parts.Any(part => part is >= BenchmarkPart.Vision and <= BenchmarkPart.Decode))
        {
            using var model = new GroundingModel(_bench.Sizes, _bench.Type, _bench.Device);
            RandomWeights.Fill(model, configuration.Seed);
            if (Wants(BenchmarkPart.Vision)) Keep([VisionPart.Measure(_bench, model, _options.Plain)]);
            if (Wants(BenchmarkPart.Train1)) Keep(TrainingPart.Measure(_bench, model, _options, stage: 1));
            if (Wants(BenchmarkPart.Train2)) Keep(TrainingPart.Measure(_bench, model, _options, stage: 2));
            if (Wants(BenchmarkPart.Prefill)) Keep([PrefillPart.Measure(_bench, model, _options.Plain)]);
            if (Wants(BenchmarkPart.Decode))
                Keep(new[] { 1, _options.DecodedRows }.Distinct()
                    .Select(rows => DecodingPart.Measure(_bench, model, rows, _options.DecodedTokens)));
        }

        if (Wants(BenchmarkPart.AllReduce) && _bench.World.Size > 1)
        {
            var step = lines.Where(line => line.Part.StartsWith("stage", StringComparison.Ordinal)).MinBy(line => line.Seconds);
            Keep(AllReducePart.Measure(_bench, _options, step));
        }

        if (Wants(BenchmarkPart.Rival)) Keep(RivalPart.Measure(_bench, _options.Folder));

        return lines;

        bool Wants(BenchmarkPart part) => _options.Parts.Contains(part);

        void Keep(IEnumerable<BenchmarkLine> found)
        {
            foreach (var line in found)
            {
                lines.Add(line);
                measured(line);
            }

            _bench.Limits.Free();
        }
    }

    /// <summary>Frees the buffers.</summary>
    public void Dispose() => _bench.Dispose();
}
