using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

/// <summary>What `scripts/gpu-check.sh` compares, with faults planted in it; the whole script is for machines with a GPU.</summary>
public sealed class GpuCheckTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("1 2.5,2 2.25", "1 2.5001,2 2.5", 0)] // later steps drift apart by themselves
    [InlineData("1 2.5,2 2.25", "1 2.51,2 2.25", 1)]
    [InlineData("1 2.5,2 2.25", "1 2.5", 1)] // one of them ended early
    [InlineData("", "", 1)]
    public void First_losses_that_differ_fail_the_check(string processor, string device, int code)
    {
        foreach (var (name, steps) in new[] { ("processor", processor), ("device", device) })
            foreach (var stage in new[] { 1, 2 })
                Write($"{name}/runs/tiny/stage{stage}/log.jsonl", steps.Split(',', StringSplitOptions.RemoveEmptyEntries)
                    .Select(step => step.Split(' '))
                    .Select(step => $$"""{"kind":"step","step":{{step[0]}},"epoch":1,"loss":{{step[1]}},"lr":1E-05}"""));
        Ends("compare_losses", code);
    }

    [Theory]
    [InlineData("{<1><2><3><4>},{<5><6><7><8>}", "{<1><2><3><4>},{<5><6><7><8>}", 0)]
    [InlineData("{<1><2><3><4>},{<5><6><7><8>}", "{<1><2><3><4>},{<5><6><7><9>}", 1)]
    [InlineData("{<1><2><3><4>},{<5><6><7><8>}", "{<1><2><3><4>}", 1)] // an answer is missing
    [InlineData("", "", 1)]
    public void Answers_that_differ_fail_the_check(string processor, string device, int code)
    {
        foreach (var (name, answers) in new[] { ("processor", processor), ("answered", device) })
            Write($"{name}/runs/tiny/eval-test/predictions.jsonl", answers.Split(',', StringSplitOptions.RemoveEmptyEntries)
                .Select(answer => $$"""{"id":"1","answer":"{{answer}}","confidence":[0.5]}"""));
        // The evaluation itself is replaced by one that was made before.
        var evaluation = Path.Combine(_folder.Path, "evaluate.sh");
        File.WriteAllText(evaluation, $"mkdir -p '{_folder.Path}/crossed/runs/tiny/eval-test'\n"
            + $"cp '{_folder.Path}/answered/runs/tiny/eval-test/predictions.jsonl' '{_folder.Path}/crossed/runs/tiny/eval-test/'\n");
        Ends($"pfmvg=(bash '{evaluation}'); compare_answers", code);
    }

    private void Ends(string call, int code)
    {
        var script = Path.Combine(Fixtures.Repository, "scripts", "gpu-check.sh");
        var run = Shell.Run("bash", ["-c", $"source '{script}'; device=cpu; out='{_folder.Path}'; {call}"]);
        Assert.True(run.ExitCode == code, run.ToString());
    }

    private void Write(string name, IEnumerable<string> lines)
    {
        var path = Path.Combine(_folder.Path, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllLines(path, lines);
    }
}
