using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Imaging;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Runs.Records;
using Pfmvg.Tensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Pfmvg.Runs;

/// <summary>
/// What every command that computes has in common: its configuration, the processes that work together, what the user sees, and
/// the signal to stop. Opening one sets the threads and finds out at once when the configured device is not there.
/// </summary>
public sealed class Session
{
    private readonly bool _needsBase;
    private bool _prepared;

    /// <summary>Opens a session. Loads libtorch.</summary>
    /// <param name="configuration">The configuration.</param>
    /// <param name="world">The processes that compute together; the caller disposes of it.</param>
    /// <param name="display">Shows progress on rank 0; null shows nothing.</param>
    /// <param name="interrupt">Ends the work in order: training writes a checkpoint first.</param>
    /// <exception cref="InputException">The configured device is not there, or the language model is not the configured one.</exception>
    public Session(
        PfmvgConfiguration configuration, ICommunicator world, ISessionDisplay? display = null, CancellationToken interrupt = default)
        : this(configuration, world, display, needsBase: true, interrupt)
    {
    }

    /// <summary>The same; without <paramref name="needsBase"/> for a model that the base weights are no part of.</summary>
    internal Session(PfmvgConfiguration configuration, ICommunicator world, ISessionDisplay? display, bool needsBase,
        CancellationToken interrupt)
    {
        _needsBase = needsBase;
        (Configuration, World, Display, Interrupt) = (configuration, world, display ?? new Silence(), interrupt);
        ComputeThreads.Set(configuration, world);
        if (ComputeThreads.Describe(configuration) is { } threads) Tell(threads);
        if (Libtorch.Difference() is { } difference) Tell(difference);
        var device = ConfiguredModel.Device(configuration.Device, world.LocalRank);
        if (device.type == DeviceType.CUDA) // libtorch allows it in convolutions by default
            (backends.cuda.matmul.allow_tf32, backends.cudnn.allow_tf32) = (configuration.Tf32, configuration.Tf32);
        if (needsBase && !PhantomWorkspace.LacksBase(configuration)) Configuration = LanguageFolder.Read(configuration).Configuration;
    }

    /// <summary>The configuration; settings of the language model that it leaves open are those of the weights' config.json.</summary>
    public PfmvgConfiguration Configuration { get; private set; }

    /// <summary>The processes that compute together.</summary>
    public ICommunicator World { get; }

    /// <summary>Cancelled when the user or the cluster wants the work to end.</summary>
    public CancellationToken Interrupt { get; }

    /// <summary>True on rank 0, which alone writes files and talks to the user.</summary>
    public bool IsFirst => World.Rank == 0;

    /// <summary>A session with another configuration, of the same processes and user.</summary>
    /// <exception cref="InputException">As for a new session.</exception>
    internal Session Beside(PfmvgConfiguration configuration) =>
        new(configuration, World, Display, _needsBase, Interrupt) { SignalsReachAll = SignalsReachAll };

    /// <summary>Every rank hears a signal that one of them gets, so none has to be waited for.</summary>
    internal bool SignalsReachAll { get; init; } = true;

    /// <summary>A checkpoint may be on its way to the disk, which the other ranks wait for when all are interrupted.</summary>
    internal bool IsSaving { get; set; }

    internal ISessionDisplay Display { get; }

    /// <summary>Judges pictures that end early. Every rank says it of its own pictures: another one does not see them.</summary>
    internal TruncationGuard Truncation => field ??= new(Configuration.Data.TruncatedPictures, Display.Tell);

    /// <summary>Shows the user a line, once for all ranks.</summary>
    internal void Tell(string line)
    {
        if (IsFirst) Display.Tell(line);
    }

    /// <summary>Shows how many phrases of this rank's share are answered.</summary>
    internal void ShowAnswered(int done, int all)
    {
        if (IsFirst) Display.Answered(done, all);
    }

    /// <summary>Shows how far the validation of this rank's share is.</summary>
    internal void ShowValidated(string what, int done, int all)
    {
        if (IsFirst) Display.Validated(what, done, all);
    }

    /// <summary>Who sums the gradients: NCCL, where the setting asks for it and all ranks find it, else <see cref="World"/>.</summary>
    internal ICommunicator GradientWorld(Action<string> tell) =>
        Configuration.Nccl && ConfiguredModel.Device(Configuration.Device, World.LocalRank).type == DeviceType.CUDA
            ? NcclCommunicator.Over(World, Nccl.Load, tell) : World;

    /// <summary>Work that each rank does for itself. When one of them is interrupted in it, all are, and none waits for another.</summary>
    internal T InterruptedTogether<T>(Func<T> work) where T : class
    {
        T? result = null;
        try
        {
            result = work();
        }
        catch (OperationCanceledException) when (World.Size > 1 && SignalsReachAll)
        {
            // The others wait to be told.
        }

        return World.OnAnyRank(result is null) ? throw new OperationCanceledException("interrupted") : result!;
    }

    /// <summary>
    /// Makes what a configuration with a `phantom` section lacks: pictures, prepared data, base weights. Rank 0 makes it, the others
    /// wait. Call it after everything that can be refused at once has been looked at.
    /// </summary>
    internal void PrepareData()
    {
        if (_prepared) return;
        if (!World.FromRankZero(IsMade)) throw new OperationCanceledException("interrupted"); // together: the others wait for it
        if (_needsBase) Configuration = LanguageFolder.Read(Configuration).Configuration;
        _prepared = true;
    }

    private bool IsMade()
    {
        try
        {
            PhantomWorkspace.Prepare(Configuration, Tell, Interrupt, new DrawingRelay(Display), _needsBase);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    private sealed class Silence : ISessionDisplay;

    // Not Progress<T>, which reports later and from another thread.
    private sealed class DrawingRelay(ISessionDisplay display) : IProgress<PhantomProgress>
    {
        public void Report(PhantomProgress value) => display.Drawn(value);
    }
}

/// <summary>What the user sees of a session. Only rank 0 calls it. Each method may be left out.</summary>
public interface ISessionDisplay
{
    /// <summary>A line that the user should read.</summary>
    void Tell(string line) { }

    /// <summary>So many phantoms are drawn. Called from several threads, in any order.</summary>
    void Drawn(PhantomProgress progress) { }

    /// <summary>A training step is done.</summary>
    /// <param name="part">The part of the run, for example "stage 1".</param>
    /// <param name="every">The configured number of steps between lines in a log.</param>
    /// <param name="report">The step, and how fast it goes.</param>
    void Stepped(string part, int every, StepReport report) { }

    /// <summary>So many of so many phrases are answered.</summary>
    void Answered(int done, int all) { }

    /// <summary>So many of so many phrases are answered by a server, or given up.</summary>
    /// <param name="done">How many.</param>
    /// <param name="all">Of how many.</param>
    /// <param name="note">What more there is to say, to follow that.</param>
    void Asked(int done, int all, string note) { }

    /// <summary>So many of so many samples or phrases of a validation are looked at.</summary>
    void Validated(string what, int done, int all) { }

    /// <summary>So many of so many bytes of an export are written.</summary>
    void Exported(long done, long all) { }
}
