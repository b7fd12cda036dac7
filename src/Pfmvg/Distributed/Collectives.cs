using System.Text;
using System.Text.Json;

namespace Pfmvg.Distributed;

/// <summary>
/// How ranks agree. Every method is collective: all ranks call it, in the same order. Sums, bytes and barriers are on
/// <see cref="ICommunicator"/> itself.
/// </summary>
public static class Collectives
{
    /// <summary>Lets rank 0 decide: it makes a value, and every rank gets it.</summary>
    /// <param name="world">The processes.</param>
    /// <param name="make">Called on rank 0 only. A failure there must end the job, since the others wait for the value.</param>
    /// <typeparam name="T">Anything that survives JSON: a number, a flag, an enumeration, a list or a record of them.</typeparam>
    public static T FromRankZero<T>(this ICommunicator world, Func<T> make)
    {
        ArgumentNullException.ThrowIfNull(world);
        ArgumentNullException.ThrowIfNull(make);
        if (world.Size == 1) return make();
        return JsonSerializer.Deserialize<T>(world.Broadcast(world.Rank == 0 ? JsonSerializer.Serialize(make()) : null))!;
    }

    /// <summary>True on every rank as soon as it is true on one.</summary>
    public static bool OnAnyRank(this ICommunicator world, bool here)
    {
        ArgumentNullException.ThrowIfNull(world);
        Span<double> votes = [here ? 1 : 0];
        world.AllReduceSum(votes);
        return votes[0] > 0;
    }

    /// <summary>Gives every rank the text of rank 0; the argument of the other ranks is ignored.</summary>
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

    /// <summary>Does nothing when a text is the same on all ranks.</summary>
    /// <param name="world">The processes.</param>
    /// <param name="what">What the text stands for, for the message: "the data", "the trainables".</param>
    /// <param name="text">For example a hash.</param>
    /// <exception cref="InputException">On every rank: it differs, and the ranks that differ from rank 0 are named.</exception>
    public static void RequireSame(this ICommunicator world, string what, string text)
    {
        var texts = world.Gather(text);
        var different = world.FromRankZero(() => Enumerable.Range(0, texts.Count).Where(rank => texts[rank] != texts[0]).ToArray());
        if (different.Length == 0) return;
        throw new InputException($"The ranks do not agree on {what}: "
            + $"rank {string.Join(", ", different)} {(different.Length > 1 ? "differ" : "differs")} from rank 0.");
    }
}
