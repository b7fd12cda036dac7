using System.Text.Json.Nodes;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Evaluation.Predictions;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

/// <summary>A picture that cannot be read costs its own answers, not those of the others.</summary>
[Collection(nameof(Alone))]
public sealed class UnreadablePictureTests : IDisposable
{
    private readonly TrainingWorkspace _workspace = new();
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _workspace.Dispose();
        _folder.Dispose();
    }

    /// <summary>A file that is no picture, and one with a sound header and half of its data.</summary>
    [Theory]
    [InlineData(false, "false"), InlineData(true, "false"), InlineData(true, "true")]
    public void An_unreadable_picture_costs_an_evaluation_one_line_and_its_own_phrases_only(bool isCut, string skipBroken)
    {
        string[] Arguments(string name, params string[] more) =>
            ["eval", "--split", "test", "--from", "base", "--resamples", "0", .. more,
                .. _workspace.Sets(name, $"data.skip_broken={skipBroken}", "data.cache=null", "data.feature_cache=null",
                    "eval.max_new_tokens=4", "eval.batch_size=4")];
        RunFolder Run(string name) => RunFolder.ForPart(_workspace.Configuration(name), "eval-test");
        Assert.Equal(0, Shell.RunPfmvg(Arguments("sound")).ExitCode);
        var sound = File.ReadAllLines(Run("sound").PredictionsPath);
        var data = PreparedData.Open(_workspace.Data);
        var samples = data.Read(SampleTask.Refer, Split.Test);
        var broken = samples[samples.Count / 2];
        var path = data.ImagePath(broken);
        var bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, isCut ? bytes.AsSpan(0, bytes.Length / 2) : "broken"u8);
        var rows = samples.Index().Where(s => s.Item.Image == broken.Image).Select(s => s.Index).ToList();

        var result = Shell.RunPfmvg(Arguments("damaged"));
        Assert.True(result.ExitCode == 1, $"{result}");
        var line = Assert.Single(result.Error.Split('\n'), line => line.Contains(Path.GetFileName(path), StringComparison.Ordinal));
        Assert.StartsWith($"refer.test.jsonl:{string.Join(",", rows.Select(row => row + 1))}: not answered, scores 0: ", line,
            StringComparison.Ordinal);
        Assert.Matches($@"[( ]broken picture {rows.Count}[,)]", result.Output);
        var damaged = File.ReadAllLines(Run("damaged").PredictionsPath);
        Assert.Equal(sound.Length, damaged.Length);
        Assert.All(sound.Zip(damaged).Index(), pair =>
        {
            if (!rows.Contains(pair.Index)) Assert.Equal(pair.Item.First, pair.Item.Second);
            else Assert.NotNull(JsonNode.Parse(pair.Item.Second)!["broken_picture"]);
        });
        Assert.Empty(Directory.GetFiles(Run("damaged").Path, "*.part"));

        // The file tells it to those who read it later.
        var again = Shell.RunPfmvg("eval", "--predictions", Run("damaged").PredictionsPath, "--resamples", "0");
        Assert.True(again.ExitCode == 0, $"{again}");
        Assert.Matches($@"[( ]broken picture {rows.Count}[,)]", again.Output);

        var strict = Shell.RunPfmvg(Arguments("strict", "--strict"));
        Assert.True(strict.ExitCode == 2, $"{strict}");
        Assert.Contains(Path.GetFileName(path), strict.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(Run("strict").PredictionsPath));

        // A mended picture is asked when the evaluation is taken up again.
        File.WriteAllBytes(path, bytes);
        Assert.Equal(RunStatus.Failed, RunInfo.Read(Run("strict").InfoPath).Status);
        Assert.Equal(0, Shell.RunPfmvg(Arguments("strict", "--resume")).ExitCode);
        Assert.Equal(sound, File.ReadAllLines(Run("strict").PredictionsPath));
    }

    [Fact]
    public void An_unreadable_picture_costs_an_ablation_its_own_phrases_only_and_a_mended_one_is_asked_again()
    {
        string[] arguments = ["ablation", "--resamples", "0", .. _workspace.Sets("rows", "stage1.epochs=1", "stage2.epochs=1",
            "stage1.validate=false", "stage2.validate=false", "data.cache=null", "data.feature_cache=null", "eval.max_new_tokens=4")];
        var data = PreparedData.Open(_workspace.Data);
        var samples = data.Read(SampleTask.Refer, Split.Test);
        var path = data.ImagePath(samples[0]);
        var bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, bytes.AsSpan(0, bytes.Length / 2));
        var strict = Shell.RunPfmvg([.. arguments, "--strict"]);
        Assert.True(strict.ExitCode == 2 && strict.Error.Contains(Path.GetFileName(path), StringComparison.Ordinal), $"{strict}");
        var result = Shell.RunPfmvg(arguments);
        Assert.True(result.ExitCode == 1, $"{result}");
        foreach (var part in (string[])["eval-test-base", "eval-test-stage1", "eval-test-stage2-only", "eval-test"])
            Assert.Equal(samples.Count(sample => sample.Image == samples[0].Image), Broken(part));
        Assert.Contains("with and without each stage", result.Output, StringComparison.Ordinal);

        var again = Shell.RunPfmvg(arguments); // nothing has changed, so nothing is asked
        Assert.True(again.ExitCode == 1, $"{again}");
        Assert.Equal(4, again.Error.Split('\n').Count(line => line.StartsWith("answers  as they are", StringComparison.Ordinal)));
        File.WriteAllBytes(path, bytes);
        var mended = Shell.RunPfmvg(arguments);
        Assert.True(mended.ExitCode == 0, $"{mended}");
        Assert.Equal(0, Broken("eval-test"));

        int Broken(string part) => File.ReadLines(RunFolder.ForPart(_workspace.Configuration("rows"), part).PredictionsPath)
            .Count(line => JsonNode.Parse(line)!["broken_picture"] is not null);
    }

    [Fact]
    public void An_unreadable_picture_of_a_table_costs_its_own_row_only()
    {
        var data = PreparedData.Open(_workspace.Data);
        var picture = data.ImagePath(data.Read(SampleTask.Refer, Split.Test)[0]);
        var bytes = File.ReadAllBytes(picture);
        var extension = Path.GetExtension(picture);
        File.WriteAllBytes(_folder.In("sound" + extension), bytes);
        File.WriteAllBytes(_folder.In("cut" + extension), bytes.AsSpan(0, bytes.Length / 2));
        File.WriteAllText(_folder.In("no" + extension), "broken");
        var table = Answers.Write(_folder.Path, "cases.csv", "image,phrase,id", $"sound{extension},left edema,a",
            $"cut{extension},edema,b", $"no{extension},edema,c", $"sound{extension},an enlarged heart of long standing,d",
            $"sound{extension},edema,e");
        string[] arguments = ["predict", "--table", table, "--from", "base", "--json", .. _workspace.Sets("table", "eval.constrain=boxes")];
        var result = Shell.RunPfmvg(arguments);
        Assert.True(result.ExitCode == 1, $"{result}");
        var answers = result.Output.Trim().Split('\n');
        Assert.Equal(["a", "d", "e"], answers.Select(line => (string)JsonNode.Parse(line)!["id"]!));
        var lines = result.Error.Split('\n').Where(line => line.StartsWith(table, StringComparison.Ordinal)).ToList();
        Assert.Equal(2, lines.Count);
        Assert.StartsWith($"{table}:3: 'b' is not answered: {_folder.In("cut" + extension)}", lines[0], StringComparison.Ordinal);
        Assert.StartsWith($"{table}:4: 'c' is not answered: {_folder.In("no" + extension)}", lines[1], StringComparison.Ordinal);

        // The sound rows get what they get without the others.
        var alone = Answers.Write(_folder.Path, "sound.csv", "image,phrase,id", $"sound{extension},left edema,a",
            $"sound{extension},an enlarged heart of long standing,d", $"sound{extension},edema,e");
        var whole = Shell.RunPfmvg(["predict", "--table", alone, .. arguments[3..]]);
        Assert.True(whole.ExitCode == 0, $"{whole}");
        Assert.Equal(whole.Output, result.Output);

        var strict = Shell.RunPfmvg([.. arguments, "--strict"]);
        Assert.True(strict.ExitCode == 2, $"{strict}");
        Assert.Contains($"{table}:4: {_folder.In("no" + extension)}", strict.Error, StringComparison.Ordinal);
        Assert.Equal("", strict.Output);

        var none = Answers.Write(_folder.Path, "none.csv", "image,phrase", "nowhere.png,edema", "neither.png,edema");
        var refused = Shell.RunPfmvg(["predict", "--table", none, .. arguments[3..]]);
        Assert.True(refused.ExitCode == 2, $"{refused}");
        Assert.Contains($"{none}:2: {_folder.In("nowhere.png")}: there is no such picture", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void The_answers_of_a_table_come_batch_by_batch_in_its_order()
    {
        var data = PreparedData.Open(_workspace.Data);
        var picture = data.ImagePath(data.Read(SampleTask.Refer, Split.Test)[0]);
        string[] phrases = ["an enlarged heart of long standing", "edema", "left edema", "a very large effusion on the right", "opacity"];
        var cases = phrases.Select((phrase, i) => new PredictionCase($"{i}", picture, phrase)).ToList();
        using var stop = new CancellationTokenSource();
        var session = new RecordedSession(_workspace.Configuration("order", "eval.batch_size=2", "eval.max_new_tokens=4"),
            interrupt: stop.Token);
        List<string> seen = [];
        Assert.ThrowsAny<OperationCanceledException>(() => PredictionRun.Execute(session.Session, cases, fromBase: true,
            answered: (asked, answer) =>
            {
                Assert.Equal(asked.Id, answer.Id);
                seen.Add(answer.Id);
                if (seen.Count == 3) stop.Cancel(); // the third batch is never asked
            }));
        Assert.Equal(["0", "1", "2", "3"], seen);
    }
}
