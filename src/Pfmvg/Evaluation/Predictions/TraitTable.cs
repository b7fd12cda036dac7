using System.Globalization;
using Pfmvg.Data;
using Pfmvg.Data.Files;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>
/// Traits of samples from a table: rows of pictures as MIMIC-CXR-JPG's metadata and PadChest's table are, of patients as
/// MIMIC-IV's, or of samples.
/// </summary>
internal static class TraitTable
{
    private static readonly string[] Ids = ["id", "ann_id", "annotation_id"];
    private static readonly string[] Pictures = ["dicom_id", "ImageID", "image", "file_name"];
    private static readonly string[] Patients = ["subject_id", "PatientID", "patient_id", "patient"];

    private static readonly string[][] Columns =
    [
        ["sex", "gender", "PatientSex", "PatientSex_DICOM"],
        ["age", "anchor_age", "PatientAge"],
        ["view", "ViewPosition", "Projection", "ViewPosition_DICOM"],
        ["source"],
        ["scanner", "ManufacturerModelName", "Manufacturer", "Manufacturer_DICOM"],
    ];

    /// <summary>The predictions with what the table knows of them; what their own lines say stays.</summary>
    /// <exception cref="InputException">
    /// The table has none of the columns, knows none of the samples, or says two things about the same one.
    /// </exception>
    public static IReadOnlyList<Prediction> Join(IReadOnlyList<Prediction> predictions, string path)
    {
        Dictionary<string, (Traits Traits, string Place)> found = new(IdComparer.Instance);
        HashSet<string>? wanted = null;
        Func<Prediction, IEnumerable<string>> keys = _ => [];
        string? keyColumn = null;
        foreach (var row in CsvTable.Read(path, null))
        {
            if (wanted is null)
            {
                (keyColumn, keys) = Keys(row) ?? throw new InputException($"{Privacy.Mask(path)}:1: no column tells which sample, picture "
                    + $"or patient a row is about; name one of {string.Join(", ", (string[])[.. Ids, .. Pictures, .. Patients])}.");
                if (!HasAge(row) && Columns.All(names => names.All(name => row.Find(name) is null)))
                    throw new InputException($"{Privacy.Mask(path)}:1: no column is known; name one of "
                        + $"{string.Join(", ", Columns.SelectMany(names => names))}.");
                wanted = new(predictions.SelectMany(keys), IdComparer.Instance);
            }

            var key = Stem(row[keyColumn!], keyColumn!);
            if (!wanted.Contains(key)) continue;
            var cells = Columns.Select(names => names.Select(row.Find).FirstOrDefault(text => !string.IsNullOrEmpty(text))).ToArray();
            var traits = Traits.Read(cells[0], cells[1] ?? AgeOf(row), cells[2], cells[3], cells[4]);
            if (!found.TryAdd(key, (traits, row.Place)) && found[key].Traits != traits)
                throw new InputException($"{row.Place}: the same {keyColumn} stands at {found[key].Place} with other values; "
                    + "nothing says which one counts, so remove one.");
        }

        return found.Count > 0
            ? [.. predictions.Select(prediction => keys(prediction).FirstOrDefault(found.ContainsKey) is { } key
                ? prediction with { Traits = prediction.Traits.Or(found[key].Traits) } : prediction)]
            : throw new InputException($"{Privacy.Mask(path)}: none of its rows is about one of the {predictions.Count} samples; "
                + "its identifiers must be those of the samples, of their pictures or of their patients.");
    }

    /// <summary>The column that says what a row is about, and what a sample may be called in it.</summary>
    private static (string Column, Func<Prediction, IEnumerable<string>> Keys)? Keys(CsvRow row)
    {
        if (Ids.FirstOrDefault(name => row.Find(name) is not null) is { } id) return (id, prediction => [prediction.Id]);
        if (Pictures.FirstOrDefault(name => row.Find(name) is not null) is { } picture)
            return (picture, prediction => [QuestionIndex.ImageKey(prediction.Image)]);
        return Patients.FirstOrDefault(name => row.Find(name) is not null) is { } patient ? (patient, OfPatient) : null;

        // MIMIC's folder of patient 10000032 is p10000032; our own answers name patients p1, p2, ..., which are nobody's numbers.
        static IEnumerable<string> OfPatient(Prediction prediction) => ListedSample.Owner(prediction.Image).Patient is { } owner
            ? [owner, owner[1..]] : prediction.Patient is { } patient ? [patient] : [];
    }

    private static string Stem(string key, string column) => Pictures.Contains(column) ? QuestionIndex.ImageKey(key) : key;

    private static bool HasAge(CsvRow row) => row.Find("PatientBirth") is not null && row.Find("StudyDate_DICOM") is not null;

    /// <summary>PadChest's age: the year of the study minus the year of birth.</summary>
    private static string? AgeOf(CsvRow row) => HasAge(row) && row["StudyDate_DICOM"] is { Length: >= 4 } date
        && int.TryParse(date.AsSpan(0, 4), CultureInfo.InvariantCulture, out var year)
        && double.IsFinite(row.Number("PatientBirth")) && year >= row.Number("PatientBirth")
            ? (year - row.Number("PatientBirth")).ToString(CultureInfo.InvariantCulture) : null;
}
