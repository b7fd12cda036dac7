using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cnn;

/// <summary>Phantoms of ten patients and a very small network; there are no base weights.</summary>
public sealed class CnnWorkspace : IDisposable
{
    internal static readonly TrainingOptions Options = new() { Stage = 2, Cnn = true };

    private readonly TemporaryFolder _folder = new();

    public CnnWorkspace() => PhantomWorkspace.Prepare(Configuration("prepare"), _ => { }, CancellationToken.None, needsBase: false);

    /// <summary>The settings of a run of this name, as `--set` takes them.</summary>
    public string[] Settings(string name, params string[] changes) =>
    [
        $"name={name}", $"workspace={_folder.Path}", "threads=1", "phantom.patients=10", "cnn.image_size=48", "cnn.width=32",
        "cnn.blocks=1", "cnn.word_width=16", "stage2.batch_size=8", "stage2.epochs=2", "stage2.warmup_steps=2", "stage2.log_every=1",
        "stage2.checkpoint_every=2", "eval.batch_size=5", .. changes,
    ];

    public PfmvgConfiguration Configuration(string name, params string[] changes) =>
        ConfigurationFile.Load(Path.Combine(Fixtures.Repository, "configs", "cnn.yaml"), Settings(name, changes));

    public RunFolder Run(string name) => Options.Folder(Configuration(name));

    /// <summary>Trains in this process; interrupts it so that this is the last step, where one is given.</summary>
    public List<string> Train(string name, ExistingRun existing = ExistingRun.Refuse, int lastStep = int.MaxValue, params string[] changes)
    {
        using var stop = new CancellationTokenSource();
        var recorded = new RecordedSession(Configuration(name, changes), (_, report) =>
        {
            if (report.Entry.Step == lastStep) stop.Cancel();
        }, needsBase: false, stop.Token);
        TrainingRun.Execute(recorded.Session, Options with { Existing = existing });
        return recorded.Lines;
    }

    /// <summary>Answers a split by the network that a run trained.</summary>
    public (EvaluationResult Result, List<string> Lines) Evaluate(string name, Split split, string? from = null)
    {
        var recorded = new RecordedSession(Configuration(name), null, needsBase: false);
        return (EvaluationRun.Execute(recorded.Session, new EvaluationOptions { Split = split, Cnn = true, From = from, Controls = true }),
            recorded.Lines);
    }

    public void Dispose() => _folder.Dispose();
}
