using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Rivals;
using static TorchSharp.torch;

namespace Pfmvg.Runs;

/// <summary>How a rival is asked.</summary>
/// <param name="Folder">What the user brings: the image model, and the text folder beside or below it.</param>
/// <param name="Rival">Who is asked.</param>
/// <param name="Dilated">On a grid of twice the size; BioViL only.</param>
/// <param name="Smooth">Between the places of the grid, maps are interpolated linearly.</param>
/// <param name="Threshold">Also give a box, of the largest region above it.</param>
internal sealed record RivalRequest(string Folder, Rival Rival, bool Dilated = false, bool Smooth = false, double? Threshold = null);

/// <summary>Phrases on single pictures through a rival. Needs no prepared data, and no weights but its own.</summary>
internal static class RivalPrediction
{
    /// <summary>
    /// Gets an answer with the gray picture that the rival saw and the map at its size, which the next answer takes over.
    /// </summary>
    public delegate void Draw(int number, RivalAnswer answer, DecodedImage picture, float[] map);

    /// <summary>Answers the cases: each phrase goes through the text model once, each picture through the image model once.</summary>
    /// <param name="configuration">Device, threads and the sizes of the preparation.</param>
    /// <param name="cases">Pictures and phrases.</param>
    /// <param name="request">Who is asked, and how.</param>
    /// <param name="world">One process.</param>
    /// <param name="display">Gets notes and progress.</param>
    /// <param name="draw">Called for each answer; null saves making maps of the pictures' size.</param>
    /// <param name="interrupt">Ends the work after a picture.</param>
    /// <returns>The answers in the order of the cases.</returns>
    /// <exception cref="InputException">A picture, a phrase or a file of the model cannot be used.</exception>
    public static IReadOnlyList<RivalAnswer> Execute(PfmvgConfiguration configuration, IReadOnlyList<PredictionCase> cases,
        RivalRequest request, ICommunicator world, ISessionDisplay display, Draw? draw = null, CancellationToken interrupt = default)
    {
        var sizes = RivalView.Sizes(configuration.Rival, request.Rival);
        foreach (var asked in cases) _ = ImageFile.ReadHeader(asked.Image); // what is no picture is refused before the model is loaded
        ComputeThreads.Set(configuration, world);
        using var scope = NewDisposeScope();
        using var model = BioVil.Open(request.Folder, request.Rival, request.Dilated, ConfiguredModel.Device(configuration.Device, 0));
        display.Tell(model.Files.Note);
        RivalView.CheckPhrases(
            [.. cases.Select(asked => (cases.Count > 1 ? $"case {Privacy.Mask(asked.Id)}" : null, asked.Phrase))], model, display);
        var rows = cases.Select(asked => asked.Phrase).Distinct().Index().ToDictionary(entry => entry.Item, entry => (long)entry.Index);
        var texts = model.Text.Encode([.. rows.Keys]);

        var guard = new TruncationGuard(configuration.Data.TruncatedPictures, display.Tell);
        float[]? full = null;
        var (answers, buffer, done, deep) = (new RivalAnswer[cases.Count], new DecodeBuffer(), 0, 0);
        foreach (var about in Enumerable.Range(0, cases.Count).GroupBy(i => cases[i].Image))
        {
            interrupt.ThrowIfCancellationRequested();
            using var inner = NewDisposeScope();
            var view = RivalView.Of(about.Key, sizes, request.Smooth, guard, buffer);
            if (view.IsDeep) deep++;
            var maps = view.Maps(model, texts[tensor([.. about.Select(i => rows[cases[i].Phrase])])], about.Key);
            foreach (var (i, map) in about.Zip(maps))
            {
                var (width, height) = (view.Gray.Width, view.Gray.Height);
                var answer = new RivalAnswer(cases[i], request.Rival, width, height, map, view.Place, request.Threshold, null);
                if (draw is not null || request.Threshold is not null)
                {
                    full = answer.FullMap(full);
                    if (request.Threshold is { } threshold)
                        answer = answer with { Box = MapRegion.Largest(full, width, (float)threshold) };
                    draw?.Invoke(i, answer, view.Gray, full);
                }

                answers[i] = answer;
                display.Answered(++done, cases.Count);
            }
        }

        RivalView.TellDeep(deep, request.Rival, display);
        return answers;
    }
}
