using Pfmvg.Models;

namespace Pfmvg.Configuration;

/// <summary>What must hold between several settings.</summary>
internal static class ConfigurationRules
{
    /// <summary>A broken rule: the paths it is about, the one to put right first, and what is wrong.</summary>
    public readonly record struct Broken(string[] Paths, string Problem);

    private static bool IsFactor(string times) =>
        times.Length <= 4 && times.All(char.IsAsciiDigit) && int.TryParse(times, out var number) && number <= 1000;

    // What is wrong with the other tasks of a stage.
    private static IEnumerable<string> Tasks(StageSettings stage)
    {
        var known = string.Join(", ", StageSettings.TaskNames);
        if (stage.Tasks.Count > 0 && stage.Task == SampleTask.Caption)
            yield return "asks about boxes, and the stage teaches captions; leave it out";
        if (stage.Tasks.Keys.FirstOrDefault(task => !StageSettings.TaskNames.Contains(task)) is { } unknown)
            yield return unknown == "vqa" ? "names vqa, but no data set that is read holds questions with answers; use some of " + known
                : $"names the task {unknown}; use some of {known}";
        else if (stage.Tasks.FirstOrDefault(task => StageSettings.TaskShare(task.Value) is null) is { Key: { } task, Value: var share })
            yield return $"gives {task} the share \"{share}\"; give a number from 0 to 0.9, as in {{ identify: 0.2 }}";
        else if (stage.Negatives + stage.TaskShares.Sum(one => one.Share) is > 0.9 + 1e-9 and var sum)
            yield return $"takes {sum:0.###} of an epoch's samples, negatives included; leave at least 0.1 for the stage's own task";
    }

