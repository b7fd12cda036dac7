using System.Globalization;
using CsvHelper;

namespace Pfmvg.Evaluation.Tables;

/// <summary>Tables of comma-separated values as R and pandas read them without an option.</summary>
internal static class CsvLines
{
    /// <summary>A header and rows, each with a line feed at its end; cells are quoted where they must be (RFC 4180).</summary>
    public static string Write(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
    {
        var text = new StringWriter();
        using (var csv = CsvWriter.Create(text, new CsvWriterOptions { NewLine = "\n" }))
            foreach (var row in rows.Prepend(header)) csv.WriteRecord([.. row]);
        return text.ToString();
    }

    /// <summary>A number with as many digits as it takes to read the same one again; empty for none and for NaN.</summary>
    public static string Cell(double? value) =>
        value is { } number && double.IsFinite(number) ? number.ToString("R", CultureInfo.InvariantCulture) : "";
}
