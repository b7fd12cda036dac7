using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Runs;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;
using Pfmvg.Text;

namespace Pfmvg.Tests.Runs;

/// <summary>The tasks of MiniGPT-v2's template, asked about single pictures.</summary>
public sealed class TaskPredictionTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Theory]
    [InlineData("refer", "</Img> [refer] give me the location of left edema [/INST]")]
    [InlineData("identify", "</Img> [identify] what object is in this location {<10><20><30><40>} [/INST]")]
    [InlineData("detection", "</Img> [detection] left edema [/INST]")]
    [InlineData("vqa", "</Img> [vqa] Based on the image, respond to this question with a short answer: left edema [/INST]")]
    [InlineData("grounding", "</Img> [grounding] please describe this image in details [/INST]")]
    public void A_task_is_asked_in_the_words_of_the_template(string name, string expected)
    {
        var prompt = TaskPrompt.Parse(name).Build("left edema", new GridBox(10, 20, 30, 40));
        Assert.Equal(("[INST] <Img>", expected), (prompt.BeforeImage, prompt.AfterImage));
    }

    [Fact]
    public void A_phrase_that_looks_like_a_place_stays_a_phrase() =>
        Assert.EndsWith("location of {box} and {phrase} [/INST]", TaskPrompt.Parse("refer").Build("{box} and {phrase}", null).AfterImage);

    [Theory]
    [InlineData("<p>a heart</p> {<1><2><30><40>} beside <p>two lungs</p> {<5><6><7><8>}<delim>{<9><10><11><12>} .",
        "a heart beside two lungs.", "a heart", 1, "two lungs", 2)]
    [InlineData("<p>a</p>{<1><2><3><4>}<p>b</p>", "a b", "a", 1, "b", 0)]
    public void A_grounded_text_is_read_as_words_and_as_phrases_with_boxes(
        string answer, string plain, string first, int boxes, string second, int more)
    {
        var text = GroundedText.Parse(answer);
        Assert.Equal(plain, text.Plain);
        Assert.Equal([(first, boxes), (second, more)], text.Phrases.Select(found => (found.Phrase, found.Boxes.Count)));
    }

    [Fact]
    public void An_answer_without_tags_is_its_own_words()
    {
        Assert.Equal("yes, on the left", GroundedText.Parse(" yes, on  the left ").Plain);
        Assert.Empty(GroundedText.Parse("yes {<1><2><3><4>}").Phrases);
        var line = TaskAnswer.Read(TaskPrompt.Parse("vqa"), null, Answers.Make("a", [], "yes \u001b[2J"), BoxReading.Written);
        Assert.Equal("yes \\u001b[2J", line.ToText());
        var none = TaskAnswer.Read(TaskPrompt.Parse("vqa"), null, Answers.Make("a", [], " "), BoxReading.Written);
        Assert.Equal("the model answers without a word", none.ToText());
    }

    [Fact]
    public void A_detected_class_has_all_its_boxes_in_pixels()
    {
        var line = TaskAnswer.Read(TaskPrompt.Parse("detection"), null,
            Answers.Make("a", [], "<p>edema</p> {<10><20><30><40>}<delim>{<50><50><60><70>}"), BoxReading.Written);
        Assert.Equal([new Box(100, 200, 300, 400), new Box(500, 500, 600, 700)], line.Boxes);
        var json = JsonNode.Parse(line.ToJson())!;
        Assert.Equal(("detection", "edema"), ((string)json["task"]!, (string)json["phrases"]![0]!["phrase"]!));
        Assert.Equal(2, json["boxes"]!.AsArray().Count);
        Assert.Null(json["failure"]);
    }

    [Fact]
    public void Every_task_is_answered_about_a_picture_and_a_table_asks_for_its_own_columns()
    {
        using var folder = new TemporaryFolder();
        var data = GroundingSetup.OpenData(workspace.Configuration("tasks"));
        var sample = data.Read(SampleTask.Refer, Split.Test)[0];
        var (path, name) = (data.ImagePath(sample), "x" + Path.GetExtension(sample.Image));
        File.Copy(path, folder.In(name));
        foreach (var (task, more) in ((string, string[])[])[("identify", ["--box", "1,2,30.5,40"]), ("detection", ["--phrase", "Edema"]),
            ("vqa", ["--phrase", "Is there edema ?"]), ("grounding", [])])
        {
            var json = Line(["--image", folder.In(name), "--task", task, .. more]);
            Assert.Equal((task, sample.Width), ((string)json["task"]!, (int)json["width"]!));
            Assert.NotNull(json["answer"]);
        }

        var table = Answers.Write(folder.Path, "cases.csv", "image,box,id", $"{name},\"1,2,30,40\",first");
        var row = Line(["--table", table, "--task", "identify", "--overlay", folder.In("drawn")]);
        Assert.Equal(("first", "[[1,2,30,40]]"), ((string)row["id"]!, row["box"]!.ToJsonString()));
        Assert.Equal(["0001-first.png"], Directory.GetFiles(folder.In("drawn")).Select(Path.GetFileName));

        JsonNode Line(string[] arguments)
        {
            var result = Shell.RunPfmvg(
                ["predict", "--from", "base", "--json", .. arguments, .. workspace.Sets("tasks", "eval.max_new_tokens=4")]);
            Assert.True(result.ExitCode == 0, $"{result}");
            return JsonNode.Parse(result.Output)!;
        }
    }

    [Theory]
    [InlineData("--image PICTURE --task find", "there is no such task; use one of refer, identify, detection, vqa, grounding.")]
    [InlineData("--image PICTURE --task identify", "--task identify: name the place with --box LEFT,TOP,RIGHT,BOTTOM")]
    [InlineData("--image PICTURE --task identify --box 1,2,3", "--box: '1,2,3' is no box")]
    [InlineData("--image PICTURE --task identify --box 9,2,3,4", "--box: '9,2,3,4' has no area")]
    [InlineData("--image PICTURE --task identify --box 1,2,3,99999", "--box: the box leaves the picture, which has")]
    [InlineData("--image PICTURE --task identify --box 1,2,3,4 --phrase edema", "asks about a place, not about a phrase")]
    [InlineData("--image PICTURE --task grounding --phrase edema", "asks about the whole picture, not about a phrase")]
    [InlineData("--image PICTURE --task vqa", "--task vqa: say what to ask with --phrase TEXT")]
    [InlineData("--image PICTURE --task vqa --phrase x --overlay o.png", "draws boxes, and --task vqa has none")]
    [InlineData("--image PICTURE --task vqa --phrase x --set eval.decode=expected_iou", "expected_iou chooses the box of a phrase")]
    [InlineData("--image PICTURE --task vqa --phrase x --constrain boxes", "eval.constrain: boxes (--constrain boxes) allows none")]
    [InlineData("--image PICTURE --phrase edema --box 1,2,3,4", "is the place that --task identify asks about")]
    [InlineData("--table boxes.csv --task identify --box 1,2,3,4", "is about one picture, and --table has a column box")]
    [InlineData("--image PICTURE --task identify --box 1,2,3,4 --model cnn", "only our own model knows it")]
    [InlineData("--table cases.csv --task identify", "the column box is missing")]
    [InlineData("--table boxes.csv --task identify", "boxes.csv:2: 'left' is no box")]
    public void A_wrong_combination_is_one_sentence(string arguments, string said)
    {
        using var folder = new TemporaryFolder();
        var data = GroundingSetup.OpenData(workspace.Configuration("tasks"));
        Answers.Write(folder.Path, "cases.csv", "image,phrase", "a.png,edema");
        Answers.Write(folder.Path, "boxes.csv", "image,box", "a.png,left");
        var picture = data.ImagePath(data.Read(SampleTask.Refer, Split.Test)[0]);
        var result = Shell.Run("dotnet", [Shell.Pfmvg, "predict", "--from", "base",
            .. arguments.Split(' ').Select(word => word == "PICTURE" ? picture : word), .. workspace.Sets("tasks")], folder: folder.Path);
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains(said, result.Error.ReplaceLineEndings(" "), StringComparison.Ordinal);
        Assert.Equal("", result.Output);
    }

    [Fact]
    public void A_stage_teaches_captions_or_phrases_and_no_other_task() => Assert.Contains("stage2.task",
        Assert.Throws<InputException>(() => ConfigurationFile.Load(null, ["stage2.task=vqa"])).Message, StringComparison.Ordinal);
}
