using System.Text.Json.Nodes;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Data;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

/// <summary>Phantoms never take the place of data, and data say themselves whether they are phantoms.</summary>
public sealed class PhantomWorkspaceTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private PfmvgConfiguration WithData(string folder) => workspace.Configuration("real", $"data.folder={folder}");

    private static void Prepare(PfmvgConfiguration configuration) =>
        PhantomWorkspace.Prepare(configuration, _ => { }, TestContext.Current.CancellationToken);

    [Fact]
    public void A_phantom_study_is_prepared_in_no_folder_that_holds_anything_else()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.In("pictures.jsonl"), ""); // what a preparation leaves that was refused
        var refused = Assert.Throws<InputException>(() => Prepare(WithData(folder.Path)));
        Assert.StartsWith($"{folder.Path}: there is no prepared.json here but something else", refused.Message, StringComparison.Ordinal);
        Assert.Equal(["pictures.jsonl"], Directory.GetFiles(folder.Path).Select(Path.GetFileName));
        Assert.Empty(Directory.GetDirectories(Path.GetDirectoryName(folder.Path)!, $"{Path.GetFileName(folder.Path)}.*.tmp"));
    }

    [Fact]
    public void Real_data_under_a_configuration_with_phantoms_are_not_called_synthetic()
    {
        using var tree = new StudyTree();
        StudyTree.Prepare(new PrepareOptions { Output = tree["prepared"], Sources = tree.MsCxr(10) });
        var before = StudyTree.Contents(tree["prepared"]);
        var session = new RecordedSession(WithData(tree["prepared"]));
        var result = EvaluationRun.Execute(session.Session, new EvaluationOptions { Split = Split.Test, FromBase = true });
        Assert.Contains($"data  {tree["prepared"]}: ms-cxr", session.Lines);
        Assert.False(RunInfo.Read(result.Folder.InfoPath).Synthetic);
        Assert.All(result.Predictions, prediction => Assert.False(prediction.Synthetic));
        Assert.Equal(before, StudyTree.Contents(tree["prepared"]));
        Assert.DoesNotContain("synthetic", before, StringComparison.Ordinal);
    }

    [Fact]
    public void Phantoms_are_synthetic_in_a_configuration_that_does_not_know_them_and_every_run_says_so()
    {
        var session = new RecordedSession(workspace.Configuration("unknowing", "name=unknowing") with { Phantom = null });
        var result = EvaluationRun.Execute(session.Session, new EvaluationOptions { Split = Split.Test, FromBase = true });
        Assert.Contains($"data  {workspace.Data}: ms-cxr (synthetic phantoms), roco (synthetic phantoms)", session.Lines);
        Assert.True(RunInfo.Read(result.Folder.InfoPath).Synthetic);
        Assert.All(result.Predictions, prediction => Assert.True(prediction.Synthetic));
        Assert.Contains(workspace.Train("unknowing"), line => line.EndsWith("roco (synthetic phantoms)", StringComparison.Ordinal));
        Assert.True(RunInfo.Read(workspace.Run("unknowing").InfoPath).Synthetic);
    }

    [Theory]
    [InlineData("phantom.patients=11", "phantom.seed=7 and phantom.patients=11")]
    [InlineData("phantom.seed=8", "phantom.seed=8 and phantom.patients=10")]
    [InlineData("phantom.format=dicom", "phantom.patients=10 and phantom.format=dicom")]
    [InlineData("phantom.base=pretrained", "were made by phantom.base=random and phantom.seed=7, not by phantom.base=pretrained")]
    public void Phantom_settings_of_a_filled_workspace_cannot_change_behind_it(string change, string said)
    {
        Prepare(workspace.Configuration("as-drawn"));
        var refused = Assert.Throws<InputException>(() =>
            Prepare(workspace.Configuration("otherwise", change, "weights.start=weights/start.safetensors")));
        Assert.Contains(said, refused.Message, StringComparison.Ordinal);
        Assert.Contains("--set workspace=FOLDER", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_may_ask_for_phantoms_as_DICOM()
    {
        using var folder = new TemporaryFolder();
        var configuration = workspace.Configuration("dicom", "phantom.format=dicom") with { Workspace = folder.Path };
        Prepare(configuration);
        var data = GroundingSetup.OpenData(configuration);
        var samples = data.Read(SampleTask.Refer, Split.Train);
        Assert.All(samples, sample => Assert.True(sample is { Dicom: true, Synthetic: true } && sample.Image.EndsWith(".dcm")));
        Assert.All(samples, sample => Assert.True(File.Exists(data.ImagePath(sample))));
        Assert.All(data.Read(SampleTask.Caption, Split.Train), sample => Assert.False(sample.Dicom)); // ROCO is JPEG in truth
        Prepare(configuration); // what is there fits
        var refused = Assert.Throws<InputException>(() =>
            Prepare(configuration with { Phantom = configuration.Phantom! with { Format = PhantomFormat.Usual } }));
        Assert.Contains("phantom.format=usual", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_several_that_find_a_workspace_empty_one_fills_it_and_the_others_wait()
    {
        using var folder = new TemporaryFolder();
        Directory.CreateDirectory(folder.In("data", "phantom.1.a.tmp", "roco")); // of killed ones
        Directory.CreateDirectory(folder.In("data", "prepared.1.b.tmp"));
        var configuration = workspace.Configuration("fresh") with { Workspace = folder.Path };
        var lines = new System.Collections.Concurrent.ConcurrentBag<string>();
        Parallel.For(0, 3, new ParallelOptions { MaxDegreeOfParallelism = 3 },
            _ => PhantomWorkspace.Prepare(configuration, lines.Add, TestContext.Current.CancellationToken));
        Assert.Single(lines, line => line.StartsWith("phantoms  drawing", StringComparison.Ordinal));
        Assert.Single(lines, line => line.StartsWith("base weights", StringComparison.Ordinal));
        Assert.Equal(["phantom", "prepared"], Directory.GetDirectories(folder.In("data")).Select(Path.GetFileName).Order());
        Assert.NotEmpty(GroundingSetup.OpenData(configuration).Read(SampleTask.Refer, Split.Train));
    }

    [Fact]
    public void A_folder_in_work_is_never_taken_for_an_abandoned_one()
    {
        using var folder = new TemporaryFolder();
        foreach (var name in (string[])["study.1.a.tmp", "study.2.b.tmp", "other.3.c.tmp"]) Directory.CreateDirectory(folder.In(name));
        using (HoldFile.TryTake(folder.In("study.2.b.tmp", HoldFile.Name))) HoldFile.RemoveAbandoned(folder.In("study"));
        Assert.Equal(["other.3.c.tmp", "study.2.b.tmp"], Directory.GetDirectories(folder.Path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void Half_written_files_of_the_caches_and_of_a_run_are_removed_at_the_next_start()
    {
        var configuration = workspace.Configuration("caches", "data.cache=cache");
        var evaluation = new EvaluationOptions { Split = Split.Test, FromBase = true };
        string[] left =
        [
            Path.Combine(workspace.Path, "cache", "56", "ab", "abcd.1.2.tmp"), evaluation.Folder(configuration).In(".scores.json.1.a.tmp"),
        ];
        foreach (var half in left)
        {
            Directory.CreateDirectory(Path.GetDirectoryName(half)!);
            File.WriteAllText(half, "half");
            File.SetLastWriteTimeUtc(half, DateTime.UtcNow.AddHours(-2));
        }

        EvaluationRun.Execute(new RecordedSession(configuration).Session, evaluation);
        Assert.All(left, half => Assert.False(File.Exists(half), half));
    }

    [Fact]
    public void A_phantom_set_is_known_wherever_it_is_moved()
    {
        using var tree = new StudyTree();
        PhantomStudy.Write(tree["study"], new PhantomOptions { Patients = 4, ImageWidth = 64, ImageHeight = 64, Sets = PhantomSets.MsCxr },
            cancellationToken: TestContext.Current.CancellationToken);
        Directory.Move(tree["study", "ms-cxr"], tree["annotations"]);
        Directory.Move(tree["study", "mimic-cxr-jpg"], tree["pictures"]);
        StudyTree.Prepare(new PrepareOptions
        {
            Output = tree["prepared"],
            Sources = new DataSources
            {
                MsCxr = tree["annotations"], ImageFolders = new Dictionary<string, string> { ["ms-cxr"] = tree["pictures"] },
            },
        });
        var path = tree["prepared", "prepared.json"];
        Assert.Equal("""["ms-cxr"]""", JsonNode.Parse(File.ReadAllText(path))!["synthetic"]!.ToJsonString());
        Assert.All(PreparedData.Open(tree["prepared"]).Read(SampleTask.Refer, Split.Train), sample => Assert.True(sample.Synthetic));

        // As earlier versions described and listed them.
        File.WriteAllText(path, string.Join('\n', File.ReadAllLines(path)).Replace("\"synthetic\": [\n    \"ms-cxr\"\n  ],\n", "",
            StringComparison.Ordinal));
        foreach (var manifest in Directory.GetFiles(tree["prepared"], "refer.*"))
            File.WriteAllText(manifest, File.ReadAllText(manifest).Replace(",\"synthetic\":true", "", StringComparison.Ordinal));
        Assert.DoesNotContain("synthetic", StudyTree.Contents(tree["prepared"]), StringComparison.Ordinal);
        var data = PreparedData.Open(tree["prepared"]);
        Assert.True(data.IsSynthetic);
        Assert.All(data.Read(SampleTask.Refer, Split.Train), sample => Assert.True(sample.Synthetic));
    }
}
