using Pfmvg.Fuzz;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Fuzzing;

/// <summary>Changed files of every format, by a fixed seed: each is read or refused, within 5 s of processor time and 500 MB.</summary>
[Trait("Category", "Fuzz")]
public sealed class FuzzTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    // Readers with known faults, which the fuzzer itself names.
    private static readonly string[] Faulty = [];

    public static TheoryData<string> Names => [.. Formats.All.Keys];

    public static TheoryData<string> Sound => [.. Formats.All.Keys.Except(Faulty)];

    [Theory]
    [MemberData(nameof(Sound))]
    public void Whatever_is_done_to_a_file_it_is_read_or_refused(string format)
    {
        // A process of its own: a fault of native code, or an endless loop, must end no other test.
        var run = Shell.Run("dotnet", [typeof(Format).Assembly.Location, "--format", format, "--inputs", $"{Formats.All[format].Share}",
            "--seed", "20261127", "--out", _folder.In("failures")], seconds: 600);
        Assert.True(run.ExitCode == 0, $"{run}");
        Assert.Contains($"{Formats.All[format].Share} inputs, 0 kinds of faults", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_run_has_twenty_thousand_inputs() => Assert.Equal(20_000, Formats.All.Values.Sum(format => format.Share));

    [Theory]
    [MemberData(nameof(Names))]
    public void Whole_files_are_within_the_limits_and_an_input_is_made_by_its_number_alone(string name)
    {
        var format = Formats.All[name].Make(Directory.CreateDirectory(_folder.In(name)).FullName);
        Assert.NotEmpty(format.Seeds);
        for (var number = 0; number < 20; number++)
            Assert.Equal(format.Input(name, 1, number).Bytes, format.Input(name, 1, number).Bytes);
        Assert.Contains(Enumerable.Range(0, 20), number => !format.Input(name, 1, number).Bytes.AsSpan().SequenceEqual(
            format.Input(name, 2, number).Bytes));
    }

    [Theory]
    [InlineData("rival-pt"), InlineData("rival-safetensors"), InlineData("rival-vocabulary"), InlineData("rival-config")]
    public void Whole_files_of_a_rival_are_read_to_the_answer(string name)
    {
        var format = Formats.All[name].Make(Directory.CreateDirectory(_folder.In(name)).FullName);
        Assert.All(format.Seeds, seed => Assert.Equal("read", Trial.Run(seed).Detail));
    }

    [Fact]
    public void A_fault_is_seen_kept_small_and_named_by_its_place()
    {
        var way = new Way(_folder.In("input"), path =>
        {
            var bytes = File.ReadAllBytes(path);
            if (bytes.Contains((byte)'!')) throw new FormatException("a fault");
            throw new InputException("refused");
        });
        var input = new Seed([.. Enumerable.Repeat((byte)'a', 300), (byte)'!', .. Enumerable.Repeat((byte)'b', 300)], way);
        var verdict = Trial.Run(input);
        Assert.StartsWith("FormatException in ", verdict.Fault, StringComparison.Ordinal);
        Assert.Equal("!"u8.ToArray(), Minimiser.Run(input, verdict.Fault!));
        Assert.Null(Trial.Run(input with { Bytes = "abc"u8.ToArray() }).Fault);
    }

    [Fact]
    public void More_memory_than_is_allowed_is_a_fault_and_what_lay_there_before_lies_there_again()
    {
        File.WriteAllText(_folder.In("input"), "before");
        var way = new Way(_folder.In("input"), _ => GC.KeepAlive(new byte[Trial.Most + (1 << 20)]));
        Assert.Equal("memory", Trial.Run(new Seed([1, 2, 3], way)).Fault);
        Assert.Equal("before", File.ReadAllText(_folder.In("input")));
    }
}
