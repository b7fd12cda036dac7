using Pfmvg.Benchmarks.Peers;
using Pfmvg.Configuration;
using Pfmvg.Distributed;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Benchmarks;

public class PeerComparisonTests
{
    private static readonly ModelSettings Tiny = new()
    {
        ImageSize = 56,
        Vision = new VisionSettings { Width = 32, Depth = 1, Heads = 2, MlpHidden = 64 },
        Language = new LanguageSettings { Vocabulary = 300, HiddenSize = 64, Layers = 2, Heads = 4, IntermediateSize = 96 },
        Lora = new LoraSettings { Rank = 8 },
    };

    [Fact]
    public void Ours_stands_beside_plain_libtorch_and_beside_what_a_peer_says_of_the_same_sizes()
    {
        using var folder = new TemporaryFolder();
        var python = FakePython(folder, "2.11.0", """echo '{"bench": "x", "seconds_median": 0.5}'""");
        var peers = new PeerPrograms(folder.Path, python, folder.Path, 1, CancellationToken.None);

        var lines = Compare(peers);

        Assert.Empty(peers.Absent);
        Assert.Equal(4, lines.Count(line => line.Other.StartsWith("plain libtorch 2.", StringComparison.Ordinal) && line.CpuGain > 0));
        var others = lines.Where(line => line.Other == "PyTorch 2.11.0").ToList();
        Assert.Equal(4, others.Count);
        Assert.All(others, line => Assert.Equal((0.5, 0.5 / line.Ours), (line.Others, line.Gain)));
        var asked = File.ReadAllLines(Path.Combine(folder.Path, "asked"));
        Assert.Contains(asked, line => line.Contains("step.py --dtype bfloat16 --hidden 64 --layers 2 --heads 4 --intermediate 96 "
            + "--vocab 300 --tokens 78 --batch 2 --targets 12 --rank 8 --threads 1 --sdpa", StringComparison.Ordinal));
        Assert.Contains(asked, line => line.Contains("vit.py --dtype float32 --width 32 --depth 1 --heads 2 --mlp 64 --image 56 --patch 14",
            StringComparison.Ordinal));
    }

    [Fact]
    public void A_peer_that_is_not_there_or_fails_is_named_in_one_sentence_and_the_rest_is_measured()
    {
        using var folder = new TemporaryFolder();
        var python = FakePython(folder, "1.13.0", "echo 'step.py: out of memory' >&2; exit 3");
        File.Delete(Path.Combine(folder.Path, "pytorch", "vit.py"));
        var peers = new PeerPrograms(folder.Path, python, folder.Path, 1, CancellationToken.None);

        var lines = Compare(peers);

        Assert.Equal(4, lines.Count);
        Assert.Equal(
            ["step.py was not measured: step.py: out of memory.",
                $"{Path.Combine(folder.Path, "pytorch/vit.py")} is not there, so it was not measured."], peers.Absent);
        Assert.DoesNotContain("--sdpa", File.ReadAllText(Path.Combine(folder.Path, "asked")), StringComparison.Ordinal);
    }

    [Fact]
    public void Llama_cpp_without_its_package_is_named_with_the_command_that_installs_it()
    {
        using var folder = new TemporaryFolder();
        var place = Directory.CreateDirectory(Path.Combine(folder.Path, "llamacpp")).FullName;
        File.WriteAllText(Path.Combine(place, "bench.mjs"), "");
        File.WriteAllText(Path.Combine(place, "make_gguf.py"), "");
        var peers = new PeerPrograms(folder.Path, null, folder.Path, 1, CancellationToken.None);

        Assert.Null(peers.Llama(ConfiguredModel.Sizes(Tiny).Language, "bf16", 10));
        Assert.Equal([$"llama.cpp was not measured: run 'npm install --ignore-scripts --omit=optional' in {place}."], peers.Absent);
    }

    private static IReadOnlyList<PeerLine> Compare(PeerPrograms peers)
    {
        var options = new PeerComparisonOptions { Turns = 1, Rounds = 1, Small = true, Step = Tiny, Vision = Tiny };
        using var world = new SingleProcess();
        return new PeerComparison(options, peers, world, CancellationToken.None).Run(_ => { });
    }

    // Writes down what it is asked, gives a version, and does what is wanted for a script.
    private static string FakePython(TemporaryFolder folder, string version, string script)
    {
        var scripts = Directory.CreateDirectory(Path.Combine(folder.Path, "pytorch")).FullName;
        foreach (var name in (string[])["step.py", "vit.py"]) File.WriteAllText(Path.Combine(scripts, name), "");
        var path = Path.Combine(folder.Path, "python");
        File.WriteAllText(path, $"#!/bin/sh\nif [ \"$1\" = -c ]; then echo {version}; exit; fi\n"
            + $"echo \"$@\" >> '{folder.Path}/asked'\n{script}\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        return path;
    }
}
