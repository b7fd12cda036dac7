using System.Globalization;
using System.Text;
using System.Text.Json;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Text;

namespace Pfmvg.Evaluation.Reports;

/// <summary>
/// One line per scored sample, for statistics in other programs: comma-separated values or JSON Lines, by the file's extension.
/// </summary>
/// <param name="WithIdentifiers">Puts identifiers, pictures' paths and patients as they are into it; else patients are p1, p2, ...</param>
/// <param name="WithPhrases">Puts the phrases into it.</param>
internal sealed record SampleTable(bool WithIdentifiers, bool WithPhrases)
{
    /// <summary>Whether a file of this name is comma-separated, else it is JSON Lines.</summary>
    /// <exception cref="InputException">It is neither .csv nor .jsonl.</exception>
    public static bool IsCsv(string path) => Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".csv" => true,
        ".jsonl" => false,
        _ => throw new InputException($"--samples {path}: the table's form is told by its name, which ends in .csv or .jsonl."),
    };

    /// <summary>Writes the samples of some scores of the same answers, one after the other.</summary>
    /// <param name="path">The file.</param>
    /// <param name="answers">The answers; patients get the names that a predictions file of them would have.</param>
    /// <param name="tables">Their scores.</param>
    public void Write(string path, IReadOnlyList<Prediction> answers, IEnumerable<ScoreTable> tables)
    {
        var (patients, pictures) = (new Pseudonyms("p"), new Pseudonyms("i"));
        foreach (var patient in answers.Select(answer => answer.Patient).OfType<string>()) patients.Of(patient);
        var lines = tables.SelectMany(table => table.Samples.Select((sample, i) => Fields(table, sample, i + 1, patients, pictures)))
            .ToList();
        AtomicFile.WriteText(path, IsCsv(path)
            ? CsvLines.Write([.. lines[0].Select(field => field.Name)], lines.Select(line => (IReadOnlyList<string>)[.. line.Select(Cell)]))
            : string.Concat(lines.Select(Json)));
    }

    private List<(string Name, object? Value)> Fields(
        ScoreTable table, ScoredSample sample, int number, Pseudonyms patients, Pseudonyms pictures)
    {
        var asked = sample.Prediction;
        var (width, height) = ((double)asked.Width, (double)asked.Height);
        return
        [
            ("n", number),
            .. WithIdentifiers ? [("id", sample.Id)] : Nothing,
            .. WithPhrases ? [("phrase", asked.Phrase)] : Nothing,
            ("class", asked.Class),
            ("patient", asked.Patient is not { } patient ? null : WithIdentifiers ? patient : patients.Of(patient)),
            ("picture", WithIdentifiers ? asked.Image : pictures.Of(asked.Image)),
            ("width", asked.Width),
            ("height", asked.Height),
            ("true_count", sample.Truth.Count),
            ("true_boxes", sample.Truth),
            ("predicted_count", sample.Predicted.Count),
            ("predicted_boxes", sample.Predicted),
            ("iou", sample.Iou),
            ("dice", sample.Dice),
            ("valid", sample.Valid),
            ("flaw", ScoreGrid.Key(sample.Flaw)),
            ("confidence", sample.Confidence is { Count: > 0 } sure ? sure.Max() : null),
            ("size", new Region(sample.Truth).Area / (width * height)),
            ("side", SideWords.Find(asked.Phrase).Side.ToString().ToLowerInvariant()),
            ("protocol", table.Protocol.Name),
            ("rule", TidyTable.Rule(table.Options)),
        ];
    }

    private static (string, object?)[] Nothing => [];

    private static string Cell((string Name, object? Value) field) => field.Value switch
    {
        null => "",
        string text => text,
        double number => CsvLines.Cell(number),
        bool truth => truth ? "TRUE" : "FALSE", // what R and pandas both read as a logical value
        IReadOnlyList<Box> boxes => Array(json => json.WriteBoxes("boxes", boxes)),
        var whole => Convert.ToString(whole, CultureInfo.InvariantCulture)!,
    };

    private static string Json(List<(string Name, object? Value)> line) => Text(json =>
    {
        foreach (var (name, value) in line)
        {
            switch (value)
            {
                case null: json.WriteNull(name); break;
                case string text: json.WriteString(name, text); break;
                case double number: json.WriteNumberOrNull(name, number); break;
                case bool truth: json.WriteBoolean(name, truth); break;
                case IReadOnlyList<Box> boxes: json.WriteBoxes(name, boxes); break;
                case int whole: json.WriteNumber(name, whole); break;
            }
        }
    }) + "\n";

    /// <summary>The array alone, without the object around it.</summary>
    private static string Array(Action<Utf8JsonWriter> write) => Text(write) is var text ? text[(text.IndexOf(':') + 1)..^1] : "";

    private static string Text(Action<Utf8JsonWriter> write)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, JsonOutput.Line))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.ToArray());
    }
}
