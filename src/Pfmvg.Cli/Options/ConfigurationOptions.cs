using System.CommandLine;
using Pfmvg.Cli.Output;
using Pfmvg.Configuration;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;

namespace Pfmvg.Cli.Options;

/// <summary>The options that give a command its configuration: `--config FILE` and any number of `--set path=value`.</summary>
internal sealed class ConfigurationOptions
{
    private readonly Option<string?> _file = new("--config", "-c")
    {
        Description = "Configuration in YAML. Default: the embedded configs/tiny.yaml, for --model cnn configs/cnn.yaml.",
        HelpName = "FILE",
    };

    private readonly Option<string[]> _overrides = new("--set")
    {
        Description = "Change one setting, as in --set stage2.init_lr=1e-4. May be repeated.",
        HelpName = "PATH=VALUE",
        DefaultValueFactory = _ => [],
    };

    private readonly Option<string?> _constrain = new("--constrain")
    {
        Description = "Restrict decoding: 'boxes' allows only well-formed boxes with ordered corners, 'none' allows anything. "
            + "Short for --set eval.constrain=...",
        HelpName = "boxes|none",
    };

    /// <summary>The options.</summary>
    public IEnumerable<Option> All => [_file, _overrides, _constrain];

    /// <summary>Adds the options to a command.</summary>
    public ConfigurationOptions AddTo(Command command)
    {
        command.Add(_file);
        command.Add(_overrides);
        return this;
    }

    /// <summary>Adds `--constrain` to a command that answers.</summary>
    public ConfigurationOptions AddConstraint(Command command)
    {
        command.Add(_constrain);
        return this;
    }

    /// <summary>The configuration that the command line asks for.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="isCnn">Without `--config` it is that of the plain network.</param>
    /// <exception cref="InputException">It cannot be read, or something in it is wrong.</exception>
    public PfmvgConfiguration Read(ParseResult parsed, bool isCnn = false)
    {
        var embedded = ModelNames.Configuration(isCnn);
        return parsed.GetValue(_file) is { } path
            ? ConfigurationFile.Load(Path.GetFullPath(path), Overrides(parsed))
            : ConfigurationFile.Parse(Embedded(embedded), $"the embedded {embedded}", Overrides(parsed));
    }

    /// <summary>The same, with another file in the place of one that is not given.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="otherwise">The file without `--config`; called only then, and may refuse.</param>
    /// <exception cref="InputException">It cannot be read, or something in it is wrong.</exception>
    public PfmvgConfiguration Read(ParseResult parsed, Func<string> otherwise) =>
        ConfigurationFile.Load(parsed.GetValue(_file) ?? otherwise(), Overrides(parsed));

    /// <summary>Without `--config` that of the run which a model comes from, where it comes from one.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="from">The model, as the user names it.</param>
    /// <param name="isCnn">As for <see cref="Read(ParseResult, bool)"/>.</param>
    /// <exception cref="InputException">As for <see cref="Read(ParseResult, bool)"/>.</exception>
    public PfmvgConfiguration ReadOf(ParseResult parsed, string? from, bool isCnn) =>
        RunOf(parsed, from) is { } run ? Read(parsed, () => run.ConfigurationPath) : Read(parsed, isCnn);

    /// <summary>The run whose configuration <see cref="ReadOf"/> takes; null for another one.</summary>
    public RunFolder? RunOf(ParseResult parsed, string? from) =>
        parsed.GetValue(_file) is null && from is not null and not "base" ? RunFolder.Of(from) : null;

    /// <summary>The same with a file of its own, and further settings over those of the command line.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="file">The file; null for that of the command line.</param>
    /// <param name="changes">As `--set` takes them.</param>
    /// <exception cref="InputException">It cannot be read, or something in it is wrong.</exception>
    public PfmvgConfiguration Read(ParseResult parsed, string? file, IReadOnlyList<string> changes)
    {
        string[] all = [.. Overrides(parsed), .. changes];
        var embedded = ModelNames.Configuration(isCnn: false);
        return (file ?? parsed.GetValue(_file)) is { } path ? ConfigurationFile.Load(Path.GetFullPath(path), all)
            : ConfigurationFile.Parse(Embedded(embedded), $"the embedded {embedded}", all);
    }

    /// <summary>
    /// The configuration of a command that works on prepared data. With a `phantom` section absent data are drawn, but never in
    /// the place of data that the user named or prepared.
    /// </summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="isCnn">Without `--config` it is that of the plain network.</param>
    /// <param name="from">Without `--config` it is that of the run which this model comes from, where it comes from one.</param>
    /// <exception cref="InputException">As for <see cref="Read(ParseResult, bool)"/>; or the user's data are elsewhere.</exception>
    public PfmvgConfiguration ReadForData(ParseResult parsed, bool isCnn = false, string? from = null)
    {
        var configuration = ReadOf(parsed, from, isCnn);
        if (configuration.Phantom is null) return configuration;
        GroundingSetup.RequireNoneElsewhere(configuration);
        if (parsed.GetValue(_overrides)!.Any(change => change.StartsWith("data.folder=", StringComparison.Ordinal)))
            _ = GroundingSetup.OpenData(configuration);
        return configuration;
    }

    /// <summary>A command line with these words and the configuration of this one, ready for a shell.</summary>
    /// <param name="parsed">This command line.</param>
    /// <param name="words">The command and its own options.</param>
    public string Command(ParseResult parsed, params IEnumerable<string> words) => ShellWords.Join(
    [
        "pfmvg", .. words,
        .. parsed.GetValue(_file) is { } file ? (string[])["--config", file] : [],
        .. parsed.GetValue(_overrides)!.SelectMany(change => (string[])["--set", change]),
        .. parsed.GetValue(_constrain) is { } constrain ? (string[])["--constrain", constrain] : [],
    ]);

    private string[] Overrides(ParseResult parsed) => parsed.GetValue(_constrain) is { } constrain
        ? [.. parsed.GetValue(_overrides)!, $"eval.constrain={constrain}"] : parsed.GetValue(_overrides)!;

    private static string Embedded(string name)
    {
        using var stream = typeof(ConfigurationOptions).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
