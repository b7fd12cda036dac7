using Pfmvg.Configuration;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.House;

public class DocumentationTests
{
    [Fact]
    public void The_command_reference_is_fresh()
    {
        const string Variable = "PFMVG_WRITE_REFERENCE";
        const string Remedy = $"{Variable}=1 dotnet test tests/Pfmvg.Tests -c Release --filter {nameof(The_command_reference_is_fresh)}";
        var path = Path.Combine(Fixtures.Repository, "docs", "cli.md");
        var page = CommandReference.Page(Remedy);
        if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 }) File.WriteAllText(path, page);
        Assert.True(File.ReadAllText(path) == page, $"docs/cli.md is stale. Write it anew with:\n    {Remedy}");
    }

    [Fact]
    public void Every_setting_is_documented_with_its_default()
    {
        var page = File.ReadAllText(Path.Combine(Fixtures.Repository, "docs", "configuration.md"));
        var sections = ConfigurationFile.Settings(new PfmvgConfiguration())
            .Where(setting => setting.Value == "null" && !setting.Key.Contains('.', StringComparison.Ordinal));
        var settings = ConfigurationFile.Settings(
            ConfigurationFile.Parse(string.Concat(sections.Select(section => $"{section.Key}: {{}}\n")), "all sections", []));
        var missing = settings.Where(setting => !page.Contains(Row(setting.Key, setting.Value), StringComparison.Ordinal));
        Assert.Empty(missing.Select(setting => Row(setting.Key, setting.Value)));

        // The stages share their keys; the page has one table for both.
        string Row(string path, string value) => path.Split('.') is ["stage1" or "stage2", var key]
            ? settings[$"stage1.{key}"] == settings[$"stage2.{key}"]
                ? $"| `{key}` | `{value}` |" : $"| `{key}` | `{settings[$"stage1.{key}"]}`, `{settings[$"stage2.{key}"]}` |"
            : $"| `{path}` | `{value}` |";
    }
}
