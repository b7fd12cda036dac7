using System.CommandLine;
using System.Globalization;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Cli.Process;
using Pfmvg.Distributed;
using Pfmvg.Exporting;
using Pfmvg.Runs;
using TorchSharp;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg export`: what a run trained, in the files that other programs load.</summary>
internal static class ExportCommand
{
    private static readonly string[] Formats = ["peft", "hf", "minigptv2"], Precisions = ["bf16", "float32"], PeftVersions = ["0.2", "0.3"];

    public static Command Create()
    {
        var from = new Option<string>("--from")
        {
            Description = "The folder of a finished training, a checkpoint of PFMVG or of MiniGPT-v2, or an adapter folder of peft. A run "
                + "brings its own configuration; the others need --config.",
            Required = true,
            HelpName = "PATH",
        };
        var format = new Option<string>("--format")
        {
            Description = "peft: an adapter folder with the projector beside it. hf: a LLaMA folder with the adapter merged, with vision "
                + "tower and projector. minigptv2: one checkpoint of the original code.",
            Required = true,
        }.AcceptOnlyFromAmong(Formats);
        var output = new Option<string>("--out")
        {
            Description = "The folder to write or, with minigptv2, the file (.pth).",
            Required = true,
            HelpName = "PATH",
        }.Writes(PathKind.Either);
        var precision = new Option<string?>("--precision")
        {
            Description = "With hf: type of the merged weights. Default: the configured precision.",
        }.AcceptOnlyFromAmong(Precisions);
        var shard = new Option<string?>("--max-shard-size")
        {
            Description = "With hf: largest file of the language model, as in 5GB or 500MB. Default: 5GB.",
            HelpName = "SIZE",
        };
        var baseModel = new Option<string?>("--base-model")
        {
            Description = "With peft and hf: the public name of the base model, as Hugging Face has it. Default: what the folder's name "
                + "tells.",
            HelpName = "NAME",
        };
        var peft = new Option<string?>("--peft")
        {
            Description = "With minigptv2: the peft that the original code will run with, which decides on the adapters' names. 0.2 "
                + "(default; the one that its environment pins) names them lora_A.weight, 0.3 and later lora_A.default.weight.",
        }.AcceptOnlyFromAmong(PeftVersions);
        var verify = new Option<bool>("--verify")
        {
            Description = "Load what was written and compare its logits and greedy answers with those of the exported model.",
        };
        var overwrite = new Option<bool>("--overwrite") { Description = "Replace an earlier export." };
        var command = new Command("export", "Write what was trained in the form of peft, transformers or MiniGPT-v2's own code.")
        {
            from, format, output, precision, shard, baseModel, peft, verify, overwrite,
        };
        var configuration = new ConfigurationOptions().AddTo(command);
        command.SetAction(parsed =>
        {
            var form = Enum.GetValues<ExportFormat>()[Array.IndexOf(Formats, parsed.GetValue(format)!)];
            Only(ExportFormat.Hf, "hf", ("--precision", parsed.GetValue(precision)), ("--max-shard-size", parsed.GetValue(shard)));
            Only(ExportFormat.MiniGptV2, "minigptv2", ("--peft", parsed.GetValue(peft)));
            if (form == ExportFormat.MiniGptV2 && parsed.GetValue(baseModel) is not null)
                throw new InputException("--base-model belongs to --format peft and hf; leave it out.");
            var options = new ExportOptions
            {
                From = parsed.GetValue(from)!,
                Format = form,
                Output = parsed.GetValue(output)!,
                MergedType = parsed.GetValue(precision) switch
                {
                    null => null,
                    "bf16" => torch.ScalarType.BFloat16,
                    _ => torch.ScalarType.Float32,
                },
                MaxShardBytes = parsed.GetValue(shard) is { } size ? Bytes(size) : ExportOptions.UsualShardBytes,
                BaseName = parsed.GetValue(baseModel) is { } name ? PublicName(name) : null,
                Names = parsed.GetValue(peft) == "0.3" ? PeftNames.Named : PeftNames.Plain,
                Verify = parsed.GetValue(verify),
                Overwrite = parsed.GetValue(overwrite),
            };
            var settings = configuration.Read(parsed, () => ExportSource.Find(options.From).ConfigurationPath);
            using var world = new SingleProcess();
            using var interrupt = new Interrupt("nothing is left of the export.", losesNothing: true);
            using var display = new TerminalDisplay();
            return Print(options, ExportRun.Execute(new Session(settings, world, display, interrupt.Token), options));

            void Only(ExportFormat owner, string title, params (string Option, string? Value)[] given)
            {
                if (form != owner && given.FirstOrDefault(option => option.Value is not null).Option is { } stray)
                    throw new InputException($"{stray} belongs to --format {title}; leave it out.");
            }
        });
        return command;
    }

    private static int Print(ExportOptions options, ExportResult result)
    {
        if (result.Comparison is { } check)
        {
            Terminal.Standard.Print(string.Create(CultureInfo.InvariantCulture,
                $"verify   {check.Prompts} prompts, {check.Positions} positions: largest difference of a logit {check.Largest:g3} "
                + $"(bound {check.Bound:g3}, largest logit {check.Scale:g4}); "
                + $"{check.ChangedAnswers} of {check.Prompts} greedy answers changed"));
            if (!check.Passed)
            {
                Terminal.Standard.Message($"error: the model loaded from the export is not the one that was exported; nothing is left in "
                    + $"{options.Output}.");
                return ExitCode.Failure;
            }
        }

        Terminal.Standard.Print($"written  {result.Path}  {Units.DecimalBytes(result.Bytes)} of tensors "
            + $"(peak memory {Units.Bytes(ProcessMemory.Peak)})");
        return ExitCode.Success;
    }

    /// <summary>A size such as 5GB; units are decimal, as in transformers.</summary>
    private static long Bytes(string size)
    {
        var unit = new[] { ("KB", 1e3), ("MB", 1e6), ("GB", 1e9) }
            .FirstOrDefault(unit => size.EndsWith(unit.Item1, StringComparison.OrdinalIgnoreCase));
        return unit.Item1 is not null
            && double.TryParse(size[..^2], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)
            && number * unit.Item2 is >= 1000 and <= 1e15
            ? (long)(number * unit.Item2)
            : throw new InputException($"--max-shard-size {size}: give a number with KB, MB or GB, such as 5GB.");
    }

    private static string PublicName(string name) => Path.IsPathRooted(name) || name.StartsWith('.') || name.StartsWith('~')
        || name.Contains('\\', StringComparison.Ordinal) || name.Count(letter => letter == '/') > 1 || name.Any(char.IsWhiteSpace)
        || name.Length == 0
        ? throw new InputException($"--base-model {name}: is not a public name such as meta-llama/Llama-2-7b-chat-hf.")
        : name;
}
