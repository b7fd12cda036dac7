using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

/// <summary>Questions of other tasks that phrases with boxes hold, and their place in an epoch.</summary>
public sealed class TaskQuestionTests
{
    private static readonly Box[] Places = [new(1, 1, 20, 20), new(30, 30, 60, 50), new(5, 40, 25, 90)];

    private static Sample Phrase(string image, string? name, string text, params Box[] boxes) => new()
    {
        Id = $"ms-cxr/{image}/{text}", Task = SampleTask.Refer, Image = image, Width = 100, Height = 100, Text = text, Class = name,
        Source = "ms-cxr", Boxes = boxes,
    };

    /// <summary>Thirty pictures with an effusion on both sides and an edema, and every third with a second one.</summary>
    private static List<Sample> Split() => [.. Enumerable.Range(0, 30).SelectMany(i => (Sample[])
    [
        Phrase($"{i}.png", "Pleural Effusion", "bilateral effusions.", Places[0], Places[1]),
        Phrase($"{i}.png", "Edema", "Left edema", Places[2]),
        .. i % 3 == 0 ? (Sample[])[Phrase($"{i}.png", "Edema", "right edema", Places[1])] : [],
    ])];

    private static StageSettings Stage(params (string Task, string Share)[] tasks) => new()
    {
        Task = SampleTask.Refer, Tasks = tasks.ToDictionary(task => task.Task, task => task.Share),
    };

    [Fact]
    public void A_place_is_asked_for_each_box_and_its_phrase_is_the_answer()
    {
        var split = Split();
        var places = TaskQuestions.All(split, SampleTask.Identify);
        Assert.Equal(split.Sum(sample => sample.Boxes.Count), places.Count);
        Assert.All(places, place => Assert.Contains(split, sample => sample.Image == place.Image && sample.Text == place.Text
            && sample.Class == place.Class && sample.Boxes.Contains(Assert.Single(place.Boxes))));
        Assert.Equal(places.Count, places.Select(place => place.Id).Distinct().Count());
    }

    [Fact]
    public void A_class_is_asked_once_a_picture_with_all_its_boxes_there()
    {
        var classes = TaskQuestions.All([.. Split(), Phrase("0.png", null, "no class", Places[0])], SampleTask.Detection);
        Assert.Equal(60, classes.Count);
        Assert.Equal([Places[2], Places[1]], classes.Single(one => one is { Image: "0.png", Class: "Edema" }).Boxes);
        Assert.Equal([Places[2]], classes.Single(one => one is { Image: "1.png", Class: "Edema" }).Boxes);
        Assert.All(classes, one => Assert.Equal(one.Class, one.Text));
    }

    [Fact]
    public void A_report_holds_all_phrases_of_its_picture_in_their_order_and_those_without_a_box_as_words()
    {
        Sample[] split = [.. Split().Take(2), Phrase("0.png", "normal", "The heart is normal.") with { Normal = true },
            Phrase("2.png", "lungs", "left lung", Places[0]) with { Source = "chest-imagenome" }];
        var report = Assert.Single(TaskQuestions.All(split, SampleTask.Grounding)); // regions of the anatomy are no report
        Assert.Equal([("bilateral effusions.", 2), ("Left edema", 1), ("The heart is normal.", 0)], report.Phrases);
        Assert.Equal(Places, report.Boxes);
        Assert.Equal("bilateral effusions. Left edema. The heart is normal.", report.Text);
        Assert.Equal((null, false), (report.Class, report.Normal));
    }

    [Theory, InlineData(SampleTask.Identify), InlineData(SampleTask.Detection), InlineData(SampleTask.Grounding)]
    public void A_draw_depends_on_seed_epoch_and_number_alone_and_its_picture_on_seed_and_number(SampleTask task)
    {
        var (one, same, other) =
            (new TaskQuestions(Split(), task, 7), new TaskQuestions(Split(), task, 7), new TaskQuestions(Split(), task, 8));
        for (var number = 89; number >= 0; number--)
        {
            Assert.Equal(one.Draw(number, 3).Id, same.Draw(number, 3).Id);
            Assert.Equal(one.Draw(number, 0).Image, one.Draw(number, 9).Image);
            Assert.True(one.Draw(number, 5).Boxes.All(one.Boxes(number).Contains));
        }

        Assert.Equal(30, Enumerable.Range(0, 30).Select(number => one.Draw(number, 0).Image).Distinct().Count());
        Assert.Equal(90, Enumerable.Range(0, 90).Select(number => one.Draw(number, 0).Id).Distinct().Count());
        Assert.NotEqual(Enumerable.Range(0, 30).Select(number => one.Draw(number, 0).Image),
            Enumerable.Range(0, 30).Select(number => other.Draw(number, 0).Image));
        if (task != SampleTask.Grounding) // which has one question a picture
            Assert.NotEqual(Enumerable.Range(0, 30).Select(number => one.Draw(number, 3).Boxes),
                Enumerable.Range(0, 30).Select(number => one.Draw(number, 4).Boxes));
    }

