using System.Text;
using System.Text.Json.Nodes;
using Pfmvg.Training;
using Pfmvg.Configuration;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Runs.Records;

public sealed class StepLogTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly RunFolder _run;

    public StepLogTests()
    {
        _run = RunFolder.ForPart(new PfmvgConfiguration { Name = "a", Workspace = _folder.Path }, "stage1");
        Directory.CreateDirectory(_run.Path);
    }

    public void Dispose() => _folder.Dispose();

    private static StepEntry Step(long step, double loss = 1) =>
        new(step, 1, loss, 1e-4, Samples: 8, Tokens: 100, Seconds: 0.5, GradientNorm: 2);

    private JsonNode[] Lines() => [.. File.ReadLines(_run.LogPath).Select(line => JsonNode.Parse(line)!)];

    [Fact]
    public void Every_step_is_a_line_that_is_on_its_way_at_once_and_exact()
    {
        using var log = new StepLog(_run, 10);
        log.Add(Step(1, 1 / 3.0));
        var line = Assert.Single(Lines());
        Assert.Equal(("step", 1L, 1 / 3.0, 1e-4),
            (line["kind"]!.GetValue<string>(), line["step"]!.GetValue<long>(), line["loss"]!.GetValue<double>(),
            line["lr"]!.GetValue<double>()));
    }

    [Fact]
    public void A_loss_that_is_no_number_is_still_valid_JSON()
    {
        using (var log = new StepLog(_run, 10))
        {
            log.Add(Step(1, double.NaN));
            log.Note(1, 1, "step skipped: the loss is NaN");
        }

        Assert.Equal("NaN", Lines()[0]["loss"]!.GetValue<string>());
        Assert.Equal("note", Lines()[1]["kind"]!.GetValue<string>());
    }

    [Fact]
    public void A_resumed_run_drops_what_the_checkpoint_does_not_hold()
    {
        using (var log = new StepLog(_run, 10))
            for (var step = 1; step <= 5; step++) log.Add(Step(step));
        File.AppendAllText(_run.LogPath, "{\"kind\":\"step\",\"st"); // killed while writing

        using (var log = new StepLog(_run, 10, stepsDone: 3)) log.Add(Step(4, loss: 7));
        Assert.Equal([1, 2, 3, 4], Lines().Select(line => line["step"]!.GetValue<int>()));
        Assert.Equal(7, Lines()[3]["loss"]!.GetValue<double>());

        using (new StepLog(_run, 10)) { }
        Assert.Empty(Lines());
    }

    [Fact]
    public void The_watcher_is_told_speed_and_remaining_time()
    {
        var reports = new List<StepReport>();
        using var log = new StepLog(_run, 100, watcher: reports.Add);
        for (var step = 1; step <= 60; step++) log.Add(Step(step));
        var last = reports[^1];
        Assert.Equal(60, reports.Count);
        Assert.Equal((16.0, 200.0, TimeSpan.FromSeconds(20)), (last.SamplesPerSecond, last.TokensPerSecond, last.Remaining));
    }

    [Fact]
    public void TensorBoard_events_read_back()
    {
        using (var log = new StepLog(_run, 10))
        {
            log.Add(Step(1, 0.25));
            log.Add("validation", 1, 1, new Dictionary<string, double> { ["wIoU"] = 0.5 });
        }

        using (var log = new StepLog(_run, 10, stepsDone: 1)) log.Add(Step(2, 0.125));

        var files = Directory.GetFiles(_run.Path, "events.out.tfevents.*").Order(StringComparer.Ordinal).ToArray();
        Assert.Equal(2, files.Length);
        var first = Events(files[0]);
        Assert.Equal("brain.Event:2", first[0].FileVersion);
        Assert.All(first, entry => Assert.InRange(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() / 1000.0 - entry.WallTime, -1, 600));
        Assert.Equal(0.25f, Value(first, 1, "train/loss"));
        Assert.Equal(0.5f, Value(first, 1, "validation/wIoU"));

        var second = Events(files[1]);
        // purges older values from here on
        Assert.Equal((2, Tensorboard.SessionLog.Types.SessionStatus.Start), (second[1].Step, second[1].SessionLog.Status));
        Assert.Equal(0.125f, Value(second, 2, "train/loss"));

        static float Value(Tensorboard.Event[] events, long step, string tag) =>
            events.Where(entry => entry.Step == step && entry.Summary is not null).SelectMany(entry => entry.Summary.Value)
                .Single(value => value.Tag == tag).SimpleValue;
    }

    // Written apart from the library's: bit by bit, from the definition of the framing.
    private static Tensorboard.Event[] Events(string path)
    {
        Assert.Equal(0xe3069283u, Checksum(Encoding.ASCII.GetBytes("123456789"))); // CRC-32C's published check value
        var events = new List<Tensorboard.Event>();
        using var reader = new BinaryReader(File.OpenRead(path));
        while (reader.BaseStream.Position < reader.BaseStream.Length)
        {
            var length = reader.ReadBytes(8);
            Assert.Equal(Mask(Checksum(length)), reader.ReadUInt32());
            var data = reader.ReadBytes((int)BitConverter.ToUInt64(length));
            Assert.Equal(Mask(Checksum(data)), reader.ReadUInt32());
            events.Add(Tensorboard.Event.Parser.ParseFrom(data));
        }

        return [.. events];
    }

    private static uint Mask(uint sum) => unchecked(((sum >> 15) | (sum << 17)) + 0xa282ead8u);

    private static uint Checksum(byte[] data)
    {
        var sum = 0xffffffffu;
        foreach (var value in data)
        {
            sum ^= value;
            for (var bit = 0; bit < 8; bit++) sum = (sum & 1) != 0 ? (sum >> 1) ^ 0x82f63b78u : sum >> 1;
        }

        return ~sum;
    }
}
