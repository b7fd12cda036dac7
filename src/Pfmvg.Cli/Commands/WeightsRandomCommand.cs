using System.CommandLine;
using Pfmvg.Cli.Options;
using Pfmvg.Cli.Output;
using Pfmvg.Configuration;
using Pfmvg.Models.Building;
using Pfmvg.Rivals;
using Pfmvg.Text;
using Pfmvg.Weights.Loading;
using TorchSharp;

namespace Pfmvg.Cli.Commands;

/// <summary>`pfmvg weights random`: writes random weights in the file formats of the real ones.</summary>
internal static class WeightsRandomCommand
{
    private static readonly string[] Types = ["bf16", "float16", "float32"], Formats = ["safetensors", "bin"];

    public static Command Create()
    {
        var command = new Command("random",
            "Write random weights in the sizes of a configuration and in the real formats, to try and measure without the real ones.");
        var configuration = new ConfigurationOptions().AddTo(command);
        var output = new Option<string>("--out")
        {
            Description = "Folder for the files; the configuration names them.",
            Required = true,
            HelpName = "DIR",
        }.Writes(PathKind.Folder);
        var seed = new Option<long>("--seed") { Description = "The same seed gives the same files.", DefaultValueFactory = _ => 1 }.Whole();
        var type = new Option<string>("--type")
        {
            Description = "Element type in the files.",
            DefaultValueFactory = _ => Types[0],
        }.AcceptOnlyFromAmong(Types);
        var format = new Option<string>("--format")
        {
            Description = "File format of the language model's shards.",
            DefaultValueFactory = _ => Formats[0],
        }.AcceptOnlyFromAmong(Formats);
        var shard = new Option<double>("--shard-gb")
        {
            Description = "Largest shard of the language model in GB.",
            DefaultValueFactory = _ => 5,
        }.Above0(1000);
        var tokenizer = new Option<string?>("--tokenizer")
        {
            Description = "A tokenizer.model to copy into the language model's folder; training and evaluation need one there.",
            HelpName = "FILE",
        };
        var model = new Option<string>("--model")
        {
            Description = "Whose files: pfmvg (those of a configuration), biovil or biovil-t (in their published sizes and names).",
            DefaultValueFactory = _ => ModelNames.Ours,
        }.AcceptOnlyFromAmong(ModelNames.Ours, ModelNames.BioVil, ModelNames.BioVilT);
        var shrink = new Option<int>("--shrink")
        {
            Description = "With --model biovil or biovil-t: divides all widths, by 1, 2, 4, 8, 16 or 32.",
            DefaultValueFactory = _ => 1,
        }.Between(1, 32);
        var vocabulary = new Option<string?>("--vocabulary")
        {
            Description = "With --model biovil or biovil-t: a vocab.txt to take. Without it words are spelled by their characters.",
            HelpName = "FILE",
        };
        foreach (var option in (Option[])[output, seed, type, format, shard, tokenizer, model, shrink, vocabulary]) command.Add(option);
        command.SetAction(parsed =>
        {
            if (ModelNames.RivalOf(parsed.GetValue(model)) is { } rival)
            {
                parsed.Refuse($"belongs to our own model, and --model {parsed.GetValue(model)} is asked for; leave it out",
                    [.. configuration.All, type, format, shard, tokenizer]);
                WriteRival(rival, Path.GetFullPath(parsed.GetRequiredValue(output)), parsed.GetValue(shrink), parsed.GetValue(seed),
                    parsed.GetValue(vocabulary));
                return;
            }

            parsed.Refuse("belongs to --model biovil or biovil-t; add one of them, or leave it out", shrink, vocabulary);
            var settings = configuration.Read(parsed);
            var gigabytes = parsed.GetValue(shard);
            var words = parsed.GetValue(tokenizer) is { } file ? LlamaTokenizer.Load(file).VocabularySize : 0;
            var sizes = ConfiguredModel.Sizes(settings.Model, words);
            if (sizes.Language.VocabularySize == 0)
                throw new InputException(
                    "model.language.vocabulary is 0, which leaves it to the tokenizer: give --tokenizer FILE, or set it.");
            var folder = Path.GetFullPath(parsed.GetRequiredValue(output));
            var paths = new WeightPaths(Place(settings.Weights.Vision), Place(settings.Weights.Language),
                settings.Weights.Start is { } start ? Place(start) : null);
            foreach (var path in new[] { paths.Vision, paths.Language, paths.Start }.OfType<string>())
                if (Path.Exists(path)) throw new InputException($"{path}: exists already; remove it, or choose another folder.");

            BaseWeights.WriteRandom(sizes, paths, Element(parsed.GetValue(type)!),
                parsed.GetValue(format) == Formats[0] ? ShardFormat.SafeTensors : ShardFormat.Torch,
                (long)(gigabytes * 1e9), parsed.GetValue(seed));
            if (parsed.GetValue(tokenizer) is { } pieces) File.Copy(pieces, Path.Combine(paths.Language, "tokenizer.model"));
            else Terminal.Standard.Message($"note: {paths.Language} has no tokenizer.model; put one there before training or evaluation.");
            Terminal.Standard.Print($"random weights in {folder}; use them with "
                + $"--set weights.vision={paths.Vision} --set weights.language={paths.Language}"
                + (paths.Start is null ? "" : $" --set weights.start={paths.Start}")
                + $"  (peak memory {Units.Bytes(ProcessMemory.Peak)})");

            string Place(string configured) => Path.Combine(folder, Path.GetFileName(Path.TrimEndingDirectorySeparator(configured)));
        });
        return command;
    }

    private static void WriteRival(Rival rival, string folder, int shrink, long seed, string? vocabulary)
    {
        if (shrink is not (1 or 2 or 4 or 8 or 16 or 32))
            throw new InputException($"--shrink {shrink}: give 1, 2, 4, 8, 16 or 32.");
        if (Path.Exists(folder)) throw new InputException($"{folder}: exists already; remove it, or choose another folder.");
        var files = RandomRival.Write(folder, rival, RivalSizes.Published(rival, shrink), seed, vocabulary);
        foreach (var file in files) Terminal.Standard.Message($"{file}: {Units.Bytes(new FileInfo(file).Length)}");
        var name = rival == Rival.BioVil ? ModelNames.BioVil : ModelNames.BioVilT;
        Terminal.Standard.Print($"random weights of {BioVilFiles.Name(rival)} in {folder}; use them with --model {name} "
            + ShellWords.Join(["--from", folder]));
    }

    private static torch.ScalarType Element(string name) => name switch
    {
        "bf16" => torch.ScalarType.BFloat16,
        "float16" => torch.ScalarType.Float16,
        _ => torch.ScalarType.Float32,
    };
}
