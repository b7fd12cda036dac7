using System.Text.RegularExpressions;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Pfmvg.Models.Building;

/// <summary>
/// Fills projector, adapters and `ln_vision` from files that hold trained tensors: checkpoints of the original code and folders of peft.
/// A trained tensor that finds no place is an error, and what stays as it was is said.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="path">The file or folder, as the user named it.</param>
/// <param name="ignoreUnplaced">Leaves out tensors without a place instead of refusing them.</param>
internal sealed partial class TrainedTensors(GroundingModel model, string path, bool ignoreUnplaced)
{
    private readonly Dictionary<string, Parameter> _targets = model.named_parameters()
        .Where(p => ParameterNames.IsTrainable(p.name) || ParameterNames.IsVisionNorm(p.name)).ToDictionary(p => p.name, p => p.parameter);

    private readonly Dictionary<string, long[]> _stored = []; // shapes by the model's names
    private readonly List<string> _notes = [];

    /// <summary>Loads whatever the path holds.</summary>
    /// <exception cref="InputException">
    /// It is broken, of another model, holds trained tensors that the model has no place for, or nothing that this model trains.
    /// </exception>
    public LoadedFile Load()
    {
        var report = PeftAdapter.Find(path) is { } adapter ? LoadAdapter(adapter) : LoadFile(path, _ => true, LoadRules.WhatIsThere);
        if (!report.Loaded.Any(ParameterNames.IsTrainable))
            throw new InputException($"{path}: holds neither a projector ({ParameterNames.Projector}) nor adapters (lora); "
                + "give a MiniGPT-v2 checkpoint, an adapter folder of peft, or a checkpoint of PFMVG.");
        return new LoadedFile(path, report) { Notes = _notes, Unfilled = [.. _targets.Keys.Except(report.Loaded)] };
    }

    /// <summary>What files left open that no later one filled: it stays at its start, or as an earlier file has it.</summary>
    public static IEnumerable<string> NotesOfUnfilled(IReadOnlyList<LoadedFile> files)
    {
        for (var i = 0; i < files.Count; i++)
        {
            var (file, earlier) = (files[i], files.Take(i).SelectMany(other => other.Report.Loaded).ToHashSet());
            var open = file.Unfilled.Except(files.Skip(i + 1).SelectMany(other => other.Report.Loaded)).ToList();
            var fresh = open.FindAll(name => !earlier.Contains(name));
            var count = $"{file.Path} fills {file.Report.Loaded.Count} of {file.Report.Loaded.Count + file.Unfilled.Count} tensors";
            if (fresh.Count > 0) yield return $"warning: {count}; at their start stay {Describe(fresh)}.";
            if (fresh.Count < open.Count)
                yield return $"{count}; as the earlier file has them stay {Describe(open.FindAll(earlier.Contains))}.";
        }
    }

