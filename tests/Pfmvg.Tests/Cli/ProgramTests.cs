using Pfmvg.Configuration;
using Pfmvg.Runs.Records;
using Pfmvg.Training;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

public sealed class ProgramTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static void AssertRefused(Shell.Result result, string expected)
    {
        Assert.True(result.ExitCode == 2, $"{result}");
        Assert.Contains(expected, result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", result.Error + result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("Exception", result.Error + result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Help_loads_no_native_library_of_ours()
    {
        var result = Shell.Run("dotnet", [Shell.Pfmvg, "--help"], environment: ("LD_DEBUG", "files"));
        Assert.Equal(0, result.ExitCode);
        Assert.Contains("Usage:", result.Output, StringComparison.Ordinal);
        Assert.Contains("libcoreclr", result.Error, StringComparison.Ordinal); // the loader does list libraries
        Assert.DoesNotContain("libtorch", result.Error, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("libSkiaSharp", result.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("libmpi", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_command_or_option_is_refused()
    {
        AssertRefused(Shell.RunPfmvg("dance"), "error:");
        AssertRefused(Shell.RunPfmvg("runs", "list", "--colour"), "error:");
        AssertRefused(Shell.RunPfmvg("runs", "show"), "error:");
    }

    [Fact]
    public void Wrong_settings_are_refused_all_at_once()
    {
        var result = Shell.RunPfmvg("runs", "list", "--set", "stage1.epochs=many", "--set", "colour=red");
        AssertRefused(result, "the embedded tiny.yaml has 2 errors:");
        Assert.Contains("stage1.epochs (--set stage1.epochs=many) must be a whole number", result.Error, StringComparison.Ordinal);
        Assert.Contains("colour (--set colour=red) is not a setting", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_request_for_CUDA_without_CUDA_fails_in_a_sentence()
    {
        Assert.SkipWhen(TorchSharp.torch.cuda.is_available(), "there is a CUDA device here");
        var result = Shell.RunPfmvg("doctor", "--set", "device=cuda");
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("no CUDA device", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_doctor_finds_nothing_wrong_here()
    {
        var result = Shell.RunPfmvg("doctor");
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Contains("Float32 computes, BFloat16 computes", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Runs_are_listed_and_shown()
    {
        var configuration = new PfmvgConfiguration { Name = "mine", Workspace = _folder.Path, Seed = 5 };
        var folder = RunFolder.ForPart(configuration, "stage2");
        using (folder.Begin(configuration, ExistingRun.Refuse))
        {
            using var log = new StepLog(folder, 2);
            log.Add(new StepEntry(1, 1, 2.5, 1e-4, 4, 400, 0.5));
            log.Add(new StepEntry(2, 1, 0.25, 1e-5, 4, 400, 0.5));
            log.Add("validation", 2, 1, new Dictionary<string, double> { ["wIoU"] = 0.375 });
            log.Note(2, 1, "a step was skipped");
            new RunInfo
            {
                Status = RunStatus.Finished,
                Started = DateTimeOffset.Now,
                Ended = DateTimeOffset.Now,
                Seconds = 3725,
                Step = 2,
                Steps = 2,
                Result = "checkpoints/step-2",
                Command = ["train", "--stage", "2"],
                Figures = new Dictionary<string, double> { ["wIoU"] = 0.375, ["peak_memory_bytes"] = 3 << 29 },
                Weights = [new RunFile("/w/eva.pth", 2048, DateTimeOffset.Now, new string('a', 64))],
            }.Write(folder.InfoPath);
        }

        var list = Shell.RunPfmvg("runs", "list", _folder.In("runs"));
        Assert.Matches(@"mine\s+stage2\s+finished .*1:02:05\s+0\.3750\s+1\.5 GiB", list.Output);
        Assert.Matches(@"mine\s+stage2", Shell.RunPfmvg("runs", "list", "--set", $"workspace={_folder.Path}").Output);

        var shown = Shell.RunPfmvg("runs", "show", folder.Path).Output;
        string[] expected = ["finished", "1:02:05", "train --stage 2", "2 of 2", "2.5000", "0.2500", "after step 2: wIoU 0.3750",
            "a step was skipped", "/w/eva.pth  2.0 KiB", "seed: 42 -> 5"];
        Assert.All(expected, part => Assert.Contains(part, shown, StringComparison.Ordinal));
        AssertRefused(Shell.RunPfmvg("runs", "show", _folder.In("nowhere")), "does not exist");
        Assert.Contains("No runs", Shell.RunPfmvg("runs", "list", _folder.In("empty")).Output, StringComparison.Ordinal);
    }
}
