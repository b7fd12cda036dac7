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
