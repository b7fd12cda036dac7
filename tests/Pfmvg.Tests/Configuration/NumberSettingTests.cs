using System.ComponentModel.DataAnnotations;
using System.Reflection;
using Pfmvg.Configuration;

namespace Pfmvg.Tests.Configuration;

/// <summary>Every setting that is a number has bounds, and what is outside or no number is refused by its path.</summary>
public class NumberSettingTests
{
    public static TheoryData<string> Settings => [.. All(typeof(PfmvgConfiguration), "").Select(found => found.Path)];

    private static IEnumerable<(string Path, PropertyInfo Property)> All(Type section, string prefix) =>
        section.GetProperties(BindingFlags.Public | BindingFlags.Instance | BindingFlags.DeclaredOnly).Where(property => property.CanWrite)
            .SelectMany(property => YamlLayer.IsSection(property.PropertyType)
                ? All(property.PropertyType, $"{prefix}{YamlLayer.Key(property.Name)}.")
                : property.PropertyType == typeof(int) || property.PropertyType == typeof(double)
                    ? [($"{prefix}{YamlLayer.Key(property.Name)}", property)] : []);

    [Theory]
    [MemberData(nameof(Settings))]
    public void What_is_no_usable_number_is_refused_with_setting_value_and_range(string path)
    {
        var property = All(typeof(PfmvgConfiguration), "").Single(found => found.Path == path).Property;
        var signed = property.GetCustomAttribute<RangeAttribute>() is { } range
            ? Convert.ToDouble(range.Minimum, null) <= -1 : path == "seed" || path.EndsWith(".seed", StringComparison.Ordinal);
        foreach (var value in (string[])["NaN", ".nan", "Infinity", ".inf", "1,5", "1e400", "0x10", "-1"])
        {
            if (value == "-1" && signed) continue;
            var message = Assert.Throws<InputException>(() => ConfigurationFile.Parse("", "c.yaml", [$"{path}={value}"])).Message;
            Assert.Contains($"{path} (--set {path}={value}) must be a", message, StringComparison.Ordinal);
            Assert.Contains($"not \"{value}\"", message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("stage1: [[\nstage2: x\n", "c.yaml, line 1: a '[' is never closed; add its ']'.")]
    [InlineData("name: a\ndata:\n  images: {a: b\nseed: 1\n", "c.yaml, line 3: a '{' is never closed; add its '}'.")]
    [InlineData("stage1: [1, 2\n", "c.yaml, line 1: a '[' is never closed; add its ']'.")]
    public void A_bracket_that_is_never_closed_is_named_by_its_line(string yaml, string message) =>
        Assert.Equal(message, Assert.Throws<InputException>(() => ConfigurationFile.Parse(yaml, "c.yaml", [])).Message);
}
