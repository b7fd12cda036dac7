using System.Globalization;
using Pfmvg.Data;
using Pfmvg.Data.Files;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Geometry;
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

    /// <summary>What is asked about it: another task has a class, a question or nothing in place of the phrase.</summary>
    internal SampleTask Task { get; init; } = SampleTask.Refer;

    /// <summary>The place that is asked about, in pixels; null where none is.</summary>
    internal Box? Box { get; init; }

    /// <summary>Reads a table with the columns image, phrase and, optionally, id (else the number of the row).</summary>
    /// <param name="path">CSV with a header.</param>
    /// <param name="folder">The folder that pictures' relative paths start from.</param>
    /// <exception cref="InputException">The table cannot be read, is empty, or a row lacks something or repeats an id.</exception>
    public static IReadOnlyList<PredictionCase> ReadTable(string path, string folder) => ReadTable(path, folder, TaskPrompt.All[0]);

    /// <summary>The same for any task: the column phrase has its class or question, and the column box its place.</summary>
    internal static IReadOnlyList<PredictionCase> ReadTable(string path, string folder, TaskPrompt task)
    {
        List<PredictionCase> cases = [];
        HashSet<string> ids = [];
        List<string> required = ["image"];
        if (task.HasText) required.Add("phrase");
        if (task.HasBox) required.Add("box");
        foreach (var row in CsvTable.Read(path, null, required))
        {
            if (row["image"].Length == 0)
                throw new InputException($"{row.Place}: the row names no image; fill the column or remove the row.");
            if (task.HasText && row["phrase"].Length == 0)
                throw new InputException($"{row.Place}: the row has no phrase; fill the column or remove the row.");
            if (PhraseLimit.Problem(row["phrase"]) is { } tooLong)
                throw new InputException($"{row.Place}: {tooLong}; write what to find in fewer words, or remove the row.");
            var id = row["id"].Length > 0 ? row["id"] : $"{cases.Count + 1}";
            if (!ids.Add(id)) throw new InputException($"{row.Place}: the id '{Privacy.Mask(id)}' occurs twice; give each row its own.");
            cases.Add(new PredictionCase(id, Path.Combine(folder, row["image"]), task.HasText ? row["phrase"] : "")
            {
                Place = row.Place, Task = task.Task, Box = task.HasBox ? ParseBox(row.Place, row["box"]) : null,
            });
        }

        return cases.Count > 0 ? cases
            : throw new InputException($"{path}: the table has no row; give an image and a phrase in each.");
    }

    /// <summary>A place as it is written: left,top,right,bottom in pixels.</summary>
    /// <param name="place">Where it is written, for messages.</param>
    /// <param name="text">The four numbers.</param>
    /// <exception cref="InputException">It is no box, or has no area.</exception>
    internal static Box ParseBox(string place, string text)
    {
        var edges = text.Trim('[', ']', ' ').Split([',', ' '], StringSplitOptions.RemoveEmptyEntries).Select(edge =>
            double.TryParse(edge, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) ? value : double.NaN).ToList();
        if (edges.Count != 4 || !edges.TrueForAll(double.IsFinite))
            throw new InputException($"{place}: '{text}' is no box; give left,top,right,bottom in pixels, as in 120,80,300,260.");
        return edges[0] < edges[2] && edges[1] < edges[3] ? new Box(edges[0], edges[1], edges[2], edges[3])
            : throw new InputException($"{place}: '{text}' has no area; give left,top,right,bottom in pixels, with left before right and "
                + "top before bottom.");
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
        PhraseForecast.Check([.. cases.Where(asked => TaskPrompt.Of(asked.Task).HasText).Select(asked => (asked.Id, asked.Phrase))],
            session.Configuration.Eval.NormalizeText, session.Tell);
        RequirePictures(cases, isolate);
        RequireBoxes(cases);
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

    /// <summary>Refuses places outside of their pictures before the model is loaded; what is no picture is told elsewhere.</summary>
    private static void RequireBoxes(IReadOnlyList<PredictionCase> cases)
    {
        foreach (var asked in cases)
        {
            if (asked.Box is not { } box || Size(asked.Image) is not { Width: var width, Height: var height }) continue;
            if (box.Left < 0 || box.Top < 0 || box.Right > width || box.Bottom > height)
                throw new InputException($"{asked.Place ?? "--box"}: the box leaves the picture, which has {width} x {height} pixels; give "
                    + "left,top,right,bottom in it.");
        }
    }

    private static (int Width, int Height)? Size(string image)
    {
        try
        {
            return ImageFile.ReadHeader(image) is { Width: var width, Height: var height } ? (width, height) : null;
        }
        catch (InputException)
        {
            return null; // no picture
        }
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
