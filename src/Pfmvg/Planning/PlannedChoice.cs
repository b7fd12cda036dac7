using Pfmvg.Training.Footprint;

namespace Pfmvg.Planning;

/// <summary>Time of a choice.</summary>
/// <param name="StepFlop">Of one device and step, vision tower and recomputation included.</param>
/// <param name="StepBytes">What the operations beside the products read and write in it; 0 where the memory's rate is not known.</param>
/// <param name="Flops">Rate of the device.</param>
/// <param name="StepSeconds">Duration of a step.</param>
/// <param name="StepsPerEpoch">Null without a number of samples.</param>
internal sealed record PlannedTime(double StepFlop, double StepBytes, double Flops, double StepSeconds, int? StepsPerEpoch)
{
    /// <summary>An epoch without its validation; null without a number of samples.</summary>
    public double? EpochSeconds => StepSeconds * StepsPerEpoch;
}

/// <summary>A choice with the memory and the time that it takes.</summary>
internal sealed record PlannedChoice(PlanChoice Choice, PlannedMemory Memory, PlannedTime Time);
