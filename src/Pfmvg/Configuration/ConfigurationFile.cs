using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;
using YamlDotNet.RepresentationModel;

namespace Pfmvg.Configuration;

/// <summary>Reads a configuration from YAML, reports everything that is wrong with it at once, and compares two.</summary>
public static class ConfigurationFile
{
    private const int LargestFile = 1 << 20, DeepestNesting = 32;

    /// <summary>Reads a file, lays the overrides over it and checks the whole.</summary>
    /// <param name="path">YAML file; null starts from the values of <see cref="PfmvgConfiguration"/>.</param>
    /// <param name="overrides">Texts like `stage2.init_lr=1e-4`; a later one wins.</param>
    /// <exception cref="InputException">The file cannot be read or anything in it is wrong; all errors are listed, each
    /// with its place.</exception>
    public static PfmvgConfiguration Load(string? path, IReadOnlyList<string> overrides) =>
        Parse(path is null ? "" : Read(path), path ?? "the built-in configuration", overrides);

    /// <summary>The same from a text.</summary>
    /// <param name="yaml">The text.</param>
    /// <param name="source">Its name in errors.</param>
    /// <param name="overrides">Texts like `stage2.init_lr=1e-4`; a later one wins.</param>
    public static PfmvgConfiguration Parse(string yaml, string source, IReadOnlyList<string> overrides)
    {
        var errors = new List<ConfigurationError>();
        var places = new Dictionary<string, string>();
        var configuration = new PfmvgConfiguration();

        if (Document(yaml, source) is { } file and not YamlScalarNode { Style: ScalarStyle.Plain, Value: "" or "null" })
            configuration = new YamlLayer(mark => $"line {mark.Line}", places, errors).Apply(configuration, file);
        foreach (var text in overrides)
            configuration = new YamlLayer(_ => $"--set {text}", places, errors).Apply(configuration, Override(text));

        var wrong = errors.Select(error => error.Path).ToHashSet();
        foreach (var broken in ConfigurationRules.Check(configuration).Where(broken => !broken.Paths.Any(wrong.Contains)))
        {
            var path = broken.Paths.FirstOrDefault(places.ContainsKey) ?? broken.Paths[0];
            errors.Add(new ConfigurationError(broken.Paths[0], places.GetValueOrDefault(path, ""), broken.Problem));
        }

        if (errors.Count > 0) throw new InputException(Message(source, errors));
        return configuration with { Given = places.Keys.ToHashSet() };
    }

    /// <summary>The configuration as YAML, every key written out; reading it gives the same configuration.</summary>
    public static string ToYaml(PfmvgConfiguration configuration) => YamlText.Write(configuration);

    /// <summary>Every setting by its dotted path, its value as it is written in YAML.</summary>
    public static IReadOnlyDictionary<string, string> Settings(PfmvgConfiguration configuration) => YamlText.Settings(configuration);

    /// <summary>The settings in which two configurations differ, as lines like `stage1.epochs: 3 -> 5`.</summary>
    public static IReadOnlyList<string> Differences(PfmvgConfiguration before, PfmvgConfiguration after)
    {
        var (old, now) = (YamlText.Settings(before), YamlText.Settings(after));
        // A section that is not given is `null`; where the other one has it, its settings tell.
        return [.. old.Keys.Union(now.Keys).Where(path => old.GetValueOrDefault(path, "null") != now.GetValueOrDefault(path, "null"))
            .Select(path => $"{path}: {old.GetValueOrDefault(path, "not given")} -> {now.GetValueOrDefault(path, "not given")}")];
    }

    private static string Read(string path)
    {
        try
        {
            if (Directory.Exists(path)) throw new InputException($"{path} is a folder, not a configuration file.");
            if (new FileInfo(path) is { Exists: true, Length: > LargestFile })
                throw new InputException($"{path} is larger than a configuration can be (1 MiB); give a YAML file.");
            using var text = new StreamReader(
                new MemoryStream(InputFile.ReadBytesOrPipe(path, LargestFile)), new UTF8Encoding(false, throwOnInvalidBytes: true));
            return text.ReadToEnd();
        }
        catch (Exception failure) when (failure is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InputException($"The configuration {path} does not exist.", failure);
        }
        catch (DecoderFallbackException failure)
        {
            throw new InputException($"{path} is not a text in UTF-8; give a YAML file.", failure);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw FileFault.At($"The configuration {path}", path, failure);
        }
    }

