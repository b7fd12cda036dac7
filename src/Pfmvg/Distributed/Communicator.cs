using System.Globalization;

namespace Pfmvg.Distributed;

/// <summary>Joins the job that this process was started in.</summary>
public static class Communicator
{
    /// <summary>
    /// One process, unless `mpirun` or `srun` started several: then Open MPI connects them.
    /// </summary>
    /// <exception cref="InputException">Several processes were started, but they cannot be connected.</exception>
    public static ICommunicator Start() => StartedTogether() is > 1 and var size ? Mpi.Start(size) : new SingleProcess();

    /// <summary>Processes that the launcher says it started; 1 without a launcher.</summary>
    public static int StartedTogether() =>
        new[] { "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS", "PMI_SIZE" }
            .Select(name => int.TryParse(
                Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out var size) ? size : 0)
            .FirstOrDefault(size => size > 0, 1);
}
