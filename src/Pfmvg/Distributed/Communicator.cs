using System.Globalization;
using System.Text;

namespace Pfmvg.Distributed;

/// <summary>Joins the job that this process was started in, and what can be said with an <see cref="ICommunicator"/>.</summary>
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
            .Select(name => int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture,
                out var size) ? size : 0)
            .FirstOrDefault(size => size > 0, 1);

    /// <summary>Gives every rank the text of rank 0; the others' argument is not looked at.</summary>
    public static string Broadcast(this ICommunicator world, string? text)
    {
        ArgumentNullException.ThrowIfNull(world);
        var bytes = Encoding.UTF8.GetBytes(world.Rank == 0 ? text! : "");
        var length = BitConverter.GetBytes(bytes.LongLength);
        world.Broadcast(length);
        if (world.Rank != 0) bytes = new byte[BitConverter.ToInt64(length)];
        world.Broadcast(bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Brings the text of every rank to rank 0; elsewhere nothing is returned.</summary>
    public static IReadOnlyList<string> Gather(this ICommunicator world, string text)
    {
        ArgumentNullException.ThrowIfNull(world);
        return [.. world.Gather(Encoding.UTF8.GetBytes(text)).Select(Encoding.UTF8.GetString)];
    }

    /// <summary>Collective: does nothing when a text is the same on all ranks.</summary>
    /// <param name="world">The processes.</param>
    /// <param name="what">What the text stands for, for the message: "the data", "the trainables".</param>
    /// <param name="text">For example a hash.</param>
    /// <exception cref="InputException">On every rank: it differs, and the ranks that differ from rank 0 are named.</exception>
    public static void RequireSame(this ICommunicator world, string what, string text)
    {
        var texts = world.Gather(text);
        var different = string.Join(", ", Enumerable.Range(0, texts.Count).Where(rank => texts[rank] != texts[0]));
        different = world.Broadcast(different);
        if (different.Length > 0)
            throw new InputException($"The ranks do not agree on {what}: rank {different} {(different.Contains(',', StringComparison.Ordinal) ? "differ" : "differs")} from rank 0.");
    }
}