    /// <summary>The root node of a text, null when it holds nothing.</summary>
    private static YamlNode? Document(string yaml, string source)
    {
        try
        {
            RefuseDeepNesting(yaml, source);
            var stream = new YamlStream();
            stream.Load(new StringReader(yaml));
            return stream.Documents.Count switch
            {
                0 => null,
                1 => stream.Documents[0].RootNode,
                _ => throw new InputException($"{source} holds {stream.Documents.Count} YAML documents; keep one."),
            };
        }
        catch (YamlException failure)
        {
            throw new InputException($"{source}, line {failure.Start.Line}, column {failure.Start.Column} is not YAML: {failure.Message}",
                failure);
        }
        catch (Exception failure) when (failure is not InputException) // the parser's own slips
        {
            throw new InputException($"{source} is not YAML; check its brackets, quotes and indents.", failure);
        }
    }

    // YamlStream recurses per level; a file of brackets must not overflow the stack.
    private static void RefuseDeepNesting(string yaml, string source)
    {
        var parser = new Parser(new StringReader(yaml));
        var brackets = new Stack<(char Bracket, Mark At)>();
        for (var depth = 0; Next();)
        {
            depth += parser.Current!.NestingIncrease;
            if (parser.Current is SequenceStart { Style: SequenceStyle.Flow } list) brackets.Push(('[', list.Start));
            else if (parser.Current is MappingStart { Style: MappingStyle.Flow } map) brackets.Push(('{', map.Start));
            else if (parser.Current is SequenceEnd or MappingEnd && parser.Current.End.Index > parser.Current.Start.Index)
                brackets.TryPop(out _); // what is no bracket ends without a sign
            var place = $"{source}, line {parser.Current.Start.Line}";
            if (depth > DeepestNesting)
                throw new InputException($"{place}: nested deeper than a configuration can be; check the brackets.");
            if (parser.Current is AnchorAlias)
                throw new InputException($"{place}: an alias (*name) is not supported; write the value out.");
        }

        bool Next()
        {
            try
            {
                return parser.MoveNext();
            }
            catch (Exception broken) when (broken is InvalidOperationException or YamlException && brackets.TryPeek(out var open)
                && !Closes(open.At.Index))
            {
                throw new InputException($"{source}, line {open.At.Line}: a '{open.Bracket}' is never closed; add its "
                    + $"'{(open.Bracket == '[' ? ']' : '}')}'.", broken);
            }
            catch (InvalidOperationException broken) // at the end of a text that leaves something open
            {
                throw new InputException(
                    $"{source} is not YAML: something is left open at its end; check its brackets and quotation marks.", broken);
            }
        }

        // Quoted brackets may mislead it: then the parser's own words are said.
        bool Closes(long at) => yaml.Skip((int)at).Sum(c => c is '[' or '{' ? 1 : c is ']' or '}' ? -1 : 0) <= 0;
    }

    /// <summary>`a.b=value` as the tree a: { b: value }.</summary>
    private static YamlNode Override(string text)
    {
        var parts = text.Split('=', 2, StringSplitOptions.TrimEntries);
        if (parts.Length < 2 || parts[0].Length == 0 || parts[0].Split('.').Any(key => key.Length == 0))
            throw new InputException($"--set {text} is not of the form path=value, as in --set stage2.init_lr=1e-4.");
        var value = Document(parts[1], $"--set {text}") ?? new YamlScalarNode("") { Style = ScalarStyle.Plain };
        return parts[0].Split('.').Reverse().Aggregate(value, (inner, key) => new YamlMappingNode(new YamlScalarNode(key), inner));
    }

    private static string Message(string source, List<ConfigurationError> errors)
    {
        var lines = errors.Select(error =>
            ForeignText.Quote($"{error.Path}{(error.Place.Length == 0 ? "" : $" ({error.Place})")} {error.Problem}."));
        return errors.Count == 1
            ? $"{source}: {lines.First()}"
            : $"{source} has {errors.Count} errors:{string.Concat(lines.Select(line => $"\n  {line}"))}";
    }
}
