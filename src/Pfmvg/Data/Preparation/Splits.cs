using Pfmvg.Data.Files;

namespace Pfmvg.Data.Preparation;

/// <summary>Divides patients between training, validation and test.</summary>
public static class Splits
{
    /// <summary>
    /// A random division of patients, 7:1:2 as the paper's. A patient's place in the shuffled order depends only on the seed
    /// and the patient, so the order and the number of files do not matter; the shares are exact to one patient.
    /// </summary>
    /// <param name="patients">Patients, in any order, repeated or not.</param>
    /// <param name="seed">Another seed gives another division.</param>
    /// <param name="train">Share to learn from.</param>
    /// <param name="validate">Share to choose by; the rest is for the test.</param>
    public static IReadOnlyDictionary<string, Split> ByPatient(
        IEnumerable<string> patients, long seed, double train = 0.7, double validate = 0.1)
    {
        var shuffled = patients.Distinct()
            .OrderBy(patient => new CounterRandom(seed, "split " + patient).NextBits()).ThenBy(patient => patient, StringComparer.Ordinal)
            .ToList();
        var lastTrain = (int)Math.Round(train * shuffled.Count);
        var lastValidate = (int)Math.Round((train + validate) * shuffled.Count);
        if (shuffled.Count >= 3) // neither validation nor test is empty
        {
            lastTrain = Math.Clamp(lastTrain, 1, shuffled.Count - 2);
            lastValidate = Math.Clamp(lastValidate, lastTrain + 1, shuffled.Count - 1);
        }

        return shuffled
            .Select((patient, place) => (patient,
                Split: place < lastTrain ? Split.Train : place < lastValidate ? Split.Validate : Split.Test))
            .ToDictionary(pair => pair.patient, pair => pair.Split);
    }

    /// <summary>The split of an entry by the user's rule; patients are divided as listed, whether pictures are there or not.</summary>
    /// <exception cref="InputException">There is no split in the data set, or the user's list is wrong.</exception>
    internal static Func<ListedSample, Split?> Of(IDataSetReader reader, SplitRule rule, string? file, long seed)
    {
        if (reader.Task != SampleTask.Refer || reader.KeepsItsSplit && rule != SplitRule.List) return sample => sample.Split;
        switch (rule)
        {
            case SplitRule.Official:
                if (reader.Read().All(sample => sample.Split is null))
                    throw new InputException($"{reader.Files[0]}: there is no split in it; of MS-CXR, take the CSV of version 1.1.0, or "
                        + "divide the patients at random with '--split ratio'.");
                return sample => sample.Split;
            case SplitRule.List:
                return FromFile(file ?? throw new InputException("The split is to come from a list, but no list is named."));
            default:
                var byPatient = ByPatient(reader.Read().Select(Patient), seed);
                return sample => byPatient[Patient(sample)];
        }

        static string Patient(ListedSample sample) => sample.Patient ?? sample.Image; // without a patient, pictures are kept together
    }

    /// <summary>
    /// Whether a data set lists a split that the rule does not use. Patients in several parts of it are an error as long as the user
    /// has not said so.
    /// </summary>
    internal static bool Passes(IDataSetReader reader, SplitRule rule) =>
        rule == SplitRule.Ratio && reader.Task == SampleTask.Refer && !reader.KeepsItsSplit;

    /// <summary>
    /// A division that the user wrote: a CSV with a column `split` (train, validate or test) and a column that names patients,
    /// studies or pictures (`patient`, `subject_id`, `study_id`, `dicom_id`, `image` or `id`).
    /// </summary>
    /// <returns>The split of a sample; null when the list does not name it.</returns>
    /// <exception cref="InputException">The list cannot be read, names an unknown split, or gives one name two splits.</exception>
    public static Func<ListedSample, Split?> FromFile(string path)
    {
        var columns = new[] { "patient", "subject_id", "study_id", "dicom_id", "image", "id" };
        var byName = new Dictionary<string, Split>();
        foreach (var row in CsvTable.Read(path, null, "split"))
        {
            var name = columns.Select(row.Find).FirstOrDefault(value => !string.IsNullOrEmpty(value))
                ?? throw new InputException($"{row.Place}: none of the columns {string.Join(", ", columns)} names a patient or picture; "
                    + "add one.");
            var split = SplitNames.Find(row["split"])
                ?? throw new InputException($"{row.Place}: the split '{row["split"]}' is unknown; write train, validate or test.");
            if (!byName.TryAdd(name, split) && byName[name] != split)
                throw new InputException($"{row.Place}: this name already has another split; keep one of the lines.");
        }

        return sample =>
        {
            string?[] names =
            [
                sample.Patient, sample.Patient?.TrimStart('p'), sample.Study, sample.Study?.TrimStart('s'),
                Path.GetFileNameWithoutExtension(sample.Image), sample.Image, sample.Id,
            ];
            foreach (var name in names)
                if (name is not null && byName.TryGetValue(name, out var split)) return split;
            return null;
        };
    }
}
