using System.Text.Json.Nodes;
using Pfmvg.Data;
using Pfmvg.Evaluation.Tables;
using Pfmvg.Geometry;
using Pfmvg.Models.Kernels;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Imaging.Formats;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

public sealed class PredictionTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private string[] Settings(params string[] more) =>
        [.. workspace.Settings("predict", ["eval.constrain=boxes", .. more]).SelectMany(s => new[] { "--set", s })];

    private static string Config => Path.Combine(Fixtures.Repository, "configs", "tiny.yaml");

    private (string Path, Sample Sample) Picture()
    {
        var data = GroundingSetup.OpenData(workspace.Configuration("predict"));
        var sample = data.Read(SampleTask.Refer, Split.Test)[0];
        return (data.ImagePath(sample), sample);
    }

    [Fact]
    public void A_picture_alone_gets_the_answer_that_it_gets_in_its_data_set()
    {
        var configuration = workspace.Configuration("predict", "eval.constrain=boxes");
        var (path, sample) = Picture();
        var inSet = EvaluationRun.Execute(
            new RecordedSession(configuration).Session, new EvaluationOptions { Split = Split.Test, FromBase = true })
            .Predictions.Single(p => p.Id == sample.Id);
        using var folder = new TemporaryFolder();
        var moved = folder.In("anywhere" + Path.GetExtension(path));
        File.Copy(path, moved);
        var unprepared = configuration with { Data = configuration.Data with { Folder = folder.In("none") } };
        var alone = Assert.Single(PredictionRun.Execute(
            new RecordedSession(unprepared).Session, [new PredictionCase("1", moved, sample.Text)], fromBase: true));
        Assert.Equal((inSet.Answer, sample.Width, sample.Height), (alone.Answer, alone.Width, alone.Height));
        Assert.Equal(inSet.Confidence!.Count, alone.Confidence!.Count);
        Assert.All(inSet.Confidence.Zip(alone.Confidence), pair => Assert.Equal(pair.First, pair.Second, 1e-4));
    }

    [Theory, InlineData("auto"), InlineData("off")]
    public void The_record_of_an_evaluation_tells_how_tokens_were_computed(string fusedStep)
    {
        var configuration = workspace.Configuration("predict", $"name=fused-{fusedStep}", $"eval.fused_step={fusedStep}",
            "eval.max_new_tokens=3", "model.lora.rank=4"); // a rank of 2 would not fit the fused step
        var folder = EvaluationRun.Execute(
            new RecordedSession(configuration).Session, new EvaluationOptions { Split = Split.Test, FromBase = true }).Folder;
        var recorded = RunInfo.Read(folder.InfoPath).Environment["decoding"];
        Assert.Equal(fusedStep == "auto" && ThinVectors.Lanes > 0
            ? $"fused step, {ThinVectors.Describe(ThinVectors.Lanes)}" : "modules", recorded);
    }

    [Fact]
    public void The_command_answers_a_table_in_lines_of_json_and_draws_each_box()
    {
        using var folder = new TemporaryFolder();
        var (path, sample) = Picture();
        var name = "x" + Path.GetExtension(path);
        File.Copy(path, folder.In(name));
        var table = Answers.Write(folder.Path, "cases.csv", "image,phrase,id", $"{name},left edema,first", $"{name},\"right, large\",a/b");
        var result = Shell.RunPfmvg(["predict", "--config", Config, "--table", table, "--from", "base", "--json", "--overlay",
            folder.In("drawn"), .. Settings()]);
        Assert.True(result.ExitCode == 0, $"{result}");
        var lines = result.Output.Trim().Split('\n').Select(line => JsonNode.Parse(line)!).ToList();
        Assert.Equal(["first", "a/b"], lines.Select(line => (string)line["id"]!));
        Assert.Equal("right, large", (string)lines[1]["phrase"]!);
        Assert.All(lines, line =>
        {
            Assert.Equal((sample.Width, sample.Height), ((int)line["width"]!, (int)line["height"]!));
            var edges = line["boxes"]![0]!.AsArray().Select(edge => (double)edge!).ToArray();
            Assert.True(edges[0] >= 0 && edges[0] < edges[2] && edges[2] <= sample.Width && edges[1] >= 0 && edges[1] < edges[3]
                && edges[3] <= sample.Height);
            Assert.InRange((double)line["confidence"]![0]!, 0, 1);
            Assert.Null(line["failure"]);
        });
        Assert.Equal(["0001-first.png", "0002-a_b.png"], Directory.GetFiles(folder.In("drawn")).Select(Path.GetFileName).Order());
    }

    [Theory, InlineData("run"), InlineData("run/checkpoints/step-00000001.safetensors")]
    public void A_run_or_a_checkpoint_in_it_brings_its_own_configuration(string from)
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.In("run", "checkpoints"));
        File.WriteAllText(folder.In("run", "run.json"), "{}");
        File.WriteAllText(folder.In("run", "config.yaml"), "threads: many");
        string[] ask = ["predict", "--from", folder.In(from), "--image", Picture().Path, "--phrase", "edema"];
        var own = Shell.RunPfmvg(ask);
        Assert.Contains(folder.In("run", "config.yaml"), own.Error, StringComparison.Ordinal);
        Assert.Contains("\"many\"", own.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("\"many\"", Shell.RunPfmvg([.. ask, "--config", Config]).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_of_12_bits_is_said_to_be_scaled_once()
    {
        using var folder = new TemporaryFolder();
        var session = new RecordedSession(workspace.Configuration("predict", "eval.max_new_tokens=2", "eval.batch_size=1"));
        File.WriteAllBytes(folder.In("twelve.png"), PngWriter.Write(0, 16, [[0, 4095], [2048, 100]]));
        File.WriteAllBytes(folder.In("eight.png"), PngWriter.Write(0, 8, [[0, 255], [3, 100]]));
        PredictionCase Case(string id, string picture) => new(id, folder.In(picture), "edema");
        PredictionRun.Execute(session.Session, [Case("1", "twelve.png"), Case("2", "eight.png"), Case("3", "twelve.png")], fromBase: true);
        var note = Assert.Single(session.Lines, line => line.Contains("bit gray", StringComparison.Ordinal));
        Assert.StartsWith(folder.In("twelve.png") + ": 16-bit gray with values of 12 bits", note, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--image nowhere.png --phrase edema", "nowhere.png: there is no such picture")]
    [InlineData("--image cases.csv --phrase edema", "cases.csv: the file is no JPEG, PNG")]
    [InlineData("--image x.png", "Say what to find where")]
    [InlineData("--table cases.csv --phrase edema", "Say what to find where in one way")]
    [InlineData("--table cases.csv", "cases.csv:3: the row has no phrase")]
    [InlineData("--table twice.csv", "twice.csv:3: the id 'a' occurs twice")]
    [InlineData("--table columns.csv", "the column phrase is missing")]
    [InlineData("--table empty.csv", "the table has no row")]
    public void Wrong_input_is_one_sentence(string arguments, string expected)
    {
        using var folder = new TemporaryFolder();
        Answers.Write(folder.Path, "cases.csv", "image,phrase", "a.png,edema", "a.png,");
        Answers.Write(folder.Path, "twice.csv", "image,phrase,id", "a.png,edema,a", "a.png,edema,a");
        Answers.Write(folder.Path, "columns.csv", "image,text", "a.png,edema");
        Answers.Write(folder.Path, "empty.csv", "image,phrase");
        var result = Shell.Run("dotnet", [Shell.Pfmvg, "predict", "--config", Config, "--from", "base", .. arguments.Split(' '),
            .. Settings()], folder: folder.Path);
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.Equal("", result.Output);
    }

    [Fact]
    public void An_answer_says_what_is_wrong_with_it()
    {
        var flawed = AnswerLine.Read(Answers.Make("a", [new Box(0, 0, 1, 1)], "nothing to see"));
        Assert.Equal("no region: no box, the answer was 'nothing to see'", flawed.ToText());
        Assert.Equal("no box", (string)JsonNode.Parse(flawed.ToJson())!["failure"]!);
        Assert.Equal("no region: no box, the answer was 'a\\u0010b\\u001b[2J'",
            AnswerLine.Read(Answers.Make("a", [new Box(0, 0, 1, 1)], "a\u0010b\u001b[2J")).ToText());
        var two = AnswerLine.Read(Answers.Make("a", [new Box(0, 0, 1, 1)],
            "{<1><2><3><4>}<delim>{<10><20><30><45>}") with { Confidence = [0.5, 0.25] });
        Assert.Equal("box left 10, top 20, right 30, bottom 40 pixels, confidence 0.50; "
            + "box left 100, top 200, right 300, bottom 450 pixels, confidence 0.25", two.ToText());
    }
}
