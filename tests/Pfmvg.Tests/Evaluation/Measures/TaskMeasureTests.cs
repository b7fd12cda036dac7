using Pfmvg.Data;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Tests.Evaluation.Predictions;

namespace Pfmvg.Tests.Evaluation.Measures;

/// <summary>What answers to other tasks than the place of a phrase are worth.</summary>
public sealed class TaskMeasureTests
{
    private static readonly ScoringOptions Options = new() { Resamples = 200, Seed = 5 };

    private static Sample Question(string id, SampleTask task, string? name, string text, params Box[] boxes) => new()
    {
        Id = id, Task = task, Image = $"{id}.png", Width = 1000, Height = 1000, Text = text, Class = name, Source = "ms-cxr", Boxes = boxes,
        Patient = $"p{id}",
    };

    private static Sample Known(string? name, string text) => Question(text, SampleTask.Refer, name, text);

    private static (Sample, Prediction) Answered(Sample question, string answer) =>
        (question, Answers.Make(question.Id, question.Boxes, answer, question.Class ?? "", question.Patient));

    private static double At(TaskMeasures measures, string metric, string row = "weighted") =>
        measures.Figures.Single(figure => figure.Row == row && figure.Metric == metric).Value!.Value;

    [Theory] // F1 = 2 common / (words of both)
    [InlineData("left edema", "Left edema.", 1, true)]
    [InlineData("mild left edema", "left edema", 0.8, false)]
    [InlineData("edema edema", "edema", 2.0 / 3, false)]
    [InlineData("edema left", "left edema", 1, false)]
    [InlineData("", "edema", 0, false)]
    [InlineData(" ", "", 1, true)]
    public void Words_agree_as_often_as_they_stand_in_both(string answer, string truth, double f1, bool same)
    {
        Assert.Equal(f1, Words.F1(Words.Of(answer), Words.Of(truth)), 12);
        Assert.Equal(same, Words.AreSame(Words.Of(answer), Words.Of(truth)));
    }

    [Fact]
    public void Words_have_the_class_of_the_phrase_that_is_nearest_to_them()
    {
        Sample[] known = [Known("Edema", "edema of the left lung"), Known("Edema", "edema"), Known("Pneumonia", "opacity on the left"),
            Known("Edema", "opacity on the left"), Known("Edema", "Opacity on the left."), Known(null, "anything")];
        var classes = new PhraseClasses(known);
        Assert.Equal("Edema", classes.Of("left edema"));
        Assert.Equal("Edema", classes.Of("opacity on the left")); // two of three samples
        Assert.Null(classes.Of("anything"));
        Assert.Null(classes.Of(""));
    }

    [Fact]
    public void A_place_is_named_by_its_phrase_and_its_class()
    {
        Sample[] known = [Known("Edema", "left edema"), Known("Cardiomegaly", "large heart")];
        var box = new Box(0, 0, 10, 10);
        var measures = TaskMeasures.Of(SampleTask.Identify,
        [
            Answered(Question("1", SampleTask.Identify, "Edema", "left edema", box), "left edema"),
            Answered(Question("2", SampleTask.Identify, "Edema", "left edema", box), "edema on the left"),
            Answered(Question("3", SampleTask.Identify, "Cardiomegaly", "large heart", box), "left edema"),
            Answered(Question("4", SampleTask.Identify, null, "no class", box), "nothing"),
        ], known, Options);
        Assert.Equal(0.25, At(measures, "phrase_exact"));
        Assert.Equal((1 + 2.0 / 3 + 0 + 0) / 4, At(measures, "token_f1"), 12);
        Assert.Equal(2.0 / 3, At(measures, "class_accuracy"), 12);
        Assert.Equal((1, 0), (At(measures, "class_accuracy", "Edema"), At(measures, "class_accuracy", "Cardiomegaly")));
        Assert.Contains("By that rule the true phrases themselves reach 1.000.", measures.Rules);
    }

    [Fact]
    public void A_grounded_text_is_paired_phrase_by_phrase_where_words_and_boxes_agree()
    {
        var report = Question("1", SampleTask.Grounding, null, "left edema. large heart. lungs are clear.",
            new Box(100, 100, 300, 300), new Box(500, 500, 700, 700)) with
        {
            Phrases = [("left edema", 1), ("large heart", 1), ("lungs are clear.", 0)],
        };
        TaskMeasures Of(string answer) => TaskMeasures.Of(SampleTask.Grounding, [Answered(report, answer)], [], Options);
        const string Edema = "<p>left edema</p> {<10><10><30><30>}", Heart = "<p>large heart</p> {<50><50><70><60>}";
        var right = Of($"{Edema}. <p>large heart</p> {{<50><50><70><70>}}. lungs are clear.");
        foreach (var metric in (string[])["text_f1", "grounded_iou", "grounded_f1@0.5", "f1@0.5"]) Assert.Equal(1, At(right, metric), 12);
        var half = Of($"{Edema}. {Heart}."); // the heart's IoU is 1/2
        Assert.Equal(2.0 * 4 / (7 + 4), At(half, "text_f1"), 12);
        Assert.Equal((1 + 0.5) / 2, At(half, "grounded_iou"), 12);
        Assert.Equal(1, At(half, "grounded_f1@0.5"), 12);
        var swapped = Of("<p>large heart</p> {<10><10><30><30>}. <p>left edema</p> {<50><50><70><70>}.");
        Assert.Equal((0, 0, 1), (At(swapped, "grounded_iou"), At(swapped, "grounded_f1@0.5"), At(swapped, "f1@0.5")));
        var more = Of($"{Edema}. {Edema}. <p>anything else</p> {{<1><1><2><2>}}.");
        Assert.Equal((1.0 / 3, 2.0 / 5), (At(more, "grounded_iou"), At(more, "grounded_f1@0.5")));
        Assert.Contains(Of("left edema").Rules,
            rule => rule.StartsWith("1 of 1 answers do not end with a full stop", StringComparison.Ordinal));
    }

    [Fact]
    public void Two_texts_without_boxes_agree_and_a_box_where_there_is_none_does_not()
    {
        var report = Question("1", SampleTask.Grounding, null, "no finding.") with { Phrases = [("no finding", 0)] };
        Assert.Equal(1, At(TaskMeasures.Of(SampleTask.Grounding, [Answered(report, "no finding.")], [], Options), "grounded_iou"));
        Assert.Equal(0, At(TaskMeasures.Of(SampleTask.Grounding, [Answered(report, "<p>edema</p> {<1><1><9><9>}.")], [], Options),
            "grounded_iou"));
    }

    [Fact]
    public void A_class_has_the_scores_of_a_set_of_boxes()
    {
        var both = Question("1", SampleTask.Detection, "Edema", "Edema", new Box(100, 100, 300, 300), new Box(500, 500, 700, 700));
        var measures = TaskMeasures.Of(SampleTask.Detection,
            [Answered(both, "<p>edema</p> {<50><50><70><70>}<delim>{<10><10><30><20>}"), Answered(both with { Id = "2" }, "none")], [],
            Options);
        Assert.Equal((1 + 0.5) / 2 / 2, At(measures, "set_iou"), 12);
        Assert.Equal(0.5, At(measures, "set_f1@0.5"), 12);
        Assert.Equal(0.5, At(measures, "count_right"), 12);
    }
}
