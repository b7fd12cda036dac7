using System.Diagnostics;
using Pfmvg.Configuration;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs;

/// <summary>
/// Phantoms and random base weights of a very small model, prepared once for all tests that train; dropout and random
/// crops are on.
/// </summary>
public sealed class TrainingWorkspace : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private readonly int _patients;
    private readonly string[] _changes = [];

    public TrainingWorkspace() : this(10)
    {
    }

    internal TrainingWorkspace(int patients, params string[] changes)
    {
        (_patients, _changes) = (patients, changes);
        PhantomWorkspace.Prepare(Configuration("prepare"), _ => { }, CancellationToken.None);
    }

    /// <summary>Root of the prepared files and of the runs.</summary>
    public string Path => _folder.Path;

    /// <summary>Path of the prepared data.</summary>
    public string Data => _folder.In("data", "prepared");

    /// <summary>The settings of a run of this name, as `--set` takes them.</summary>
    public string[] Settings(string name, params string[] changes) =>
    [
        $"name={name}", $"workspace={Path}", "threads=1", $"phantom.patients={_patients}",
        "model.image_size=56", "model.vision.width=32", "model.vision.depth=1", "model.vision.heads=2", "model.vision.mlp_hidden=64",
        "model.language.hidden_size=32", "model.language.layers=2", "model.language.heads=2", "model.language.intermediate_size=64",
        "model.lora.rank=2", "model.lora.dropout=0.1", "model.lora.targets=[q_proj, v_proj]",
        "stage1.image=random_crop", "stage1.batch_size=4", "stage1.epochs=2",
        "stage1.init_lr=4e-3", "stage1.min_lr=4e-4", "stage1.warmup_steps=2", "stage1.checkpoint_every=2", "stage1.log_every=1",
        "phantom.base=random", "weights.start=null", "model.lora.alpha=16",
        "stage2.batch_size=16", "stage2.epochs=30", "stage2.warmup_steps=10", "stage2.min_lr=4e-4", "stage2.validate=true",
        "stage1.share_pictures=false", "stage2.share_pictures=false", "stage2.image=resize", "stage2.crop_share=1", "stage2.log_every=50",
        "eval.batch_size=16", .. _changes, .. changes,
    ];

    /// <summary>The configuration of these settings.</summary>
    public PfmvgConfiguration Configuration(string name, params string[] changes) =>
        ConfigurationFile.Load(System.IO.Path.Combine(Fixtures.Repository, "configs", "tiny.yaml"), Settings(name, changes));

    /// <summary>The arguments of the program for stage 1 of a run.</summary>
    public string[] Arguments(string name, bool resume, params string[] changes) =>
        ["train", "--stage", "1", .. resume ? (string[])["--resume"] : [], .. Sets(name, changes)];

    /// <summary>The settings of a run as arguments of the program.</summary>
    public string[] Sets(string name, params string[] changes) => [.. Settings(name, changes).SelectMany(s => new[] { "--set", s })];

    /// <summary>The folder of a stage of a run.</summary>
    public RunFolder Run(string name, int stage = 1) => RunFolder.ForPart(Configuration(name), $"stage{stage}");

    /// <summary>Trains stage 1 in this process; interrupts it so that this is the last step, where one is given.</summary>
    public List<string> Train(string name, ExistingRun existing = ExistingRun.Refuse, string[]? changes = null, int lastStep = int.MaxValue,
        Action<StepReport>? watch = null, bool allowChanges = false)
    {
        using var stop = new CancellationTokenSource();
        var recorded = new RecordedSession(Configuration(name, changes ?? []), (_, report) =>
        {
            if (report.Entry.Step == lastStep) stop.Cancel();
            watch?.Invoke(report);
        }, stop.Token);
        TrainingRun.Execute(recorded.Session, new TrainingOptions { Stage = 1, Existing = existing, AllowChanges = allowChanges });
        return recorded.Lines;
    }

    /// <summary>Starts the program and leaves it running; what it says is thrown away.</summary>
    public static Process Start(string[] arguments) => StartedProcess.Unheard("dotnet", [Shell.Pfmvg, .. arguments]);

    /// <summary>All that a run logged, times left out.</summary>
    public string[] Log(string name, int stage = 1) => [.. StepLog.Read(Run(name, stage).LogPath).Nodes().Select(line =>
    {
        line.Remove("seconds");
        return line.ToJsonString();
    })];

    /// <summary>The loss of every step.</summary>
    public double[] Losses(string name) =>
        [.. StepLog.Read(Run(name).LogPath).Nodes().Where(l => (string?)l["kind"] == "step").Select(l => (double)l["loss"]!)];

    /// <summary>The checkpoints that a run kept, with their content.</summary>
    public Dictionary<string, byte[]> Checkpoints(string name, int stage = 1) =>
        Directory.GetFiles(Run(name, stage).Checkpoints).Order().ToDictionary(p => System.IO.Path.GetFileName(p)!, File.ReadAllBytes);

    /// <summary>A copy of the prepared data with other captions to train on; its folder.</summary>
    public string CopyData(Func<string[], IEnumerable<string>> change)
    {
        var copy = Directory.CreateDirectory(_folder.In("data", $"copy-{Guid.NewGuid():N}")).FullName;
        foreach (var file in Directory.GetFiles(Data)) File.Copy(file, System.IO.Path.Combine(copy, System.IO.Path.GetFileName(file)));
        var captions = System.IO.Path.Combine(copy, "caption.train.jsonl");
        File.WriteAllLines(captions, [.. change(File.ReadAllLines(captions))]);
        return copy;
    }

    public void Dispose() => _folder.Dispose();
}
