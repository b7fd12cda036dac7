using Pfmvg.Answering;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Runs.Records;

namespace Pfmvg.Runs;

/// <summary>The controls of a rival: the same phrases about a blank picture, about other patients' pictures, and constant maps.</summary>
internal sealed class RivalControls(
    RivalMaps maps, RunFolder folder, PreparedData data, IReadOnlyList<Sample> samples, ISessionDisplay display)
{
    /// <summary>Whether a control has no answers in a run yet.</summary>
    public static bool AreMissing(RunFolder folder) =>
        Enum.GetValues<ControlCondition>().Any(control => !File.Exists(FileOf(folder, control)));

    /// <summary>The answers of all controls.</summary>
    public static Dictionary<ControlCondition, IReadOnlyList<Prediction>> Read(RunFolder folder) =>
        Enum.GetValues<ControlCondition>().ToDictionary(control => control, control => PredictionFile.Read(FileOf(folder, control)));

    /// <summary>Answers what is not there yet, into a file for each control beside the rival's own answers.</summary>
    /// <param name="seed">Decides who is shown whose picture.</param>
    /// <param name="key">Stands for questions, weights and settings.</param>
    /// <param name="interrupt">Ends the work after a picture.</param>
    public void Answer(long seed, string key, CancellationToken interrupt)
    {
        foreach (var control in Enum.GetValues<ControlCondition>())
        {
            var (path, into) = (FileOf(folder, control), $"{RivalMaps.Own}-{NameOf(control)}");
            if (File.Exists(path)) continue;
            display.Tell($"control  {control.Describe(maps: true)}");
            if (control == ControlCondition.Blind) PredictionFile.Write(path, InOrder(maps.AskBlank(samples, into)));
            else if (control == ControlCondition.Shuffled) Shuffled(path, into, $"{key} {seed}", seed, interrupt);
            else PredictionFile.Write(path, Constant(into));
        }
    }

    private static string NameOf(ControlCondition control) => control.ToString().ToLowerInvariant();

    private static string FileOf(RunFolder folder, ControlCondition control) => folder.In($"{NameOf(control)}.jsonl");

    private void Shuffled(string path, string into, string key, long seed, CancellationToken interrupt)
    {
        using var unfinished = new UnfinishedAnswers(path, rank: 0, key);
        var own = samples.ToDictionary(sample => sample.Id);
        // The files of maps are named as they were, relative to the run.
        var answers = unfinished.Known.Where(known => File.Exists(known.Value.HeatMap)).ToDictionary(
            known => known.Key, known => known.Value with { HeatMap = maps.NameOf(own[known.Key], into) });
        var asked = ControlQuestions.Shuffle(samples, seed).Where(sample => !answers.ContainsKey(sample.Id)).ToList();
        foreach (var found in maps.Ask(asked, into, interrupt))
        {
            unfinished.Add(found);
            foreach (var answer in found) answers.Add(answer.Id, answer);
            display.Answered(answers.Count, samples.Count);
        }

        PredictionFile.Write(path, InOrder(answers.Values));
        unfinished.Remove();
    }

    private List<Prediction> Constant(string into)
    {
        Directory.CreateDirectory(folder.In(into));
        var constant = new ConstantMaps([.. data.Read(SampleTask.Refer, Split.Train).Where(sample => sample.Boxes.Count > 0)]);
        Dictionary<(string?, Text.Side?), string> written = [];
        return [.. samples.Select(sample =>
        {
            var key = constant.KeyOf(sample);
            if (!written.TryGetValue(key, out var name))
            {
                written[key] = name = FormattableString.Invariant($"{into}/{written.Count + 1:0000}.npy");
                HeatMap.Write(folder.In(name), constant.Map(key), ConstantMaps.Grid, ConstantMaps.Grid);
            }

            return ModelAnswers.Question(sample) with { HeatMap = name };
        })];
    }

    private List<Prediction> InOrder(IEnumerable<Prediction> answers)
    {
        var byId = answers.ToDictionary(answer => answer.Id);
        return [.. samples.Select(sample => byId[sample.Id])];
    }
}
