using System.Text.Json.Nodes;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Data;

/// <summary>The `data` and `bench data` commands as a user meets them.</summary>
public sealed class DataCommandTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Fact]
    public void A_sound_set_is_checked_prepared_shown_and_measured()
    {
        _tree.MsCxr(10);
        var check = Shell.RunPfmvg("data", "check", "--from", _tree.Root, "--json", _tree["check.json"]);
        Assert.True(check.ExitCode == 0, $"{check}");
        Assert.Contains("0 errors, 0 warnings", check.Output, StringComparison.Ordinal);
        Assert.Equal("ms-cxr", (string?)JsonNode.Parse(File.ReadAllText(_tree["check.json"]))!["sets"]![0]!["source"]);

        var prepare = Shell.RunPfmvg("data", "prepare", "--from", _tree.Root, "--out", _tree["prepared"]);
        Assert.True(prepare.ExitCode == 0, $"{prepare}");
        Assert.Contains("refer.train.jsonl  7 samples", prepare.Output, StringComparison.Ordinal);

        var show = Shell.RunPfmvg("data", "show", _tree["prepared"], "--out", _tree["sheet.png"], "--size", "56", "--augment");
        Assert.True(show.ExitCode == 0, $"{show}");
        Assert.True(File.Exists(_tree["sheet.png"]));

        var bench = Shell.RunPfmvg("bench", "data", _tree["files"], "--size", "56", "--rounds", "1", "--model-ms", "0", "--json");
        Assert.True(bench.ExitCode == 0, $"{bench}");
        Assert.True((double)JsonNode.Parse(bench.Output)!["rows"]![0]!["pictures_per_second"]! > 0);
    }

    [Fact]
    public void The_exit_code_tells_errors_from_warnings_and_no_patient_is_named()
    {
        _tree.MsCxr(5);
        File.Delete(_tree["files", "p12", "p12000002", "s50000002", "d2.jpg"]);
        string[] command = ["data", "check", "--ms-cxr", _tree.Root];
        Assert.Equal(0, Shell.RunPfmvg(command).ExitCode);
        var warned = Shell.RunPfmvg([.. command, "--strict"]);
        Assert.Equal(3, warned.ExitCode);
        Assert.Contains("missing-picture (1)", warned.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("p12000002", warned.Output + warned.Error, StringComparison.Ordinal);
        Assert.Contains("p12000002", Shell.RunPfmvg([.. command, "--show-ids"]).Output, StringComparison.Ordinal);

        File.AppendAllText(_tree["MS_CXR_Local_Alignment_v1.0.0.csv"],
            "Edema,SECRET,files/p10/p10000000/s50000000/d0.jpg,1,1,99,5,40,30,d0\n");
        var failed = Shell.RunPfmvg(command);
        Assert.Equal(2, failed.ExitCode);
        Assert.Contains("box-outside (1)", failed.Output, StringComparison.Ordinal);
        var prepare = Shell.RunPfmvg("data", "prepare", "--ms-cxr", _tree.Root, "--out", _tree["prepared"]);
        Assert.Equal(2, prepare.ExitCode);
        Assert.Contains("csv:7: a box lies outside its picture of 40 x 30 pixels", prepare.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("SECRET", failed.Output + failed.Error + prepare.Output + prepare.Error, StringComparison.Ordinal);
        Assert.Equal(0, Shell.RunPfmvg("data", "prepare", "--ms-cxr", _tree.Root, "--out", _tree["prepared"], "--bad", "skip").ExitCode);
    }

    [Theory]
    [InlineData("there is no such folder", "data", "check", "--from", "/nowhere")]
    [InlineData("No data set is named", "data", "prepare", "--out", "/tmp/pfmvg-none")]
    [InlineData("write NAME=FOLDER", "data", "check", "--ms-cxr", "/nowhere", "--images", "ms-cxr")]
    [InlineData("there is no prepared.json", "data", "show", "/nowhere")]
    [InlineData("there is no such folder", "bench", "data", "/nowhere")]
    public void Wrong_input_gets_one_sentence(string sentence, params string[] command)
    {
        var result = Shell.RunPfmvg(command);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(sentence, result.Error, StringComparison.Ordinal);
        Assert.Single(result.Error.Trim().Split('\n'));
    }
}
