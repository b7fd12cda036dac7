using System.Diagnostics;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Tests.Runs;

namespace Pfmvg.Tests.Data;

/// <summary>Whatever ends a preparation and when: its folder holds the old data or the new ones, whole.</summary>
public sealed class KilledPreparationTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private string Output => _tree["prepared"];

    private PrepareOptions Options(DataSources sources) => new() { Output = Output, Sources = sources };

    /// <summary>What a user of the folder finds, after he has opened it.</summary>
    private string Opened()
    {
        var data = PreparedData.Open(Output);
        Assert.NotEmpty(Enum.GetValues<Split>().SelectMany(split => data.Read(SampleTask.Refer, split)));
        return StudyTree.Contents(Output);
    }

    [Fact]
    public void A_refused_preparation_leaves_the_data_that_are_there()
    {
        var sources = _tree.MsCxr(10);
        StudyTree.Prepare(Options(sources));
        var before = Opened();
        _tree.Picture("files/p19/p19000009/s50000009/d9.jpg", 44, 30);
        Assert.Throws<InputException>(() => StudyTree.Prepare(Options(sources) with { Seed = 1 }));
        Assert.Throws<InputException>(() => StudyTree.Prepare(Options(sources) with { Split = SplitRule.Official }));
        Assert.Equal(before, Opened());
        Assert.Empty(Directory.GetDirectories(Output));
    }

    [Fact]
    public void A_cancelled_preparation_leaves_the_old_data_or_the_new()
    {
        var options = Options(_tree.MsCxr(60));
        StudyTree.Prepare(options with { Seed = 1 });
        var next = Opened();
        StudyTree.Prepare(options);
        var old = Opened();
        for (var milliseconds = 0; milliseconds <= 64; milliseconds = milliseconds * 2 + 1)
        {
            File.Delete(Path.Combine(Output, "pictures.jsonl"));
            using var stop = new CancellationTokenSource(milliseconds);
            try
            {
                DataPreparation.Run(options with { Seed = 1 }, cancel: stop.Token);
                Assert.Equal(next, Opened());
                StudyTree.Prepare(options);
            }
            catch (OperationCanceledException)
            {
                Assert.Equal(old, Opened());
            }
        }
    }

    [Theory, InlineData(0), InlineData(1), InlineData(2), InlineData(3), InlineData(4)]
    public void A_change_that_was_killed_between_two_files_is_finished_by_whoever_opens_the_folder(int moved)
    {
        _tree.Write("roco/train/radiology/captions.txt", "ROCO_1\tone\n");
        _tree.Picture("roco/train/radiology/images/ROCO_1.jpg", shade: 1);
        var options = Options(_tree.MsCxr(20));
        StudyTree.Prepare(options with { Sources = options.Sources with { Roco = _tree["roco"] } });
        var old = Directory.CreateDirectory(_tree["old"]).FullName;
        foreach (var file in Directory.GetFiles(Output)) File.Copy(file, Path.Combine(old, Path.GetFileName(file)));
        StudyTree.Prepare(options with { Seed = 1 });
        var next = Opened();

        string[] files = ["refer.train.jsonl", "refer.validate.jsonl", "refer.test.jsonl", "prepared.json"];
        var complete = Directory.CreateDirectory(Path.Combine(Output, ".complete")).FullName;
        foreach (var file in files) File.Move(Path.Combine(Output, file), Path.Combine(complete, file));
        foreach (var file in Directory.GetFiles(old)) File.Copy(file, Path.Combine(Output, Path.GetFileName(file)), overwrite: true);
        foreach (var file in files.Take(moved)) File.Move(Path.Combine(complete, file), Path.Combine(Output, file), overwrite: true);
        if (moved == files.Length) File.Delete(Path.Combine(Output, "caption.train.jsonl")); // removed before the description is moved

        Assert.Equal(next, Opened());
        Assert.Empty(Directory.GetDirectories(Output));
    }

    [Fact]
    public void What_a_killed_preparation_left_is_removed_and_two_at_once_are_told()
    {
        var options = Options(_tree.MsCxr(10));
        StudyTree.Prepare(options);
        var before = Opened();
        _tree.Write("prepared/.unfinished/refer.train.jsonl", "half");
        _tree.Write("prepared/.refer.test.jsonl.123.tmp", "half");
        using (OutputFolder.Take(Output))
        {
            var refused = Assert.Throws<InputException>(() => StudyTree.Prepare(options));
            Assert.Equal($"{Output}: another process is preparing data here; wait for it, or give another folder with --out.",
                refused.Message);
        }

        StudyTree.Prepare(options);
        Assert.Equal(before, Opened());
        Assert.Equal([".hold", "pictures.jsonl", "prepared.json", "refer.test.jsonl", "refer.train.jsonl", "refer.validate.jsonl"],
            Directory.GetFileSystemEntries(Output).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact, Trait("Category", "Slow")]
    public void A_process_that_is_killed_at_any_moment_leaves_the_old_data_or_the_new()
    {
        var options = Options(_tree.MsCxr(400));
        StudyTree.Prepare(options with { Seed = 1 });
        var next = Opened();
        StudyTree.Prepare(options);
        var old = Opened();
        string[] command = ["data", "prepare", "--ms-cxr", _tree.Root, "--out", Output, "--seed", "1"];
        var clock = Stopwatch.StartNew();
        using (var whole = TrainingWorkspace.Start(command)) whole.WaitForExit();
        var time = clock.Elapsed;
        Assert.Equal(next, Opened());
        var random = new Random(5);
        for (var kill = 0; kill < 8; kill++)
        {
            StudyTree.Prepare(options);
            File.Delete(Path.Combine(Output, "pictures.jsonl"));
            using var process = TrainingWorkspace.Start(command);
            Thread.Sleep(time * (0.2 + 0.8 * random.NextDouble()));
            process.Kill();
            process.WaitForExit();
            Assert.Contains(Opened(), new[] { old, next });
        }

        StudyTree.Prepare(options with { Seed = 1 });
        Assert.Equal(next, Opened());
    }
}
