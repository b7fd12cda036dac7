using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Distributed;
using Pfmvg.Tensors;
using Pfmvg.Training.Footprint;

namespace Pfmvg.Runs;

/// <summary>Whether a stage computes activations again in the backward pass.</summary>
/// <param name="Recompute">The choice, the same on all ranks.</param>
/// <param name="Said">Why, for the user; null where a setting says it.</param>
internal sealed record RecomputeDecision(bool Recompute, string? Said)
{
    /// <summary>The stage with the choice in place of `auto`.</summary>
    public StageSettings In(StageSettings settings) =>
        settings with { Recompute = Recompute ? Recomputation.True : Recomputation.False };

    /// <summary>
    /// What the setting says or, with `recompute: auto`, what the run was begun with or what memory asks for. All ranks call it before the
    /// model is loaded; when one of them must recompute, all do.
    /// </summary>
    /// <param name="session">The configuration, and who computes together.</param>
    /// <param name="stage">1 or 2.</param>
    /// <param name="begun">What the run was begun with; null for a new run.</param>
    /// <param name="samples">The training split.</param>
    public static RecomputeDecision Of(Session session, int stage, bool? begun, IReadOnlyList<Sample> samples)
    {
        var (configuration, world) = (session.Configuration, session.World);
        var setting = configuration.Stage(stage).Recompute;
        if (setting != Recomputation.Auto) return new(setting == Recomputation.True, null);
        if (begun is { } same) return new(same, $"recompute  {Word(same)}, as the run was begun");
        var figures = MemoryForecast.Figures(configuration, stage, MemoryForecast.IsCpu(configuration), world.Size, samples);
        if (figures.IsSharedStep) return new(false, "recompute  no (auto): the step of small models keeps little");
        var here = figures.IsCpu ? OnProcessor(figures, MachineMemory.Available() / world.LocalSize)
            : OnGpu(figures, GpuMemory.Of((int)ConfiguredModel.Device(configuration.Device, world.LocalRank).index)?.Free);
        return world.OnAnyRank(here.Recompute) == here.Recompute ? here
            : new(true, "recompute  yes (auto): another rank has too little memory without it");
    }

    /// <summary>The choice on a processor.</summary>
    /// <param name="figures">What the stage needs.</param>
    /// <param name="available">Bytes available to each process; 0 where that is not known.</param>
    internal static RecomputeDecision OnProcessor(StageMemory figures, long available) => available <= 0
        ? new(false, "recompute  no (auto): how much memory is available is not known") : Fitting(figures, available, "available");

    /// <summary>The choice on a GPU.</summary>
    /// <param name="figures">What the stage needs.</param>
    /// <param name="free">Its free bytes; null where they are not known.</param>
    internal static RecomputeDecision OnGpu(StageMemory figures, long? free) => free is null
        ? new(true, "recompute  yes (auto): how much of the GPU's memory is free is not known") : Fitting(figures, free.Value, "free");

    private static RecomputeDecision Fitting(StageMemory figures, long room, string state)
    {
        var choice = figures.Configured(room);
        var needed = figures.Of(choice with { Recompute = false }).Peak;
        return new(choice.Recompute,
            $"recompute  {Word(choice.Recompute)} (auto): without it about {Units.DecimalBytes(needed)} are needed by "
                + $"'pfmvg plan', and {Units.DecimalBytes(room)} are {state}");
    }

    private static string Word(bool recompute) => recompute ? "yes" : "no";
}
