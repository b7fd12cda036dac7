using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Pfmvg.Models;

namespace Pfmvg.Benchmarks.Peers;

/// <summary>What a peer needed.</summary>
/// <param name="Name">The peer and its version.</param>
/// <param name="Seconds">Median durations, one for each part that it measured.</param>
internal sealed record PeerRun(string Name, IReadOnlyList<double> Seconds);

/// <summary>
/// Other programs on the same machine: small scripts in a folder, each of which measures with sizes that it is given and prints one line of
/// JSON. <c>pytorch/step.py</c> and <c>pytorch/vit.py</c> need a Python with PyTorch; <c>llamacpp/bench.mjs</c> needs Node.js with the
/// package node-llama-cpp installed beside it, and <c>llamacpp/make_gguf.py</c> a Python with numpy.
/// </summary>
/// <param name="folder">The folder; null for no peers.</param>
/// <param name="python">The Python to use; null for the first of the usual ones that has the package.</param>
/// <param name="temporary">Where weight files are written and removed.</param>
/// <param name="threads">Threads of every peer.</param>
/// <param name="cancel">Ends a peer that is running.</param>
internal sealed class PeerPrograms(string? folder, string? python, string temporary, int threads, CancellationToken cancel)
{
    private const string Node = "node";
    private const int VisionRepeats = 3;

    private static readonly string[] UsualPythons = ["python3", "/usr/bin/python3"];

    private readonly Dictionary<string, string?> _pythons = [];
    private readonly List<string> _absent = [];

    /// <summary>One sentence for each peer that could not be measured.</summary>
    public IReadOnlyList<string> Absent => _absent;

    /// <summary>PyTorch's training step.</summary>
    /// <param name="sizes">Sizes of the decoder.</param>
    /// <param name="rank">Of the adapters.</param>
    /// <param name="type">bfloat16 or float32.</param>
    /// <param name="rows">B.</param>
    /// <param name="length">T.</param>
    /// <param name="answers">Positions of a row with a loss.</param>
    public PeerRun? Step(LlamaConfig sizes, int rank, string type, int rows, long length, int answers) => Torch("step.py",
        "--dtype", type, "--hidden", Text(sizes.HiddenSize), "--layers", Text(sizes.Layers), "--heads", Text(sizes.Heads),
        "--intermediate", Text(sizes.IntermediateSize), "--vocab", Text(sizes.VocabularySize), "--tokens", Text(length),
        "--batch", Text(rows), "--targets", Text(answers), "--rank", Text(rank));

    /// <summary>PyTorch's vision tower on one picture.</summary>
    /// <param name="sizes">Sizes of the tower.</param>
    /// <param name="type">bfloat16 or float32.</param>
    public PeerRun? Vision(EvaConfig sizes, string type) => Torch("vit.py",
        "--dtype", type, "--width", Text(sizes.Width), "--depth", Text(sizes.Depth), "--heads", Text(sizes.Heads),
        "--mlp", Text(sizes.MlpHidden), "--image", Text(sizes.ImageSize), "--patch", Text(sizes.PatchSize),
        "--repeat", Text(VisionRepeats));

    /// <summary>llama.cpp: seconds of a prompt, then of a decoded token; of each the better with the file mapped and read.</summary>
    /// <param name="sizes">Sizes of the decoder.</param>
    /// <param name="type">bf16 or q8_0.</param>
    /// <param name="length">Tokens of the prompt.</param>
    public PeerRun? Llama(LlamaConfig sizes, string type, long length)
    {
        const string Bench = "llamacpp/bench.mjs";
        if (Script(Bench) is not { } script || Script("llamacpp/make_gguf.py") is not { } maker) return null;
        if (!Directory.Exists(Path.Combine(Path.GetDirectoryName(script)!, "node_modules", "node-llama-cpp")))
            return Lacks("llama.cpp was not measured: run 'npm install --ignore-scripts --omit=optional' in "
                + $"{Path.GetDirectoryName(script)}.");
        if (Python("numpy") is not { } numpy)
            return Lacks("llama.cpp was not measured: make_gguf.py needs a Python with numpy; name one with --python.");
        var file = Path.Combine(temporary, $"pfmvg-bench-{Guid.NewGuid():N}.gguf");
        Leftovers.Add(file);
        try
        {
            if (Json(numpy, maker, file, "--type", type, "--hidden", Text(sizes.HiddenSize), "--layers", Text(sizes.Layers),
                "--heads", Text(sizes.Heads), "--intermediate", Text(sizes.IntermediateSize),
                "--vocab", Text(sizes.VocabularySize)) is null) return null;
            var runs = new List<PeerRun>();
            foreach (var map in (string[])["on", "off"])
            {
                if (Json(Node, script, file, "--threads", Text(threads), "--prompt", Text(length), "--mmap", map) is not { } figures)
                    return null;
                runs.Add(new PeerRun($"llama.cpp {Word(figures, "llama_cpp")}".TrimEnd(),
                    [length / Number(figures, "prompt_tokens_per_s"), 1 / Number(figures, "decode_tokens_per_s")]));
            }

            return runs[0] with { Seconds = [.. runs[0].Seconds.Zip(runs[1].Seconds, Math.Min)] };
        }
        finally
        {
            File.Delete(file);
            File.Delete(file + ".part");
        }
    }

