using Pfmvg.Data.Files;

namespace Pfmvg.Evaluation.Predictions;

/// <summary>Finds the question that an answer belongs to: by its identifier, else by picture and phrase.</summary>
/// <remarks>
/// The truth has one question per true box (as MS-CXR lists them). An answer that names a picture and a phrase answers
/// all of the phrase's boxes at once.
/// </remarks>
internal sealed class QuestionIndex
{
    private readonly IReadOnlyList<Prediction> _truth;
    private readonly Dictionary<string, Prediction> _byId = new(IdComparer.Instance);
    private readonly Dictionary<(string Image, string Phrase), List<Prediction>> _byPhrase = [];
    private readonly Dictionary<string, string> _answeredAt = []; // question id -> place of its answer

    public QuestionIndex(IReadOnlyList<Prediction> truth)
    {
        _truth = truth;
        foreach (var question in truth)
        {
            if (!_byId.TryAdd(question.Id, question))
                throw new InputException($"The truth lists the sample '{question.Id}' twice; identifiers must be unique.");
            var key = (ImageKey(question.Image), question.Phrase);
            if (!_byPhrase.TryGetValue(key, out var list)) _byPhrase.Add(key, list = []);
            list.Add(question);
        }
    }

    /// <summary>A picture's name without folder and extension: all that the files of MS-CXR have in common.</summary>
    public static string ImageKey(string image) => Path.GetFileNameWithoutExtension(image);

    /// <summary>The question of an answer's line.</summary>
    /// <exception cref="InputException">The question is unknown, answered before, ambiguous, or of another picture size.</exception>
    public Prediction Find(JsonInput line)
    {
        var questions = Lookup(line);
        var first = questions[0];
        if (line.Text("class", "category_name") is { } named && named != first.Class)
            throw line.Wrong($"says class '{named}', but the truth has '{first.Class}' for this sample");
        if ((line.Integer("width"), line.Integer("height")) is var (width, height)
            && ((width ?? first.Width) != first.Width || (height ?? first.Height) != first.Height))
            throw line.Wrong($"says the picture has {width} x {height} pixels, but the truth says {first.Width} x {first.Height}; " +
                             "answer in the original's pixels, or in 0..1 with --coordinates unit-..., and leave the size out");
        foreach (var question in questions)
            if (!_answeredAt.TryAdd(question.Id, line.Place))
                throw line.Wrong(
                    $"the sample '{question.Id}' was already answered at {_answeredAt[question.Id]}; keep one line per sample");
        return questions.Count == 1 ? first : Merge(questions);
    }

    /// <summary>The predictions of all questions, answered or not, in the order of the truth.</summary>
    /// <exception cref="InputException">A question has no answer, and that is not allowed.</exception>
    public IReadOnlyList<Prediction> Complete(string path, IReadOnlyList<Prediction> answered, bool allowMissing)
    {
        var missing = _truth.Where(question => !_answeredAt.ContainsKey(question.Id)).ToList();
        var asked = missing.FindAll(question => question.Truth.Count > 0); // our own evaluation does not ask the others, either
        if (asked.Count > 0 && !allowMissing)
            throw new InputException($"{path}: {asked.Count} of {_truth.Count} samples have no answer, the first is '{asked[0].Id}'; " +
                                     "add them, or count them as failures with --allow-missing.");
        var position = _truth.Select((question, index) => (question.Id, index)).ToDictionary(pair => pair.Id, pair => pair.index);
        return [.. answered.Concat(missing).OrderBy(prediction => position[prediction.Id])];
    }

    /// <summary>
    /// Joins several questions about one phrase into one with all of its boxes. A box that several annotations hold stays as often,
    /// but questions that each repeat the phrase's boxes add nothing.
    /// </summary>
    public static Prediction Merge(IReadOnlyList<Prediction> questions) => questions[0] with
    {
        Truth = questions.All(question => question.Truth.Count <= 1)
            ? [.. questions.SelectMany(question => question.Truth)]
            : [.. questions.SelectMany(question => question.Truth.CountBy(box => box)).GroupBy(pair => pair.Key)
                .SelectMany(same => Enumerable.Repeat(same.Key, same.Max(pair => pair.Value)))],
    };

    private List<Prediction> Lookup(JsonInput line)
    {
        if (line.Text("id", "ann_id", "annotation_id") is { } id)
            return _byId.TryGetValue(id, out var byId) ? [byId]
                : throw line.Wrong($"the truth has no sample '{id}'; its {_truth.Count} samples have names like '{_truth[0].Id}'");
        if (line.Text("image", "dicom_id") is not { } image || line.Text("phrase", "label_text") is not { } phrase)
            throw line.Wrong("needs an 'id', or an 'image' and a 'phrase', to tell which sample it answers");
        if (!_byPhrase.TryGetValue((ImageKey(image), phrase), out var questions))
            throw line.Wrong($"the truth has no such phrase for the picture '{ImageKey(image)}'; " +
                "the phrase must be written as the truth has it");
        return questions.Select(question => (question.Image, question.Class)).Distinct().Count() == 1 ? questions
            : throw line.Wrong("several pictures or classes of the truth share this name and phrase; answer by 'id' instead");
    }
}
