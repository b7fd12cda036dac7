namespace Pfmvg.Tests.Support;

/// <summary>
/// Tests that compare bits of runs within this process: nothing else may run beside them, since other tests set libtorch's number
/// of threads, which is the process's and decides the order of sums.
/// </summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;