    [Fact]
    public void Shares_are_of_the_whole_epoch_and_the_phrases_before_them_stay_as_they_are()
    {
        var split = Split(); // 70 phrases, 100 boxes
        var plain = new TaughtMixture("data", split, Stage(), 7);
        var mixed = new TaughtMixture("data", split, Stage(("grounding", "0.1"), ("identify", "0.2"), ("detection", "0.2")), 7);
        Assert.Equal(100, plain.Samples.Count);
        Assert.Equal(200, mixed.Samples.Count);
        Assert.Equal([(SampleTask.Refer, 100), (SampleTask.Identify, 40), (SampleTask.Detection, 40), (SampleTask.Grounding, 20)],
            mixed.Samples.CountBy(sample => sample.Task).Select(own => (own.Key, own.Value)));
        for (var i = 0; i < 100; i++)
        {
            Assert.Equal(plain.Samples[i].Id, mixed.Samples[i].Id);
            Assert.Same(mixed.Samples[i], mixed.At(i, 5));
            Assert.False(mixed.IsDrawn(i));
        }

        Assert.Equal(mixed.Samples.Skip(100).Select(sample => sample.Id), Enumerable.Range(100, 100).Select(i => mixed.At(i, 0).Id));
        Assert.Contains(Enumerable.Range(100, 80), i => mixed.At(i, 1).Id != mixed.At(i, 0).Id);
        Assert.All(Enumerable.Range(100, 100), i => Assert.True(mixed.IsDrawn(i) && mixed.At(i, 3).Boxes.All(mixed.BoxesOf(i).Contains)));
        Assert.Equal("mixture  200 samples an epoch: 40 of the task identify, on 30 pictures; 40 of the task detection, on 30 pictures; "
            + "20 of the task grounding, on 20 pictures", mixed.Said);
        var ids = mixed.Possible.Select(sample => sample.Id).ToHashSet();
        Assert.All(Enumerable.Range(0, 40), i => Assert.Contains(mixed.At(100 + i, 7).Id.Replace("identify2", "identify",
            StringComparison.Ordinal), ids));
        Assert.Equal(plain.Samples.Count, new TaughtMixture("data", split, Stage(("identify", "0.5")).Unmixed, 7).Samples.Count);
    }

    [Fact]
    public void Negatives_keep_their_share_beside_other_tasks()
    {
        var split = Split();
        split.AddRange(Enumerable.Range(0, 30).Select(i => Phrase($"n{i}.png", "Pneumothorax", "apical pneumothorax", Places[0])));
        var mixed = new TaughtMixture("data", split, Stage(("identify", "0.25")) with { Negatives = 0.25 }, 7);
        Assert.Equal((130, 65, 65), (mixed.Samples.Count(sample => sample is { Task: SampleTask.Refer, Boxes.Count: > 0 }),
            mixed.Samples.Count(sample => sample.Boxes.Count == 0), mixed.Samples.Count(sample => sample.Task == SampleTask.Identify)));
    }

    [Fact]
    public void A_data_set_that_is_left_out_teaches_no_other_task_either()
    {
        List<Sample> split = [.. Split(), Phrase("v.png", "Nodule/Mass", "Nodule/Mass", Places[0]) with { Source = "vindr-cxr" }];
        var settings = Stage(("identify", "0.5")) with { Repeat = new Dictionary<string, string> { ["vindr_cxr"] = "0" } };
        Assert.DoesNotContain(new TaughtMixture("data", split, settings, 7).Possible, sample => sample.Source == "vindr-cxr");
    }

    [Fact]
    public void A_task_that_the_phrases_do_not_hold_is_refused()
    {
        Sample[] split = [Phrase("a.png", null, "left edema", Places[0])];
        Assert.Contains("data: no question of the task detection can be made (stage2.tasks): it takes phrases with a box and a class",
            Assert.Throws<InputException>(() => new TaughtMixture("data", split, Stage(("detection", "0.2")), 7)).Message,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("stage2.tasks={vqa: 0.2}", "names vqa, but no data set that is read holds questions with answers")]
    [InlineData("stage2.tasks={refer: 0.2}", "names the task refer; use some of identify, detection, grounding")]
    [InlineData("stage2.tasks={identify: some}", "stage2.tasks (--set stage2.tasks={identify: some}) gives identify the share \"some\"")]
    [InlineData("stage2.tasks={identify: -0.1}", "give a number from 0 to 0.9, as in { identify: 0.2 }")]
    [InlineData("stage2.tasks={identify: 0.5, grounding: 0.5}", "takes 1 of an epoch's samples, negatives included; leave at least 0.1")]
    [InlineData("stage1.tasks={identify: 0.2}", "asks about boxes, and the stage teaches captions")]
    public void Settings_that_make_no_mixture_are_one_sentence(string setting, string said) => Assert.Contains(said,
        Assert.Throws<InputException>(() => ConfigurationFile.Load(null, [setting])).Message, StringComparison.Ordinal);
}