    /// <summary>Every rule that the configuration breaks.</summary>
    public static IEnumerable<Broken> Check(PfmvgConfiguration configuration)
    {
        var (model, vision, language) = (configuration.Model, configuration.Model.Vision, configuration.Model.Language);
        var side = model.ImageSize / vision.PatchSize;

        if (model.ImageSize % vision.PatchSize != 0)
            yield return new(["model.image_size", "model.vision.patch_size"],
                $"is {model.ImageSize}, which is not a multiple of model.vision.patch_size {vision.PatchSize}");
        else if (model.Join == TokenJoin.Square && (int)Math.Sqrt(model.Concat) is var edge
            && (edge * edge != model.Concat || side % edge != 0))
            yield return new(["model.join", "model.concat", "model.image_size", "model.vision.patch_size"],
                $"is square, but the picture's {side} x {side} patches are not made of squares of {model.Concat} (model.concat)");
        else if (side * side % model.Concat != 0)
            yield return new(["model.concat", "model.image_size", "model.vision.patch_size"],
                $"is {model.Concat}, which does not divide the picture's {side} x {side} = {side * side} patches");

        if (vision.Width % vision.Heads != 0)
            yield return new(["model.vision.heads", "model.vision.width"],
                $"is {vision.Heads}, which does not divide model.vision.width {vision.Width}");

        if (language.HiddenSize % language.Heads != 0)
            yield return new(["model.language.heads", "model.language.hidden_size"],
                $"is {language.Heads}, which does not divide model.language.hidden_size {language.HiddenSize}");
        else if (language.HiddenSize / language.Heads % 2 != 0)
            yield return new(["model.language.heads", "model.language.hidden_size"],
                $"gives a head size of {language.HiddenSize / language.Heads}, but the rotary embedding needs an even one");

        foreach (var (name, stage) in new[] { ("stage1", configuration.Stage1), ("stage2", configuration.Stage2) })
        {
            if (stage.MinLr > stage.InitLr)
                yield return new([$"{name}.min_lr", $"{name}.init_lr"], $"is {stage.MinLr:r}, above {name}.init_lr {stage.InitLr:r}");
            if (stage.WarmupSteps > 0 && stage.WarmupStartLr > stage.InitLr)
                yield return new([$"{name}.warmup_start_lr", $"{name}.init_lr"],
                    $"is {stage.WarmupStartLr:r}, above {name}.init_lr {stage.InitLr:r}");
            if (stage is { SharePictures: true, GroupByLength: true })
                yield return new([$"{name}.share_pictures", $"{name}.group_by_length"],
                    $"is true, but {name}.group_by_length orders the samples in another way; set one of them to false");
            if (stage is { TrainVision: true } && configuration.Precision != Precision.Float32)
                yield return new([$"{name}.train_vision", "precision"],
                    "is true, but precision is bf16, in which a step's change of the vision tower would be rounded away; set precision to "
                        + "float32");
            if (stage is { TrainVision: false, VisionLrFactor: not 1 })
                yield return new([$"{name}.vision_lr_factor", $"{name}.train_vision"],
                    $"is {stage.VisionLrFactor:r}, but {name}.train_vision is false, so the vision tower does not learn");
            if (stage is { Image: ImageMode.Resize, CropShare: not 1 })
                yield return new([$"{name}.crop_share", $"{name}.image"],
                    $"is {stage.CropShare:r}, but {name}.image: resize crops nothing; set image to random_crop, or leave the share out");
            if (stage.Task is not (SampleTask.Caption or SampleTask.Refer))
                yield return new([$"{name}.task"], $"is {YamlLayer.Key($"{stage.Task}")}, which single pictures can be asked "
                    + "(pfmvg predict --task), but a stage teaches caption or refer");
            if (stage is { Negatives: > 0, Task: SampleTask.Caption })
                yield return new([$"{name}.negatives"], "is about phrases, and the stage teaches captions; set it to 0");
            if (stage.Repeat.FirstOrDefault(pair => !IsFactor(pair.Value)) is { Key: { } set, Value: var times })
                yield return new([$"{name}.repeat"],
                    $"takes {set} \"{times}\" times; give a whole number from 0 to 1000, as in {{ ms_cxr: 2 }}");
            foreach (var problem in Tasks(stage)) yield return new([$"{name}.tasks"], problem);
            if (stage is { Patience: > 0, Validate: false })
                yield return new([$"{name}.patience", $"{name}.validate"],
                    $"is {stage.Patience}, but {name}.validate is false, so nothing tells whether an epoch was better");
        }

        foreach (var (name, stage) in new[] { ("stage1", configuration.Stage1), ("stage2", configuration.Stage2) })
            if (stage is { CoordinateLoss: > 0, Task: SampleTask.Caption })
                yield return new([$"{name}.coordinate_loss", $"{name}.task"],
                    $"is {stage.CoordinateLoss:r}, but {name}.task caption teaches no coordinates; set it to 0");
        if (configuration.Stage1.BoxHead)
            yield return new(["stage1.box_head"], "is true, but the box head is trained in stage 2 alone; set stage2.box_head");
        if (configuration.Stage2 is { BoxHead: true, Task: SampleTask.Caption })
            yield return new(["stage2.box_head", "stage2.task"], "is true, but stage2.task caption teaches no boxes");
        if (configuration is { Eval.Answer: AnswerForm.BoxHead, Stage2.BoxHead: false })
            yield return new(["eval.answer", "stage2.box_head"],
                "is box_head, but stage2.box_head is false, so the model has none; set both, and use a checkpoint trained so");
        if (configuration.Rival is { } rival && rival.Crop > rival.Resize)
            yield return new(["rival.crop", "rival.resize"], $"is {rival.Crop}, above rival.resize {rival.Resize}");
        if (configuration.Rival is { Crop: > 0 and < 32 } small)
            yield return new(["rival.crop"], $"is {small.Crop}, below the 32 pixels of one place of the model; 0 is the model's own");

        if (configuration.Cnn is { } cnn)
        {
            if (cnn.ImageSize % 8 != 0)
                yield return new(["cnn.image_size"], $"is {cnn.ImageSize}, which is not a multiple of 8, the steps of the network's grid");
            if (cnn.Width % 32 != 0)
                yield return new(["cnn.width"], $"is {cnn.Width}, which is not a multiple of 32, so its norms find no equal groups");
        }

        if (configuration.Stage2 is { BoxHead: false, BoxHeadWeight: not 1 })
            yield return new(["stage2.box_head_weight", "stage2.box_head"],
                $"is {configuration.Stage2.BoxHeadWeight:r}, but stage2.box_head is false, so there is no head to weigh");
        var eval = configuration.Eval;
        if (eval.Answer == AnswerForm.BoxHead)
            foreach (var (name, isSet) in ((string, bool)[])[("decode", eval.Decode != AnswerChoice.Greedy), ("beams", eval.Beams > 1),
                ("temperature", eval.Temperature > 0), ("constrain", eval.Constrain != AnswerConstraint.None),
                ("negatives", eval.Negatives > 0)])
                if (isSet)
                    yield return new(["eval.answer", $"eval.{name}"],
                        $"is box_head, which always answers with one box and writes no text, but eval.{name} is set; set one of them back");
        if (eval is { Negatives: > 0, Constrain: AnswerConstraint.Boxes })
            yield return new(["eval.negatives", "eval.constrain"],
                $"is {eval.Negatives:r}, but eval.constrain: boxes allows no answer without a box; set one of them back");
        if (eval.Temperature > 0 && eval.Beams > 1)
            yield return new(["eval.temperature", "eval.beams"],
                $"is {eval.Temperature:r}, but beam search (eval.beams {eval.Beams}) draws no tokens; set one of them back");
        if (eval.Temperature == 0 && eval.Retries > 0)
            yield return new(["eval.retries", "eval.temperature"],
                $"is {eval.Retries}, but without eval.temperature the same answer would come again");
        var drawn = eval.Decode == AnswerChoice.ExpectedIou;
        if (drawn && eval.Beams > 1)
            yield return new(["eval.decode", "eval.beams"],
                $"is expected_iou, which draws answers, but eval.beams is {eval.Beams}; set one of them back");
        if (drawn && eval.TopP < 1)
            yield return new(["eval.decode", "eval.top_p"],
                $"is expected_iou, which needs draws from the whole distribution, but eval.top_p is {eval.TopP:r}; set it back to 1");
        if (drawn && eval.Retries > 0)
            yield return new(["eval.decode", "eval.retries"],
                $"is expected_iou, which has drawn many answers already, but eval.retries is {eval.Retries}; set it back to 0");
        if (!drawn && eval.Draws != new EvalSettings().Draws)
            yield return new(["eval.draws", "eval.decode"],
                $"is {eval.Draws}, but without eval.decode: expected_iou no answers are drawn to choose by");
        if (eval.Temperature == 0 && eval.TopP < 1)
            yield return new(["eval.top_p", "eval.temperature"], $"is {eval.TopP:r}, but without eval.temperature no tokens are drawn");
    }
}
