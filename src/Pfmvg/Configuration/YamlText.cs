using System.Globalization;
using System.Reflection;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Pfmvg.Configuration;

/// <summary>Writes a configuration as YAML.</summary>
internal static partial class YamlText
{
    /// <summary>Every setting on its own line, sections indented.</summary>
    public static string Write(object section)
    {
        var text = new StringBuilder();
        Write(text, section, "");
        return text.ToString();
    }

    /// <summary>Every setting by its dotted path, its value as it is written in YAML.</summary>
    public static Dictionary<string, string> Settings(object section) =>
        Leaves(section, "").ToDictionary(leaf => leaf.Path, leaf => leaf.Value);

    private static void Write(StringBuilder text, object section, string indent)
    {
        foreach (var (key, value) in Properties(section))
        {
            if (value is not null && YamlLayer.IsSection(value.GetType()))
            {
                text.Append(CultureInfo.InvariantCulture, $"{indent}{key}:\n");
                Write(text, value, indent + "  ");
            }
            else
            {
                text.Append(CultureInfo.InvariantCulture, $"{indent}{key}: {Scalar(value)}\n");
            }
        }
    }

    private static IEnumerable<(string Path, string Value)> Leaves(object section, string prefix) =>
        Properties(section).SelectMany(pair => pair.Value is not null && YamlLayer.IsSection(pair.Value.GetType())
            ? Leaves(pair.Value, $"{prefix}{pair.Key}.")
            : [($"{prefix}{pair.Key}", Scalar(pair.Value))]);

    private static IEnumerable<(string Key, object? Value)> Properties(object section) =>
        section.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly)
            .Select(property => (YamlLayer.Key(property.Name), property.GetValue(section) is string path && YamlLayer.IsPath(property)
                ? PathText.Escape(path) : property.GetValue(section)));

    private static string Scalar(object? value) => value switch
    {
        null => "null",
        bool flag => flag ? "true" : "false",
        int number => number.ToString(CultureInfo.InvariantCulture),
        double number => Number(number),
        Enum name => YamlLayer.Key(name.ToString()),
        string words => Quoted(words),
        IReadOnlyList<string> list => $"[{string.Join(", ", list.Select(Quoted))}]",
        IReadOnlyDictionary<string, string> { Count: 0 } => "{}",
        IReadOnlyDictionary<string, string> table => $"{{ {string.Join(", ", Pairs(table))} }}",
        _ => throw new NotSupportedException($"A setting of type {value.GetType()} has no YAML form."),
    };

    private static IEnumerable<string> Pairs(IReadOnlyDictionary<string, string> table) =>
        table.OrderBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => $"{Quoted(pair.Key)}: {Quoted(PathText.Escape(pair.Value))}");

    // YAML 1.1 readers take 1E-05 for a text: a number with an exponent needs a point.
    private static string Number(double number)
    {
        var text = number.ToString("r", CultureInfo.InvariantCulture).ToLowerInvariant();
        return text.Contains('e') && !text.Contains('.') ? text.Replace("e", ".0e", StringComparison.Ordinal) : text;
    }

    private static string Quoted(string text) =>
        Plain().IsMatch(text) && text is not ("null" or "true" or "false") ? text : JsonSerializer.Serialize(text, Readable);

    // A JSON text is a YAML text.
    private static readonly JsonSerializerOptions Readable = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    [GeneratedRegex(@"\A[A-Za-z_./][A-Za-z0-9_./-]*\z")] private static partial Regex Plain();
}
