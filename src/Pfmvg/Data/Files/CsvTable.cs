using System.Globalization;
using System.Text.RegularExpressions;
using CsvHelper;

namespace Pfmvg.Data.Files;

/// <summary>One row of a table; good until the next row is read.</summary>
internal sealed class CsvRow(string file, CsvReader reader, int columns)
{
    /// <summary>That the row has more values than the header names, so that some stand in a wrong column; null when it has not.</summary>
    public string? Problem => Enumerable.Range(columns, Math.Max(0, reader.FieldCount - columns))
        .Any(i => !string.IsNullOrWhiteSpace(reader.GetString(i)))
            ? $"the row has {reader.FieldCount} values where the first line names {columns} columns" : null;

    /// <summary>File and line, for errors.</summary>
    public string Place => $"{file}:{reader.LineNumber}";

    /// <summary>The text of a column, trimmed; empty when the table or the row does not have it.</summary>
    public string this[string column] => Find(column) ?? "";

    /// <summary>The text of a column, trimmed; null when the table or the row does not have it.</summary>
    public string? Find(string column) =>
        reader.TryGetFieldIndex(column, out var i) && i < reader.FieldCount ? reader.GetString(i).Trim() : null;

    /// <summary>A number of a column; NaN when it is none, which is for the checks to find.</summary>
    public double Number(string column) =>
        double.TryParse(Find(column), NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : double.NaN;

    /// <summary>A size in pixels; null when it is not a positive whole number.</summary>
    public int? Pixels(string column) =>
        Number(column) is > 0 and <= int.MaxValue and var value && value == Math.Floor(value) ? (int)value : null;
}

/// <summary>Reads comma-separated tables, plain or gzip, with quoted fields that may hold separators and line ends.</summary>
internal static partial class CsvTable
{
    /// <summary>The rows of a table with a header.</summary>
    /// <param name="path">The file.</param>
    /// <param name="repairs">Told about text that is not UTF-8; null: it is an error.</param>
    /// <param name="required">Columns that must be there.</param>
    /// <exception cref="InputException">The file cannot be read, a column is missing, or a row is longer than
    /// <see cref="DataFile.MaxRecord"/>.</exception>
    public static IEnumerable<CsvRow> Read(string path, TextRepairs? repairs, params IReadOnlyList<string> required)
    {
        var file = Privacy.Mask(path);
        var open = false;
        using var reader = CsvReader.Create(DataFile.Open(path, repairs), new CsvReaderOptions
        {
            Separator = ',',
            MaxRecordSize = DataFile.MaxRecord,
            TrackLineNumbers = true,
            PoolStrings = true,
            IncludeValuesInExceptions = false,
            OnMalformedRecord = record => open |= record.Reason == CsvMalformedReason.UnterminatedQuote,
        });
        Step(() => { reader.ReadHeader(); return true; });
        var missing = required.Where(column => !reader.TryGetFieldIndex(column, out _)).ToList();
        if (missing.Count > 0)
            throw new InputException($"{file}:1: the column {string.Join(", ", missing)} is missing; "
                + $"the first line must name {string.Join(", ", required)}, separated by ','.");

        var names = reader.Headers!.Select(name => name.Trim()).ToList();
        var columns = names.Count;
        if (required.FirstOrDefault(name => names.Count(n => n.Equals(name, StringComparison.OrdinalIgnoreCase)) > 1) is { } twice)
            throw new InputException($"{file}:1: the column {twice} stands there twice, and nothing says which one counts; remove one.");
        for (var row = new CsvRow(file, reader, columns); Step(reader.Read);)
        {
            for (var i = 0; i < reader.FieldCount; i++)
                if (reader.GetRawSpan(i).Contains((byte)'\n') && HoldsRows(reader.GetString(i)))
                    throw new InputException($"{file}:{reader.LineNumber}: a quoted field that begins here holds whole rows; look for a "
                        + "quote that is never closed, or double it if it belongs to the text.");
            yield return row;
        }

        bool HoldsRows(string field) => field.Split('\n').Skip(1).Any(line => line.Count(c => c == ',') >= columns - 1
            && (columns > 4 || LooksAlike(line.Split(',')[0].Trim('"', '\r', ' '), reader.GetString(0))));

        // In a table of few columns a line of prose may have as many commas; a row begins with a key like its neighbours'.
        static bool LooksAlike(string a, string b) => a.AsSpan().IndexOfAnyInRange('0', '9') >= 0 && Shape(a) == Shape(b);

        static string Shape(string key) => DigitRuns().Replace(key.Trim(), "0");

        bool Step(Func<bool> step)
        {
            try
            {
                var more = DataFile.Read(path, step);
                if (open) throw new InputException($"{file}:{reader.LineNumber}: a quote that opens here is never closed; put the row "
                    + "right, or fetch the file again.");
                return more;
            }
            catch (CsvFormatException e)
            {
                throw new InputException($"{file}:{e.LineNumber}: the row is broken or longer than {DataFile.MaxRecord:N0} bytes; look "
                    + "for a quote that is never closed, and check that the file is whole.", e);
            }
        }
    }

    [GeneratedRegex("[0-9]+")] private static partial Regex DigitRuns();
}
