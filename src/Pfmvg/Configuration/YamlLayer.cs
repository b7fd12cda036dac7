using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text.Json;
using YamlDotNet.Core;
using YamlDotNet.RepresentationModel;

namespace Pfmvg.Configuration;

/// <summary>
/// Applies one YAML document to a record and notes everything that does not fit. A file and each `--set` are layers;
/// a section keeps what the layer does not mention, a list is replaced, a table of names is extended.
/// </summary>
/// <param name="place">Where a line of this layer is, for the user.</param>
/// <param name="places">Filled with the place of every key that was given, by its path.</param>
/// <param name="errors">Filled with what is wrong, by the path of the key.</param>
internal sealed class YamlLayer(Func<Mark, string> place, Dictionary<string, string> places, List<ConfigurationError> errors)
{
    /// <summary>The record with the layer's values; a value that does not fit leaves the old one.</summary>
    public T Apply<T>(T record, YamlNode node) where T : notnull => (T)Section(node, record, "");

    /// <summary>The YAML key of a property or an enum value.</summary>
    public static string Key(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);

    /// <summary>True for the records that are sections of the configuration.</summary>
    public static bool IsSection(Type type) => type.IsClass && type.Namespace == typeof(PfmvgConfiguration).Namespace;

    /// <summary>True for a text without a form of its own: it is a path.</summary>
    public static bool IsPath(PropertyInfo property) =>
        property.PropertyType == typeof(string) && !property.IsDefined(typeof(RegularExpressionAttribute));

    private object Section(YamlNode node, object current, string path)
    {
        if (node is not YamlMappingNode mapping)
            return Reject(node, path.Length == 0 ? "the whole" : path, "must be a section of `key: value` lines", current)!;

        var properties = current.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly);
        var result = Activator.CreateInstance(current.GetType())!;
        foreach (var property in properties) property.SetValue(result, property.GetValue(current));

        foreach (var (keyNode, value) in mapping.Children)
        {
            var key = (keyNode as YamlScalarNode)?.Value ?? "";
            var full = path.Length == 0 ? key : $"{path}.{key}";
            if (properties.FirstOrDefault(p => Key(p.Name) == key) is not { } property)
            {
                var allowed = string.Join(", ", properties.Select(p => Key(p.Name)));
                Reject(keyNode, full, $"is not a setting; {(path.Length == 0 ? "the settings" : $"the settings of {path}")} are: {allowed}",
                    null);
                continue;
            }

            places[full] = place(value.Start);
            property.SetValue(result, Value(value, property, property.GetValue(current), full));
        }