    /// <summary>An adapter is whole in itself: a module that it lacks has none. A projector may lie in another file beside it.</summary>
    private LoadReport LoadAdapter(PeftAdapter adapter)
    {
        adapter.Require(model.Config.Lora);
        var report = LoadFile(adapter.WeightsPath, _ => true, LoadRules.WhatIsThere with { Resize = Padded }, adapter);
        using var quiet = no_grad();
        var absent = new List<string>();
        foreach (var (up, value) in _targets.Where(target => ParameterNames.IsLoraUp(target.Key)))
        {
            var down = ParameterNames.LoraDownOf(up);
            var (hasUp, hasDown) = (_stored.TryGetValue(up, out var outer), _stored.TryGetValue(down, out var inner));
            if (hasUp != hasDown || hasUp && outer![1] != inner![0])
                throw Refusal.ForFile(adapter.WeightsPath, $"{(hasUp ? up : down)} does not go with {(hasUp ? down : up)}",
                    "fetch the adapter again");
            if (!hasUp)
            {
                value.zero_();
                absent.AddRange([up, down]);
                continue;
            }

            using var scope = NewDisposeScope();
            var module = up[(ParameterNames.Language.Length + 1)..up.IndexOf($".{ParameterNames.LoraUp}.", StringComparison.Ordinal)];
            var factor = adapter.Scale(module, outer![1]) / model.Config.Lora.Scale;
            if (factor != 1) value.mul_(factor);
        }

        if (absent.Count > 0) _notes.Add($"warning: {adapter.WeightsPath}: has no adapter for {Describe(absent)}; its update is zero.");
        var hasProjector = report.Loaded.Any(ParameterNames.IsProjector);
        return report with { Loaded = [.. report.Loaded, .. absent, .. LoadProjector(adapter.Folder, hasProjector)], Kept = [] };

        // Zeros beyond the module's own rank change nothing.
        Tensor? Padded(string name, Tensor stored)
        {
            var (target, dimension) = (_targets[name].shape, ParameterNames.IsLoraUp(name) ? 1 : 0);
            if (!adapter.HasRanks || stored.dim() != 2 || stored.shape[1 - dimension] != target[1 - dimension]) return null;
            if (stored.shape[dimension] > target[dimension])
                throw Refusal.ForFile(adapter.WeightsPath, $"{name} has the rank {stored.shape[dimension]} (rank_pattern), above "
                    + $"model.lora.rank {target[dimension]}", "such an adapter cannot be held; train one of a single rank");
            var padded = zeros(target, stored.dtype);
            padded.narrow(dimension, 0, stored.shape[dimension]).copy_(stored);
            return padded;
        }
    }

    private IReadOnlyList<string> LoadProjector(string folder, bool hasProjector)
    {
        var files = Directory.GetFiles(folder).Where(HoldsProjector).Order(StringComparer.Ordinal).ToList();
        if (files.Count > (hasProjector ? 0 : 1))
            throw Refusal.ForFile(folder, $"has several projectors, also in {string.Join(", ", files.Select(Path.GetFileName))}",
                "keep the one that belongs to the adapter");
        if (files.Count == 0) return [];
        var isVision = (string name) => ParameterNames.IsProjector(name) || ParameterNames.IsVisionNorm(name);
        return LoadFile(files[0], isVision, LoadRules.WhatIsThere).Loaded;
    }

    // Beside an adapter lie other files, too, such as an optimizer's state. One that claims to be a projector must be readable.
    private static bool HoldsProjector(string file)
    {
        var name = Path.GetFileName(file);
        if (Path.GetExtension(name) is not (".safetensors" or ".pth" or ".pt" or ".bin")
            || name.StartsWith("adapter_model.", StringComparison.Ordinal)) return false;
        try
        {
            using var source = WeightFile.Open(file);
            return source.Tensors.Keys.Any(key => ParameterNames.IsProjector(ParameterNames.FromTrainedFile(key)));
        }
        catch (InputException) when (!name.Contains("proj", StringComparison.OrdinalIgnoreCase))
        {
            return false;
        }
    }

    private LoadReport LoadFile(string file, Func<string, bool> isWanted, LoadRules rules, PeftAdapter? adapter = null)
    {
        var targets = _targets.Where(target => isWanted(target.Key)).ToDictionary(target => target.Key, target => (Tensor)target.Value);
        using var source = WrapperNames.Open(file, targets.Keys, ParameterNames.FromTrainedFile);
        if (adapter is null) _notes.AddRange(CheckpointWord.Compare(source, model.Config));
        RequirePlaces(source, targets, adapter);
        var report = WeightLoader.Load(
            targets, source, name => ParameterNames.IsRotaryTable(name) ? null : ParameterNames.FromTrainedFile(name), rules);
        report.ThrowIfUnusable(file);
        foreach (var info in source.Tensors.Values) _stored[ParameterNames.FromTrainedFile(info.Name)] = info.Shape;
        return report;
    }

