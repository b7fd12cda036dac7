using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
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
        if (table.Calibration is { } calibration) WriteCalibration(json, "calibration", calibration);
        if (table.Agreement is { } agreement) WriteCalibration(json, "agreement", agreement);
        if (table.Further.Count > 0) WriteFurther(json, table);
        json.WriteStartArray("sources");
        foreach (var file in table.Sources)
        {
            json.WriteStartObject();
            json.WriteString("role", file.Role);
            json.WriteString("name", file.Name);
            json.WriteNumber("bytes", file.Bytes);
            json.WriteString("sha256", file.Sha256);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("how_to_cite", Citation.Of(table));
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
            if (sample.Flaw != Flaw.None) json.WriteString("flaw", ScoreGrid.Key(sample.Flaw));
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteCalibration(Utf8JsonWriter json, string name, Calibration calibration)
    {
        json.WriteStartObject(name);
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
            json.WriteNumberOrNull("value", figure.Value);
            json.WriteNumberOrNull("low", figure.Low);
            json.WriteNumberOrNull("high", figure.High);
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
        foreach (var (flaw, count) in row.Flaws.OrderBy(pair => pair.Key)) json.WriteNumber(ScoreGrid.Key(flaw), count);
        json.WriteEndObject();
        foreach (var (metric, estimate) in row.Figures)
        {
            json.WriteStartObject(ScoreGrid.Key(metric));
            json.WriteNumberOrNull("value", estimate.Value);
            json.WriteNumberOrNull("low", estimate.Low);
            json.WriteNumberOrNull("high", estimate.High);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }
}
