using System.Text.Json.Nodes;
using Pfmvg.Answering;
using Pfmvg.Data;
using Pfmvg.Evaluation.Measures;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Geometry;
using Pfmvg.Planning;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using Pfmvg.Training;

namespace Pfmvg.Tests.Runs;

/// <summary>The other tasks of MiniGPT-v2's template, taught beside phrases and asked about a split.</summary>
public sealed class TaskRunTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private const string Mixed = "stage2.tasks={identify: 0.2, detection: 0.2, grounding: 0.2}";

    [Theory, InlineData(false, "resize"), InlineData(false, "random_crop"), InlineData(true, "random_crop")]
    public void Other_tasks_are_taught_beside_phrases_that_stay_as_they_were(bool shared, string image)
    {
        string[] more = [$"stage2.share_pictures={(shared ? "true" : "false")}", $"stage2.image={image}", "stage2.max_answer_tokens=600"];
        var configuration = workspace.Configuration("tasks", [Mixed, .. more]);
        using var setup = GroundingSetup.Load(configuration, 0, configuration.Stage2.MaxAnswerTokens, null,
            TestContext.Current.CancellationToken);
        var split = setup.Data.Read(SampleTask.Refer, Split.Train);
        var (mixed, plain) = (setup.Samples(split, configuration.Stage2), setup.Samples(split, configuration.Stage2.Unmixed));
        Assert.InRange(mixed.Count, plain.Count / 0.4 - 2, plain.Count / 0.4 + 2);
        Assert.Equal(mixed.Count, new TrainingPlan(configuration, new PlanRequest(2, 1L << 40, 1, 100, null, null)).Samples);
        var cancel = TestContext.Current.CancellationToken;
        var examples = mixed.Load([.. Enumerable.Range(0, mixed.Count)], epoch: 3, augment: true, cancel).ToList();
        var same = plain.Load([.. Enumerable.Range(0, plain.Count)], epoch: 3, augment: true, cancel);
        foreach (var (example, other) in examples.Zip(same))
            Assert.Equal((other.Sequence.Ids, other.Box, other.DropoutSeed), (example.Sequence.Ids, example.Box, example.DropoutSeed),
                (a, b) => a.Ids.SequenceEqual(b.Ids) && a.Box == b.Box && a.DropoutSeed == b.DropoutSeed);

        var texts = examples.Skip(plain.Count).Select(example => (Question: setup.Builder.Tokenizer.Decode([.. example.Sequence.Ids
            .Where((id, i) => id != SequenceBuilder.ImageToken && example.Sequence.Targets[i] == SequenceBuilder.NoTarget)]),
            Answer: setup.Builder.Tokenizer.Decode([.. example.Sequence.Targets.Where(id => id != SequenceBuilder.NoTarget)]))).ToList();
        Assert.All(examples.Skip(plain.Count), example => Assert.Null(example.Box)); // the box head reads phrases alone
        foreach (var (question, answer) in texts)
        {
            var (asks, answers) = (BoxCodec.Parse(question), BoxCodec.Parse(answer));
            Assert.All(asks.Boxes.Concat(answers.Boxes), box => Assert.Equal(Flaw.None, box.Flaw));
            Assert.Equal(question.Contains("[identify]", StringComparison.Ordinal) ? (1, 0) : (0, answers.Boxes.Count),
                (asks.Boxes.Count, answers.Boxes.Count));
            if (question.Contains("[detection]", StringComparison.Ordinal))
                Assert.Contains(Assert.Single(GroundedText.Parse(answer).Phrases).Phrase, question, StringComparison.Ordinal);
        }

        Assert.Equal(3, texts.Select(text => text.Question[text.Question.IndexOf('[', 8)..].Split(' ')[0]).Distinct().Count());
        Assert.Equal((0, 0), (mixed.Cuts().Targets, mixed.Cuts().Prompts));
    }

    [Fact]
    public void A_crop_moves_every_box_of_a_question_that_is_drawn_anew()
    {
        var configuration = workspace.Configuration("moved", Mixed, "stage2.image=random_crop", "stage2.crop_scale_min=0.3");
        using var setup = GroundingSetup.Load(configuration, 0, 600, null, TestContext.Current.CancellationToken);
        var samples = new StageSamples(setup.Data, setup.Data.Read(SampleTask.Refer, Split.Train), configuration.Stage2,
            GroundingSetup.Loading(configuration, 56, null) with { LeastCropArea = 0.3 });
        var cropped = 0;
        foreach (var loaded in samples.Load([.. Enumerable.Range(0, samples.Samples.Count)], epoch: 4, augment: true,
            TestContext.Current.CancellationToken))
        {
            Assert.Equal(loaded.Crop.Apply(loaded.Sample.Boxes), loaded.Boxes);
            var (crop, edge) = (loaded.Crop, new Box(loaded.Crop.Left, loaded.Crop.Top, loaded.Crop.Left + loaded.Crop.Width,
                loaded.Crop.Top + loaded.Crop.Height));
            Assert.All(loaded.Sample.Boxes, box => Assert.True(box.Intersect(edge).Area >= 0.75 * box.Area));
            if (loaded.Sample.Task != SampleTask.Refer && crop.Width < loaded.Sample.Width) cropped++;
        }

        Assert.True(cropped > 10);
    }

    [Theory, InlineData(SampleTask.Identify), InlineData(SampleTask.Detection), InlineData(SampleTask.Grounding)]
    public void What_is_taught_scores_as_the_truth(SampleTask task)
    {
        var configuration = workspace.Configuration("truth");
        var split = GroundingSetup.OpenData(configuration).Read(SampleTask.Refer, Split.Train);
        List<(Sample Question, Prediction Answer)> asked = [.. TaskQuestions.All(split, task).Select(question => (question,
            ModelAnswers.Question(question) with
            {
                Answer = TaughtText.Of(configuration.Stage2, question, question.Boxes, question.Width, question.Height, null).Answer,
            }))];
        var measures = TaskMeasures.Of(task, asked, split, new ScoringOptions { Resamples = 0 });
        string[] perfect = task switch
        {
            SampleTask.Identify => ["phrase_exact", "token_f1", "class_accuracy"],
            SampleTask.Detection => ["count_right", "set_f1@0.5"],
            _ => ["text_f1", "grounded_f1@0.5", "f1@0.5"],
        };
        foreach (var metric in perfect)
            Assert.InRange(measures.Figures.Single(figure => figure.Row == "weighted" && figure.Metric == metric).Value!.Value,
                metric == "class_accuracy" ? 0.9 : 0.97, 1); // hundredths of a picture are coarse for the smallest boxes
    }

    [Theory, InlineData("identify", "class_accuracy"), InlineData("detection", "set_iou"), InlineData("grounding", "grounded_f1@0.5")]
    public void A_task_is_asked_scored_and_written_beside_its_controls_and_goes_on_where_it_was_stopped(string task, string metric)
    {
        string[] command = ["eval", "--split", "test", "--from", "base", "--task", task, "--controls", "--resamples", "50",
            .. workspace.Sets("asked", "eval.max_new_tokens=6")];
        var result = Shell.RunPfmvg(command);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Contains(metric, result.Output, StringComparison.Ordinal);
        Assert.Contains("blind: the same model asked about blank pictures.", result.Output, StringComparison.Ordinal);
        var folder = RunFolder.ForPart(workspace.Configuration("asked"), $"eval-test-{task}");
        var figures = JsonNode.Parse(File.ReadAllText(folder.In("task-scores.json")))!["figures"]!.AsArray();
        foreach (var answers in (string[])["model", "blind", "shuffled"])
            Assert.Contains(figures, figure => (string?)figure!["metric"] == metric && (string?)figure["row"] == "weighted"
                && (string?)figure["answers"] == answers);
        Assert.Contains($"weighted_{metric}", RunInfo.Read(folder.InfoPath).Figures.Keys);
        var bytes = File.ReadAllBytes(folder.PredictionsPath);
        File.Delete(folder.PredictionsPath);
        var again = Shell.RunPfmvg([.. command, "--resume"]);
        Assert.True(again.ExitCode == 0, $"{again}");
        Assert.Equal(bytes, File.ReadAllBytes(folder.PredictionsPath));
    }

    [Fact]
    public void A_place_that_is_asked_about_is_the_same_share_of_the_picture_that_is_exchanged()
    {
        Sample Place(string patient, int width, int height, Box box) => new()
        {
            Id = patient, Task = SampleTask.Identify, Image = $"{patient}.png", Width = width, Height = height, Text = "edema",
            Source = "ms-cxr", Patient = patient, Boxes = [box],
        };
        var given = ControlQuestions.Shuffle(
            [Place("a", 100, 200, new Box(10, 20, 100, 200)), Place("b", 50, 50, new Box(0, 25, 25, 50))], 1);
        Assert.Equal([new Box(5, 5, 50, 50), new Box(0, 100, 50, 200)], given.Select(one => Assert.Single(one.Boxes)));
    }

    [Theory]
    [InlineData("--split test --task find", "there is no such task; use one of refer, identify, detection, vqa, grounding.")]
    [InlineData("--split test --task vqa", "--task vqa: no prepared data hold questions with answers")]
    [InlineData("--split test --task identify --metrics boxes", "--metrics belongs to boxes of phrases, and --task identify asks")]
    [InlineData("--split test --task grounding --protocol map50", "--protocol belongs to boxes of phrases")]
    [InlineData("--split test --task identify --model cnn", "--task is known to our own model alone; leave it out.")]
    [InlineData("--split test --task identify --set eval.negatives=0.5", "(eval.negatives) belong to the task refer; set it to 0.")]
    [InlineData("--split test --task grounding --constrain boxes", "eval.constrain: boxes (--constrain boxes) allows none")]
    [InlineData("--predictions none.jsonl --task identify", "--task asks the model, so it needs --split instead of --predictions")]
    public void A_wrong_combination_is_one_sentence(string arguments, string said)
    {
        var words = arguments.Split(' ');
        var result = Shell.RunPfmvg(["eval", .. words, .. words.Contains("--predictions") ? [] : workspace.Sets("wrong")]);
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains(said, result.Error.ReplaceLineEndings(" "), StringComparison.Ordinal);
    }
}