        return result;
    }

    private object? Value(YamlNode node, PropertyInfo property, object? current, string path)
    {
        var type = property.PropertyType;
        if (node is YamlScalarNode { Style: ScalarStyle.Plain, Value: "" or "null" or "~" })
            return new NullabilityInfoContext().Create(property).WriteState == NullabilityState.Nullable
                ? null
                : Reject(node, path, $"must have a value: {Expected(property)}", current);

        if (IsSection(type)) return Section(node, current ?? Activator.CreateInstance(type)!, path);
        if (type == typeof(IReadOnlyList<string>)) return List(node, property, current, path);
        if (type == typeof(IReadOnlyDictionary<string, string>)) return Table(node, property, current, path);
        if (IsPath(property) && node is YamlScalarNode { Value: { Length: > 0 } written }) return FilePath(node, written, current, path);
        if (node is not YamlScalarNode { Value: { } text } || Scalar(text, type) is not { } value || !Fits(value, property))
            return Reject(node, path, $"must be {Expected(property)}, not {Shown(node)}", current);
        return value;
    }

    private object? FilePath(YamlNode node, string written, object? current, string path)
    {
        try
        {
            return PathText.Expand(written);
        }
        catch (InputException wrong)
        {
            return Reject(node, path, $"is {wrong.Message.TrimEnd('.')}", current);
        }
    }

    private object? List(YamlNode node, PropertyInfo property, object? current, string path)
    {
        var items = (node as YamlSequenceNode)?.Children.Select(child => (child as YamlScalarNode)?.Value).ToArray();
        return items is not null && items.All(item => item is not null && Fits(item, property))
            && items.Distinct().Count() == items.Length
            ? items
            : Reject(node, path, $"must be a list like [a, b] of different values: {Expected(property)}", current);
    }

    private object? Table(YamlNode node, PropertyInfo property, object? current, string path)
    {
        if (node is not YamlMappingNode mapping || mapping.Children.Any(pair => pair is not { Key: YamlScalarNode, Value: YamlScalarNode }))
            return Reject(node, path, $"must be a table of `name: value` lines: {Expected(property)}", current);
        var table = new Dictionary<string, string>((IReadOnlyDictionary<string, string>)current!);
        foreach (var (key, value) in mapping.Children)
            if (FilePath(value, ((YamlScalarNode)value).Value!, null, path) is string folder) table[((YamlScalarNode)key).Value!] = folder;
        return table;
    }

    private object? Reject(YamlNode node, string path, string problem, object? current)
    {
        errors.Add(new ConfigurationError(path, place(node.Start), problem));
        return current;
    }

    private static object? Scalar(string text, Type type) => type switch
    {
        _ when type == typeof(string) => text.Length > 0 ? text : null,
        _ when type == typeof(bool) => text switch { "true" => true, "false" => false, _ => null },
        _ when type == typeof(int) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            ? number : null,
        _ when type == typeof(double) => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number)
            && double.IsFinite(number) ? number : null,
        { IsEnum: true } => Enum.GetNames(type).FirstOrDefault(name => Key(name) == text) is { } name ? Enum.Parse(type, name) : null,
        _ => throw new NotSupportedException($"A setting of type {type} has no YAML form."),
    };

    private static bool Fits(object value, PropertyInfo property) =>
        property.GetCustomAttributes<ValidationAttribute>().All(rule => rule.IsValid(value));

    private static string Expected(PropertyInfo property)
    {
        var type = property.PropertyType;
        var kind = type switch
        {
            _ when type == typeof(int) => "a whole number",
            _ when type == typeof(double) => "a number",
            _ when type == typeof(bool) => "true or false",
            { IsEnum: true } => string.Join(" or ", Enum.GetNames(type).Select(Key)),
            _ when type == typeof(string) => "a text",
            _ when IsSection(type) => "a section",
            _ => "texts",
        };
        foreach (var rule in property.GetCustomAttributes<ValidationAttribute>())
        {
            kind += rule switch
            {
                RangeAttribute range => Bounds(range),
                AllowedValuesAttribute values => $" out of {string.Join(", ", values.Values)}",
                RegularExpressionAttribute pattern => $" of the form {pattern.Pattern}",
                _ => "",
            };
        }

        return kind;
    }

    private static string Bounds(RangeAttribute range)
    {
        var (low, high) = (Number(range.Minimum), Number(range.Maximum));
        var from = range.MinimumIsExclusive ? $" above {low}" : $" of at least {low}";
        if (range.Maximum is int.MaxValue or double.MaxValue) return from;
        return range.MaximumIsExclusive ? $"{from} and below {high}" : $"{from} and at most {high}";
    }

    private static string Number(object number) => Convert.ToString(number, CultureInfo.InvariantCulture)!;

    private static string Shown(YamlNode node) => node switch
    {
        YamlScalarNode { Value: { } text } => $"\"{(text.Length > 60 ? text[..60] + "..." : text)}\"",
        YamlMappingNode => "a section",
        _ => "a list",
    };
}

/// <summary>Something in a configuration that does not fit.</summary>
/// <param name="Path">Dotted path of the key.</param>
/// <param name="Place">Where it was given: file and line, or the `--set`; empty when it was not given.</param>
/// <param name="Problem">What is wrong and what is allowed, to be read after the path.</param>
internal sealed record ConfigurationError(string Path, string Place, string Problem);
