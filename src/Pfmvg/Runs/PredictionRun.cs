using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Runs.Records;
using Pfmvg.Text;

namespace Pfmvg.Runs;

/// <summary>A phrase to be found in a picture that belongs to no prepared data set.</summary>
/// <param name="Id">Names the case.</param>
/// <param name="Image">Path of the picture, of one of <see cref="ImageFile.Formats"/>.</param>
/// <param name="Phrase">What to find.</param>
public sealed record PredictionCase(string Id, string Image, string Phrase)
{
    /// <summary>The table and the line in it, for messages; null for a case of no table.</summary>
    public string? Place { get; init; }

    /// <summary>Reads a table with the columns image, phrase and, optionally, id (else the number of the row).</summary>
    /// <param name="path">CSV with a header.</param>
    /// <param name="folder">The folder that pictures' relative paths start from.</param>
    /// <exception cref="InputException">The table cannot be read, is empty, or a row lacks something or repeats an id.</exception>
    public static IReadOnlyList<PredictionCase> ReadTable(string path, string folder)
    {
        List<PredictionCase> cases = [];
        HashSet<string> ids = [];
        foreach (var row in CsvTable.Read(path, null, "image", "phrase"))
        {
            if (row["image"].Length == 0)
                throw new InputException($"{row.Place}: the row names no image; fill the column or remove the row.");
            if (row["phrase"].Length == 0)
                throw new InputException($"{row.Place}: the row has no phrase; fill the column or remove the row.");
            if (PhraseLimit.Problem(row["phrase"]) is { } tooLong)
                throw new InputException($"{row.Place}: {tooLong}; write what to find in fewer words, or remove the row.");
            var id = row["id"].Length > 0 ? row["id"] : $"{cases.Count + 1}";
            if (!ids.Add(id)) throw new InputException($"{row.Place}: the id '{Privacy.Mask(id)}' occurs twice; give each row its own.");
            cases.Add(new PredictionCase(id, Path.Combine(folder, row["image"]), row["phrase"]) { Place = row.Place });
        }

        return cases.Count > 0 ? cases : throw new InputException($"{path}: the table has no row; give an image and a phrase in each.");
    }
}

/// <summary>Phrases on single pictures through the model: what `pfmvg predict` does. Needs no prepared data.</summary>
public static class PredictionRun
{
    /// <summary>Answers the cases.</summary>
    /// <param name="session">The configuration. One process answers.</param>
    /// <param name="cases">Pictures and phrases.</param>
    /// <param name="from">Trained tensors; null takes stage 2's result.</param>
    /// <param name="fromBase">Ask the base weights alone.</param>
    /// <param name="answered">Called with each case and its answer, in the order of the cases, as soon as it is there.</param>
    /// <param name="isolate">
    /// A picture that cannot be read costs its own answer only (<see cref="Prediction.BrokenPicture"/>), unless none can be read.
    /// </param>
    /// <returns>The answers in the order of the cases, without a truth.</returns>
    /// <exception cref="InputException">A picture cannot be read and is not isolated, or there is no trained model.</exception>
    public static IReadOnlyList<Prediction> Execute(
        Session session, IReadOnlyList<PredictionCase> cases, string? from = null, bool fromBase = false,
        Action<PredictionCase, Prediction>? answered = null, bool isolate = false) => Execute(
        session, cases, new EvaluationOptions { Split = Split.Test, From = from, FromBase = fromBase, Isolate = isolate }, answered);

    /// <summary>The same for the model that the options name; their split does not matter.</summary>
    internal static IReadOnlyList<Prediction> Execute(Session session, IReadOnlyList<PredictionCase> cases, EvaluationOptions options,
        Action<PredictionCase, Prediction>? answered)
    {
        var isolate = options.Isolate;
        PhraseForecast.Check([.. cases.Select(asked => (asked.Id, asked.Phrase))], session.Configuration.Eval.NormalizeText, session.Tell);
        RequirePictures(cases, isolate);
        using var model = PhraseGrounder.Open(session.Configuration, options);
        if (model.Trained is { } trained) session.Tell($"model  {trained.Describe()}");
        foreach (var note in model.Notes) session.Tell(note);
        var done = 0;
        var answers = model.Ask(cases, (asked, answer) =>
        {
            session.ShowAnswered(++done, cases.Count);
            answered?.Invoke(asked, answer);
        }, (picture, note) => session.Tell($"{Privacy.Mask(picture)}: {note}"), isolate, session.Interrupt);
        if (model.Unknown is { } unknown) session.Tell(unknown);
        var dicom = answers.Where(answer => answer.Dicom is not null).DistinctBy(answer => answer.Image).Count();
        if (DicomPictures.Of(dicom, session.Configuration) is { } said) session.Tell(said.Clause);
        return answers;
    }

    /// <summary>Refuses what is no picture before the model is loaded; where pictures are isolated, only if all of them are none.</summary>
    private static void RequirePictures(IReadOnlyList<PredictionCase> cases, bool isolate)
    {
        InputException? first = null;
        foreach (var asked in cases)
        {
            try
            {
                _ = ImageFile.ReadHeader(asked.Image);
                if (isolate) return;
            }
            catch (InputException wrong) when (isolate || asked.Place is not null)
            {
                first ??= asked.Place is { } place ? new InputException($"{place}: {wrong.Message}", wrong) : wrong;
                if (!isolate) break;
            }
        }

        if (first is not null) throw first;
    }
}
