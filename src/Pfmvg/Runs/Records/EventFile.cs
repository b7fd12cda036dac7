using System.Numerics;
using Google.Protobuf;
using Tensorboard;

namespace Pfmvg.Runs.Records;

/// <summary>
/// Writes scalars for TensorBoard: an event file of TFRecords (length, its checksum, data, their checksum).
/// </summary>
/// <remarks>
/// TorchSharp's own writer stamps the first event with ticks instead of seconds, knows whole seconds only, opens the file
/// anew for every value and cannot mark where a run was resumed; its message classes are used here.
/// </remarks>
internal sealed class EventFile : IDisposable
{
    private readonly FileStream _file;

    /// <summary>Creates a new event file in a folder. A reader drops older files' values from <paramref name="firstStep"/> on.</summary>
    /// <param name="folder">The folder that TensorBoard is pointed at, or one below it.</param>
    /// <param name="firstStep">Step that the run starts or continues with.</param>
    public EventFile(string folder, long firstStep)
    {
        Directory.CreateDirectory(folder);
        var started = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        var name = $"events.out.tfevents.{started:d10}.{Environment.MachineName}.{Environment.ProcessId}.{firstStep}";
        _file = new FileStream(System.IO.Path.Combine(folder, name), FileMode.Create, FileAccess.Write, FileShare.Read);
        Write(new Event { FileVersion = "brain.Event:2" });
        Write(new Event { Step = firstStep, SessionLog = new SessionLog { Status = SessionLog.Types.SessionStatus.Start } });
        _file.Flush();
    }

    /// <summary>Writes the values of a step, by tag, and hands them to the operating system.</summary>
    public void Add(long step, IEnumerable<KeyValuePair<string, double>> values)
    {
        var summary = new Summary();
        foreach (var (tag, value) in values) summary.Value.Add(new Summary.Types.Value { Tag = tag, SimpleValue = (float)value });
        Write(new Event { Step = step, Summary = summary });
        _file.Flush();
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void Write(Event entry)
    {
        entry.WallTime = (DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch).TotalSeconds;
        var data = entry.ToByteArray();
        var length = BitConverter.GetBytes((long)data.Length);
        _file.Write(length);
        _file.Write(BitConverter.GetBytes(MaskedChecksum(length)));
        _file.Write(data);
        _file.Write(BitConverter.GetBytes(MaskedChecksum(data)));
    }

    /// <summary>CRC-32C (which System.IO.Hashing does not have), turned and shifted as TFRecord wants it.</summary>
    private static uint MaskedChecksum(ReadOnlySpan<byte> data)
    {
        var sum = uint.MaxValue;
        foreach (var value in data) sum = BitOperations.Crc32C(sum, value);
        return BitOperations.RotateRight(~sum, 15) + 0xa282ead8;
    }
}