    /// <summary>Of a start file, what was trained must find its place, while copies of frozen weights only cost room.</summary>
    private void RequirePlaces(ITensorFile source, Dictionary<string, Tensor> targets, PeftAdapter? adapter)
    {
        var names = source.Tensors.Keys.Where(key => !ParameterNames.IsRotaryTable(key))
            .ToDictionary(key => key, ParameterNames.FromTrainedFile);
        var unplaced = names.Where(pair => !targets.ContainsKey(pair.Value)).ToList();
        if (unplaced.Count == 0) return;
        var hasBase = names.Values.Any(name => name.EndsWith($".{ParameterNames.Gate}.{ParameterNames.Weight}", StringComparison.Ordinal));
        var trained = unplaced.Where(pair => adapter is not null && !hasBase || IsTrained(pair.Value, hasBase)).ToList();
        if (trained.Count > 0 && !ignoreUnplaced)
        {
            var (key, name) = trained[0];
            var nearest = NearestName.Of(name, targets.Keys);
            throw Refusal.ForFile(source.Path, $"{trained.Count} trained tensors have no place in the model, the first '"
                + $"{Refusal.Show(key)}'" + (nearest is null ? "" : $" (nearest in the model: {nearest})"), Advice(name));
        }

        var all = string.Join(", ", unplaced.Take(3).Select(pair => Refusal.Show(pair.Key))) + (unplaced.Count > 3 ? ", ..." : "");
        _notes.Add($"warning: {source.Path}: {unplaced.Count} tensors have no place among the trained ones and are left out ({all}).");
    }

    private static bool IsTrained(string name, bool hasBase) =>
        TrainedMark().IsMatch(name) || ParameterNames.IsProjector(name) || ParameterNames.IsVisionNorm(name)
        || ParameterNames.IsPartOf(ParameterNames.Language, name) && name.EndsWith(".bias", StringComparison.Ordinal)
        || !hasBase && ParameterNames.IsPartOf(ParameterNames.Language, name);

    private string Advice(string name)
    {
        const string Ignore = "weights.ignore_unplaced: true leaves them out";
        if (name.EndsWith(".bias", StringComparison.Ordinal)) return $"biases (lora_bias, bias) are not computed here; {Ignore}";
        if (_targets.ContainsKey(name)) return "the adapter is in a file of its own here: remove what this file has of another";
        if (LoraModule().Match(name) is not { Success: true } lora) return $"they are not computed here; {Ignore}";
        var module = lora.Groups[1].Value;
        return model.Config.Lora.Targets.Contains(module)
            ? $"name the language model that they were trained on; {Ignore}"
            : $"its target_modules are not those of model.lora.targets, which lacks {Refusal.Show(module)}; {Ignore}";
    }

    /// <summary>Parts, modules and layers of tensors, with their number.</summary>
    private static string Describe(List<string> names)
    {
        var layers = names.Select(name => (Name: name, Match: LayerModule().Match(name))).Where(item => item.Match.Success)
            .GroupBy(item => int.Parse(item.Match.Groups[1].Value), item => item.Match.Groups[2].Value)
            .OrderBy(layer => layer.Key)
            .GroupBy(layer => string.Join(", ", layer.Distinct().Order(StringComparer.Ordinal)), layer => layer.Key)
            .Select(same => $"{same.Key} of {(same.Count() == 1 ? "layer" : "layers")} {Ranges([.. same])}");
        var parts = names.Where(name => !LayerModule().IsMatch(name)).Select(name => name.Split('.')[0]).Distinct();
        return $"{string.Join(", and ", parts.Concat(layers))} ({names.Count} tensors)";

        static string Ranges(int[] numbers) => string.Join(", ", numbers.Select((number, index) => (number, Run: number - index))
            .GroupBy(item => item.Run, item => item.number)
            .Select(run => run.Count() == 1 ? $"{run.First()}" : $"{run.First()}-{run.Last()}"));
    }

    [GeneratedRegex("lora_|modules_to_save|magnitude|trainable_tokens|vera_|ia3_|hada_|lokr_|oft_|prompt_e|prefix|adaption_")]
    private static partial Regex TrainedMark();

    [GeneratedRegex(@"([^.]+)\.lora_")] private static partial Regex LoraModule();

    [GeneratedRegex(@"\.layers\.(\d+)\..*?([^.]+)\.lora_")] private static partial Regex LayerModule();
}
