namespace Pfmvg.Planning;

/// <summary>What a plan is asked for.</summary>
/// <param name="Stage">1 or 2.</param>
/// <param name="DeviceMemory">Bytes of one device.</param>
/// <param name="Devices">Processes that train together, one per device.</param>
/// <param name="Teraflops">Rate of one device; null measures products of the model's shape on this machine.</param>
/// <param name="Efficiency">Share of that rate that a step reaches; null for the usual one.</param>
/// <param name="Samples">Samples of the training split; null takes the number in the prepared data, if there are any.</param>
internal sealed record PlanRequest(int Stage, long DeviceMemory, int Devices, double? Teraflops, double? Efficiency, int? Samples);
