using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Formats;

namespace Pfmvg.Runs;

/// <summary>The pictures of a split that cannot be read when its phrases are asked.</summary>
/// <param name="session">Tells the user.</param>
/// <param name="data">The prepared data.</param>
/// <param name="manifest">Name of the split's manifest.</param>
/// <param name="listed">All of its samples, in its order.</param>
internal sealed class BrokenPictures(Session session, PreparedData data, string manifest, IReadOnlyList<Sample> listed)
{
    private const int MostRows = 5;

    private readonly Dictionary<string, int> _rows = listed.Index().ToDictionary(sample => sample.Item.Id, sample => sample.Index + 1);
    private readonly HashSet<string> _told = [];

    /// <summary>Says a line for each picture, once: the rows of the manifest that it costs, and why.</summary>
    /// <param name="answers">Answers, among them those without one.</param>
    /// <param name="asked">What was asked.</param>
    public void Tell(IReadOnlyList<Prediction> answers, IReadOnlyList<Sample> asked)
    {
        foreach (var answer in answers.Where(answer => answer.BrokenPicture is not null && _told.Add(answer.BrokenPicture)))
        {
            var picture = asked.First(sample => sample.Id == answer.Id);
            var rows = asked.Where(sample => (sample.Source, sample.Image) == (picture.Source, picture.Image))
                .SelectMany(RowsOf).Distinct();
            session.Tell($"{manifest}:{string.Join(",", rows.Order())}: not answered, scores 0: {answer.BrokenPicture}");
        }
    }

    /// <summary>Counts the pictures with an EXIF orientation, which is not applied, and names the rows of the first ones.</summary>
    /// <param name="asked">What will be asked.</param>
    public void TellTurned(IReadOnlyList<Sample> asked)
    {
        if (!session.IsFirst) return;
        var turned = asked.Where(sample => !sample.Dicom).DistinctBy(sample => (sample.Source, sample.Image))
            .Where(sample => Exif.OfFile(data.ImagePath(sample)) is not null).ToList();
        if (turned.Count == 0) return;
        session.Tell($"{manifest}:{string.Join(",", turned.Take(MostRows).SelectMany(RowsOf).Distinct())}"
            + $"{(turned.Count > MostRows ? ",..." : "")}: {turned.Count} picture{(turned.Count == 1 ? " has" : "s have")} an {Exif.Word}, "
            + "which is not applied: pixels are taken as they are stored, and boxes must be theirs.");
    }

    // A question that is made of several phrases stands in all rows of its picture.
    private IEnumerable<int> RowsOf(Sample asked) => _rows.TryGetValue(asked.Id, out var own) ? [own]
        : listed.Index().Where(row => (row.Item.Source, row.Item.Image) == (asked.Source, asked.Image)).Select(row => row.Index + 1);

    /// <summary>Whether one that cost answers can be read now.</summary>
    public bool AreMended(IReadOnlyList<Prediction> answers)
    {
        var broken = answers.Where(answer => answer.BrokenPicture is not null && _rows.ContainsKey(answer.Id))
            .Select(answer => data.ImagePath(listed[_rows[answer.Id] - 1])).Distinct();
        var guard = new TruncationGuard(session.Configuration.Data.TruncatedPictures);
        return broken.Any(path =>
        {
            try
            {
                guard.Judge(ImageFile.Decode(path, dicom: session.Configuration.Data.Dicom), path);
                return true;
            }
            catch (InputException)
            {
                return false;
            }
        });
    }
}
