using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Reports;

/// <summary>scores.json: everything a table shows, unrounded, for other programs.</summary>
internal static class ScoreJson
{
    public static void Write(Stream stream, ScoreTable table, bool identifiers)
    {
        using var json = new Utf8JsonWriter(stream, JsonOutput.Indented);
        json.WriteStartObject();
        json.WriteNumber("version", 1);
        json.WriteBoolean("synthetic", table.Options.Synthetic);
        json.WriteStartObject("protocol");
        json.WriteString("name", table.Protocol.Name);
        json.WriteString("sample", table.Protocol.Sample);
        json.WriteString("multi_box_rule", table.Protocol.MultiBox);
        json.WriteString("failure_rule", table.Protocol.Failure);
        json.WriteString("answer_rule", table.Options.Rule.ToString().ToLowerInvariant());
        json.WriteString("area", table.Protocol.Area);
        json.WriteBoolean("plus_one", table.Options.AddsPixel);
        json.WriteString("accuracy", table.Options.InclusiveAccuracy ? "iou >= threshold" : "iou > threshold");
        json.WriteEndObject();
        json.WriteNumber("phrases", table.Phrases);
        json.WriteNumber("boxes", table.Boxes);
        json.WriteNumber("images", table.Images);
        json.WriteNumber("samples", table.Samples.Count);
        json.WriteStartObject("bootstrap");
        json.WriteNumber("resamples", table.Options.Resamples);
        json.WriteNumber("seed", table.Options.Seed);
        json.WriteString("clusters_are", table.ClusterKind);
        json.WriteNumber("clusters", table.Clusters);
        json.WriteNumber("level", 0.95);
        json.WriteString("method", table.Options.Intervals.ToString().ToLowerInvariant());
        json.WriteEndObject();
        json.WriteStartArray("classes");
        foreach (var row in table.Classes) WriteRow(json, null, row);
        json.WriteEndArray();
        WriteRow(json, "mean", table.Mean);
        WriteRow(json, "weighted", table.Weighted);
        WriteRow(json, "weighted_over_valid_classes", table.WeightedOverValid);
        json.WriteStartObject("rules");
        foreach (var (name, value) in table.Rules) json.WriteString(name, value);
        json.WriteEndObject();
        if (table.Calibration is { } calibration) WriteCalibration(json, calibration);
        if (table.Further.Count > 0) WriteFurther(json, table);
        json.WriteStartArray("notes");
        foreach (var note in table.Notes) json.WriteStringValue(note);
        json.WriteEndArray();
        json.WriteStartArray("per_sample");
        for (var i = 0; i < table.Samples.Count; i++)
        {
            var sample = table.Samples[i];
            json.WriteStartObject();
            json.WriteNumber("n", i + 1);
            if (identifiers) json.WriteString("id", sample.Id);
            json.WriteString("class", sample.Prediction.Class);
            json.WriteNumber("iou", sample.Iou);
            json.WriteNumber("dice", sample.Dice);
            json.WriteBoolean("valid", sample.Valid);
            if (sample.Flaw != Flaw.None) json.WriteString("flaw", Name(sample.Flaw));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The key of a metric, such as "iou" or "acc@0.5".</summary>
    public static string Key(Metric metric) => metric switch
    {
        Metric.Iou => "iou",
        Metric.Dice => "dice",
        Metric.MedianIou => "iou_median",
        Metric.MedianDice => "dice_median",
        Metric.Accuracy30 => "acc@0.3",
        Metric.Accuracy50 => "acc@0.5",
        Metric.AveragePrecision50 => "ap@0.5",
        _ => "ap@0.5_all_points",
    };

    private static void WriteCalibration(Utf8JsonWriter json, Calibration calibration)
    {
        json.WriteStartObject("calibration");
        json.WriteNumber("n", calibration.Count);
        json.WriteNumber("without_region", calibration.WithoutRegion);
        json.WriteNumber("without_confidence", calibration.WithoutConfidence);
        WriteFigures(json, "figures", calibration.Figures);
        json.WriteEndObject();
    }

    private static void WriteFurther(Utf8JsonWriter json, ScoreTable table)
    {
        WriteFigures(json, "further", table.Further);
        json.WriteStartArray("further_rules");
        foreach (var rule in table.FurtherRules) json.WriteStringValue(rule);
        json.WriteEndArray();
    }

    private static void WriteFigures(Utf8JsonWriter json, string name, IReadOnlyList<Figure> figures)
    {
        json.WriteStartArray(name);
        foreach (var figure in figures)
        {
            json.WriteStartObject();
            json.WriteString("row", figure.Row);
            json.WriteString("metric", figure.Metric);
            foreach (var (key, value) in ((string, double?)[])[("value", figure.Value), ("low", figure.Low), ("high", figure.High)])
                if (value is { } number) json.WriteNumber(key, number);
                else json.WriteNull(key);
            json.WriteNumber("n", figure.N);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteRow(Utf8JsonWriter json, string? key, ScoreRow row)
    {
        if (key is null) json.WriteStartObject();
        else json.WriteStartObject(key);
        if (key is null) json.WriteString("class", row.Name);
        json.WriteNumber("n", row.Count);
        json.WriteNumber("valid", row.Valid);
        json.WriteStartObject("flaws");
        foreach (var (flaw, count) in row.Flaws.OrderBy(pair => pair.Key)) json.WriteNumber(Name(flaw), count);
        json.WriteEndObject();
        foreach (var (metric, estimate) in row.Figures)
        {
            json.WriteStartObject(Key(metric));
            Number("value", estimate.Value);
            Number("low", estimate.Low);
            Number("high", estimate.High);
            json.WriteEndObject();
        }

        json.WriteEndObject();

        void Number(string name, double value)
        {
            if (double.IsFinite(value)) json.WriteNumber(name, value);
            else json.WriteNull(name);
        }
    }

    private static string Name(Flaw flaw) => JsonNamingPolicy.SnakeCaseLower.ConvertName(flaw.ToString());
}