    private PeerRun? Torch(string name, params string[] arguments)
    {
        if (Script($"pytorch/{name}") is not { } script) return null;
        if (Python("torch") is not { } program)
            return Lacks("PyTorch was not measured: no Python here has it; name one with --python.");
        var version = Output(program, ["-c", "import torch; print(torch.__version__)"])?.Trim() ?? "";
        // Fused attention came with PyTorch 2; an older one is measured with the attention that it has.
        string[] fused = version.StartsWith('1') ? [] : ["--sdpa"];
        return Json(program, [script, .. arguments, "--threads", Text(threads), .. fused]) is { } figures
            ? new PeerRun($"PyTorch {version}", [Number(figures, "seconds_median")])
            : null;
    }

    private string? Script(string name)
    {
        if (folder is null) return null;
        var path = Path.Combine(folder, name);
        if (File.Exists(path)) return path;
        Lacks($"{path} is not there, so it was not measured.");
        return null;
    }

    private string? Python(string package)
    {
        if (_pythons.TryGetValue(package, out var known)) return known;
        return _pythons[package] = (python is null ? UsualPythons : [python])
            .FirstOrDefault(program => Output(program, ["-c", $"import {package}"]) is not null);
    }

    private PeerRun? Lacks(string sentence)
    {
        if (!_absent.Contains(sentence)) _absent.Add(sentence);
        return null;
    }

    // The last line that a program prints, as JSON; null, with a sentence, where it fails or prints something else.
    private JsonElement? Json(string program, params string[] arguments)
    {
        var name = Path.GetFileName(arguments[0]);
        var problem = "";
        if (Output(program, arguments, error => problem = error) is not { } text)
        {
            Lacks($"{name} was not measured: {problem.TrimEnd('.')}.");
            return null;
        }

        try
        {
            return JsonDocument.Parse(text.Trim().Split('\n')[^1]).RootElement;
        }
        catch (JsonException)
        {
            Lacks($"{name} was not measured: its last line is not JSON.");
            return null;
        }
    }

    private string? Output(string program, IEnumerable<string> arguments, Action<string>? failed = null)
    {
        cancel.ThrowIfCancellationRequested();
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using var process = Process.Start(start)!;
            using var stop = cancel.Register(() => process.Kill(entireProcessTree: true));
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            var output = process.StandardOutput.ReadToEnd();
            process.WaitForExit();
            cancel.ThrowIfCancellationRequested();
            if (process.ExitCode == 0) return output;
            var last = errors.GetAwaiter().GetResult().Trim().Split('\n')[^1].Trim();
            failed?.Invoke(last.Length > 0 ? last : $"it ended with code {process.ExitCode}");
        }
        catch (Win32Exception)
        {
            failed?.Invoke($"there is no program '{program}'");
        }

        return null;
    }

    private static double Number(JsonElement figures, string name) =>
        figures.ValueKind == JsonValueKind.Object && figures.TryGetProperty(name, out var value)
            && value.ValueKind == JsonValueKind.Number && value.GetDouble() > 0
            ? value.GetDouble()
            : throw new InputException($"A peer's line has no positive '{name}': it is not a script of the kind that is expected.");

    private static string Word(JsonElement figures, string name) =>
        figures.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String ? value.GetString()! : "";

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
