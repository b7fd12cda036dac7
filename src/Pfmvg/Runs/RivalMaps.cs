using Pfmvg.Answering;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Rivals;
using Pfmvg.Runs.Records;
using static TorchSharp.torch;

namespace Pfmvg.Runs;

/// <summary>A rival's maps of a split's phrases, written into folders of its run: about each sample's picture, or another one.</summary>
internal sealed class RivalMaps : IDisposable
{
    /// <summary>Folder of the maps of the answers themselves.</summary>
    public const string Own = "maps";

    // The picture that is prepared while the model looks at another one, and one more that waits.
    private const int Ahead = 2;

    private readonly BioVil _model;
    private readonly RivalSplitRequest _request;
    private readonly RunFolder _folder;
    private readonly PreparedData _data;
    private readonly (int Resize, int Crop) _sizes;
    private readonly TruncationGuard _truncation;
    private readonly Dictionary<string, Sample> _own;
    private readonly Dictionary<(string Source, string Image, string Phrase), int> _numbers = [];
    private readonly Dictionary<string, long> _rows;
    private readonly Tensor _texts;

    /// <summary>Encodes the phrases: all of them, since texts share batches, and the last bits may depend on the batch.</summary>
    public RivalMaps(BioVil model, RivalSplitRequest request, RunFolder folder, PreparedData data, IReadOnlyList<Sample> samples,
        (int Resize, int Crop) sizes, TruncationGuard truncation)
    {
        (_model, _request, _folder, _data, _sizes, _truncation) = (model, request, folder, data, sizes, truncation);
        _own = samples.ToDictionary(sample => sample.Id);
        foreach (var sample in samples) _numbers.TryAdd((sample.Source, sample.Image, sample.Text), _numbers.Count + 1);
        string[] phrases = [.. samples.Select(sample => sample.Text).Distinct()];
        _rows = phrases.Index().ToDictionary(entry => entry.Item, entry => (long)entry.Index);
        _texts = model.Text.Encode(phrases).DetachFromDisposeScope();
    }

    /// <summary>Pictures with more than 8 bits, or in DICOM, that were looked at.</summary>
    public int Deep { get; private set; }

    /// <summary>Answers samples in the order of their pictures.</summary>
    /// <param name="asked">The samples, each about the picture that it names now.</param>
    /// <param name="maps">Folder of the maps within the run.</param>
    /// <param name="interrupt">Ends the work after a picture.</param>
    /// <returns>The answers about each picture, as questions about the samples' own pictures.</returns>
    public IEnumerable<IReadOnlyList<Prediction>> Ask(IReadOnlyList<Sample> asked, string maps, CancellationToken interrupt)
    {
        Directory.CreateDirectory(_folder.In(maps));
        var pictures = AskRun.Pictures(asked).ToList();
        foreach (var (about, (view, fault)) in pictures.Zip(LoadAhead.InOrder(
            pictures, (of, buffer) => Look(of.First(), buffer), workers: 1, Ahead, interrupt)))
        {
            interrupt.ThrowIfCancellationRequested();
            if (view is { IsDeep: true }) Deep++;
            yield return view is null ? [.. about.Select(sample => ModelAnswers.Question(_own[sample.Id]) with { BrokenPicture = fault })]
                : Ask(view, [.. about], maps);
        }
    }

    /// <summary>Answers samples about a blank picture, gray as the one that our own model is shown.</summary>
    public IReadOnlyList<Prediction> AskBlank(IReadOnlyList<Sample> asked, string maps)
    {
        Directory.CreateDirectory(_folder.In(maps));
        return Ask(RivalView.Blank(_sizes.Crop), asked, maps);
    }

    /// <summary>Name of a sample's map within the run. Samples that are the boxes of one phrase share it.</summary>
    public string NameOf(Sample own, string maps) =>
        FormattableString.Invariant($"{maps}/{_numbers[(own.Source, own.Image, own.Text)]:0000}.npy");

    public void Dispose() => _texts.Dispose();

    private List<Prediction> Ask(RivalView view, IReadOnlyList<Sample> about, string folder)
    {
        using var scope = NewDisposeScope();
        var phrases = about.GroupBy(sample => sample.Text).ToList();
        var maps = view.Maps(_model, _texts[tensor([.. phrases.Select(phrase => _rows[phrase.Key])])], about[0].Image);
        List<Prediction> answers = [];
        foreach (var (phrase, map) in phrases.Zip(maps))
        {
            foreach (var own in phrase.Select(sample => _own[sample.Id]))
            {
                var name = NameOf(own, folder);
                if (answers.TrueForAll(answer => answer.HeatMap != name))
                    HeatMap.Write(_folder.In(name), map.Values, map.Rows, map.Columns);
                answers.Add(ModelAnswers.Question(own) with
                {
                    HeatMap = name, // in its own picture, whichever was looked at
                    MapPlace = SimilarityMap.Place(own.Width, own.Height, _sizes.Resize, _sizes.Crop, _request.Asked.Smooth),
                });
            }
        }

        return answers;
    }

    private (RivalView? View, string? Fault) Look(Sample sample, DecodeBuffer buffer)
    {
        try
        {
            var path = _data.ImagePath(sample);
            var view = RivalView.Of(path, _sizes, _request.Asked.Smooth, _truncation, buffer);
            return (view.Gray.Width, view.Gray.Height) == (sample.Width, sample.Height) ? (view, null)
                : throw new InputException($"{Privacy.Mask(path)}: the picture has {view.Gray.Width} x {view.Gray.Height} pixels, but "
                    + $"{sample.Width} x {sample.Height} when the data were prepared; prepare them again.");
        }
        catch (InputException broken) when (_request.Isolate)
        {
            return (null, broken.Message);
        }
    }
}
