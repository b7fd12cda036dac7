using System.Text.Json.Nodes;
using Pfmvg.Cli.Output;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Data;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

/// <summary>What the program says to do next works when it is pasted, and nothing is overwritten or taken for something else.</summary>
public sealed class PastedCommandTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    [Theory]
    [InlineData("a b", "'a b'"), InlineData("it's", @"'it'\''s'"), InlineData("", "''"), InlineData("$x", "'$x'")]
    [InlineData("stage1.init_lr=1e-4", "stage1.init_lr=1e-4"), InlineData("model.lora.targets=[q_proj]", "'model.lora.targets=[q_proj]'")]
    public void Words_reach_the_shell_as_they_are(string word, string quoted)
    {
        Assert.Equal(quoted, ShellWords.Join([word]));
        Assert.Equal(word, Shell.Run("sh", ["-c", $"printf %s {ShellWords.Join([word])}"]).Output.TrimEnd('\n'));
    }

    /// <summary>Runs a line that the program printed, by the shell, from the folder in which it was printed.</summary>
    private static Shell.Result Paste(Shell.Result said, string before, string folder)
    {
        var line = said.Error.Split('\n').Last(line => line.Contains(before, StringComparison.Ordinal));
        var command = line[(line.IndexOf(before, StringComparison.Ordinal) + before.Length)..].Trim().Split(", and then ")[0];
        Assert.StartsWith("pfmvg ", command, StringComparison.Ordinal);
        var result = Shell.Run("sh", ["-c", $"exec dotnet '{Shell.Pfmvg}' {command["pfmvg ".Length..]}"], folder: folder);
        Assert.True(result.ExitCode == 0, $"{command}\n{result}");
        return result;
    }

    [Fact]
    public void From_the_first_stage_to_the_comparison_every_next_step_works_when_pasted()
    {
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(Fixtures.Repository, "configs", "tiny.yaml"), folder.In("my own.yaml"));
        string[] own = ["--config", "my own.yaml", .. workspace.Sets("pasted", "stage1.epochs=1", "stage2.epochs=1",
            "stage2.validate=false", "eval.max_new_tokens=4")];
        var first = Shell.Run("dotnet", [Shell.Pfmvg, "train", "--stage", "1", .. own], folder: folder.Path);
        Assert.True(first.ExitCode == 0, $"{first}");
        var second = Paste(first, "Next: ", folder.Path);
        Assert.Equal(RunStatus.Finished, RunInfo.Read(workspace.Run("pasted", 2).InfoPath).Status);
        var scored = Paste(second, "Next: ", folder.Path);
        var run = RunFolder.Open(Path.Combine(workspace.Path, "runs", "pasted", "eval-test"));
        var info = RunInfo.Read(run.InfoPath);
        Assert.Equal(["pfmvg", "eval", "--split", "test"], info.Command.Take(4));
        var scores = JsonNode.Parse(File.ReadAllText(run.ScoresPath))!["weighted"]!;
        Assert.Equal((double)scores["iou"]!["value"]!, info.Figures["weighted_iou"]);
        var listed = Shell.RunPfmvg("runs", "list", Path.Combine(workspace.Path, "runs", "pasted", ".."));
        Assert.Contains(info.Figures["weighted_iou"].ToString("0.0000", System.Globalization.CultureInfo.InvariantCulture), listed.Output,
            StringComparison.Ordinal);

        var answers = File.ReadAllBytes(run.PredictionsPath);
        var again = Shell.Run("dotnet", [Shell.Pfmvg, "eval", "--split", "test", .. own], folder: folder.Path);
        Assert.True(again.ExitCode == 2, $"{again}");
        Assert.Contains($"{run.Path} already holds an evaluation (finished", again.Error, StringComparison.Ordinal);
        Assert.Equal(answers, File.ReadAllBytes(run.PredictionsPath));
        var asked = Shell.Run("dotnet", [Shell.Pfmvg, "eval", "--split", "test", "--overwrite", .. own], folder: folder.Path);
        Assert.True(asked.ExitCode == 0, $"{asked}");

        Paste(scored, "Next: ", folder.Path);
        Paste(scored with { Error = scored.Error.Replace(", and then pfmvg compare", "\nThen: pfmvg compare", StringComparison.Ordinal) },
            "Then: ", folder.Path);
    }

    [Fact]
    public void Data_of_another_folder_than_the_named_one_are_never_taken()
    {
        using var tree = new StudyTree();
        tree.MsCxr(10);
        var prepared = Shell.Run("dotnet", [Shell.Pfmvg, "data", "prepare", "--from", ".", "--out", "data/prepared"], folder: tree.Root);
        Assert.True(prepared.ExitCode == 0, $"{prepared}");
        Assert.Contains($"Next: pfmvg train --stage 2 --from base --set data.folder={tree["data", "prepared"]}", prepared.Error,
            StringComparison.Ordinal);
        Assert.Contains(tree["data", "prepared", "refer.train.jsonl"], prepared.Output, StringComparison.Ordinal);

        // Prepared at the current folder, while data.folder starts at the workspace; a folder that is not there.
        foreach (var (settings, sentence) in new (string[], string)[]
        {
            (["workspace=work"], $"there are no prepared data, but there are some in {tree["data", "prepared"]}; data.folder starts at the "
                + $"workspace {tree["work"]}, not at the current folder"),
            (["data.folder=data/prepred"], "data/prepred: there is no prepared.json, so no data were prepared here"),
        })
        {
            var refused = Shell.Run("dotnet", [Shell.Pfmvg, "train", "--stage", "2", "--from", "base",
                .. settings.SelectMany(setting => new[] { "--set", setting })], folder: tree.Root);
            Assert.True(refused.ExitCode == 2, $"{refused}");
            Assert.Contains(sentence, refused.Error, StringComparison.Ordinal);
            Assert.Single(refused.Error.Trim().Split('\n'));
        }

        Assert.False(Directory.Exists(tree["work"]));
        var missing = Shell.Run("dotnet", [Shell.Pfmvg, "data", "check", "--ms-cxr", "nowhere"], folder: tree.Root);
        Assert.Contains(tree["nowhere"] + ": ", missing.Error, StringComparison.Ordinal);
    }
}
