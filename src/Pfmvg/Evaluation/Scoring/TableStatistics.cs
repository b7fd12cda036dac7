namespace Pfmvg.Evaluation.Scoring;

/// <summary>
/// Every figure of every row of a score table: the classes, their mean, and the two weighted ones. Values and intervals
/// come from the same code; a value is the resample in which each cluster was drawn once.
/// </summary>
internal sealed class TableStatistics
{
    /// <summary>IoU is a fraction: a float this close to a threshold counts as equal to it.</summary>
    public const double Rounding = 1e-12;

    private readonly Metric[] _metrics;
    private readonly Statistic[][] _classes; // [class][metric]
    private readonly bool[] _hasValid;       // per class
    private readonly Statistic[][] _pooled;  // over all samples, and over those of classes with a valid answer: for medians

    /// <param name="metrics">The figures wanted.</param>
    /// <param name="classes">The samples of each class.</param>
    /// <param name="clusters">A number for each cluster's name.</param>
    /// <param name="options">Whether accuracy counts an IoU equal to its threshold, and how areas are measured.</param>
    public TableStatistics(
        Metric[] metrics, IReadOnlyList<List<ScoredSample>> classes, IReadOnlyDictionary<string, int> clusters, ScoringOptions options)
    {
        _metrics = metrics;
        _classes = [.. classes.Select(Statistics)];
        _hasValid = [.. classes.Select(samples => samples.Exists(sample => sample.Valid))];
        _pooled =
        [
            Statistics([.. classes.SelectMany(c => c)]),
            Statistics([.. classes.Where((_, c) => _hasValid[c]).SelectMany(c => c)]),
        ];

        Statistic[] Statistics(List<ScoredSample> samples)
        {
            var members = samples.ConvertAll(sample => clusters[sample.Cluster]).ToArray();
            return [.. metrics.Select(metric => Create(metric, samples, members, options))];
        }
    }

    /// <summary>Whether accuracy counts this IoU.</summary>
    public static bool IsBeyond(double iou, double threshold, ScoringOptions options) =>
        options.InclusiveAccuracy ? iou > threshold - Rounding : iou > threshold + Rounding;

    /// <summary>The classes and the three summaries.</summary>
    public int Rows => _classes.Length + 3;

    /// <summary>Figures per row.</summary>
    public int Metrics => _metrics.Length;

    /// <summary>Values with intervals for each class, then mean, weighted, and weighted over the classes with a valid answer.</summary>
    public IReadOnlyList<IReadOnlyDictionary<Metric, Estimate>> Estimate(int clusters, ScoringOptions options)
    {
        var figures = Bootstrap.Estimates(clusters, options.Resamples, options.Seed, Rows * _metrics.Length, Evaluate,
            options.Intervals, figure => _metrics[figure % _metrics.Length] is Metric.MedianIou or Metric.MedianDice);
        return [.. figures.Chunk(_metrics.Length).Select(row => _metrics.Zip(row).ToDictionary(pair => pair.First, pair => pair.Second))];
    }

    /// <summary>All figures as [row][metric] in one span. A class that was not drawn is NaN and left out of the mean.</summary>
    public void Evaluate(ReadOnlySpan<int> drawn, Span<double> figures)
    {
        for (var m = 0; m < _metrics.Length; m++)
        {
            var (sum, present, weighted, count, weightedValid, countValid) = (0.0, 0, 0.0, 0L, 0.0, 0L);
            for (var c = 0; c < _classes.Length; c++)
            {
                var (value, samples) = _classes[c][m].Evaluate(drawn);
                figures[c * _metrics.Length + m] = value;
                if (samples == 0) continue;
                (sum, present) = (sum + value, present + 1);
                (weighted, count) = (weighted + samples * value, count + samples);
                if (_hasValid[c]) (weightedValid, countValid) = (weightedValid + samples * value, countValid + samples);
            }

            var median = _pooled[0][m] is MedianStatistic;
            var mean = _classes.Length * _metrics.Length + m;
            figures[mean] = sum / present;
            figures[mean + _metrics.Length] = median ? _pooled[0][m].Evaluate(drawn).Value : weighted / count;
            figures[mean + 2 * _metrics.Length] = median ? _pooled[1][m].Evaluate(drawn).Value : weightedValid / countValid;
        }
    }

    private static Statistic Create(Metric metric, List<ScoredSample> samples, int[] clusters, ScoringOptions options)
    {
        return metric switch
        {
            Metric.Iou => new MeanStatistic(Values(sample => sample.Iou), clusters),
            Metric.Dice => new MeanStatistic(Values(sample => sample.Dice), clusters),
            Metric.MedianIou => new MedianStatistic(Values(sample => sample.Iou), clusters),
            Metric.MedianDice => new MedianStatistic(Values(sample => sample.Dice), clusters),
            Metric.Accuracy30 => new MeanStatistic(Values(sample => Beyond(sample.Iou, 0.3)), clusters),
            Metric.Accuracy50 => new MeanStatistic(Values(sample => Beyond(sample.Iou, 0.5)), clusters),
            _ => new AveragePrecision(
                samples.SelectMany((sample, i) => DetectionMatch.Detections(sample, options)
                    .Select(found => found with { Cluster = clusters[i] })),
                samples.Select((sample, i) => (clusters[i], sample.Truth.Count)), metric == Metric.AveragePrecision50AllPoints),
        };

        double[] Values(Func<ScoredSample, double> value) => [.. samples.Select(value)];
        double Beyond(double iou, double threshold) => IsBeyond(iou, threshold, options) ? 1 : 0;
    }
}
