using System.Text;
using System.Text.Json;
using Pfmvg.Configuration;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

public sealed class PathAndLocaleTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("en_US.ISO-8859-1")]
    [InlineData("C")]
    [InlineData("POSIX")]
    public void Results_are_utf8_in_every_locale(string locale)
    {
        const string Line = """
            {"id": "Ω", "image": "i", "class": "épanchement 胸水", "phrase": "p", "width": 9,
             "height": 9, "truth": [[1, 1, 5, 5]], "answer": ""}
            """;
        var path = Path.Combine(_folder.Path, "answers.jsonl");
        File.WriteAllText(path, Line.ReplaceLineEndings(" "), new UTF8Encoding(false));
        var output = Path.Combine(_folder.Path, "out.json");
        var command = $"LC_ALL={locale} dotnet '{Shell.Pfmvg}' eval --predictions '{path}' --format json --resamples 0 > '{output}'";
        var shell = Shell.Run("bash", ["-c", command]);
        Assert.True(shell.ExitCode == 0, $"{shell}");
        var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(File.ReadAllBytes(output));
        Assert.Contains("épanchement 胸水", JsonDocument.Parse(text).RootElement.GetProperty("figures")[0].GetProperty("row").GetString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_tilde_and_variables_are_expanded_in_paths_and_nowhere_else()
    {
        var home = Environment.GetFolderPath(Environment.SpecialFolder.UserProfile);
        Environment.SetEnvironmentVariable("PFMVG_TEST_PLACE", "/place");
        foreach (var (written, meant) in new[]
        {
            ("~", home), ("~/a", home + "/a"), ("a~", "a~"), ("./~", "./~"), ("$PFMVG_TEST_PLACE/a", "/place/a"),
            ("${PFMVG_TEST_PLACE}b/$PFMVG_TEST_PLACE", "/placeb//place"), ("a$$b", "a$b"), ("cost$5", "cost$5"),
        }) Assert.Equal(meant, PathText.Expand(written));
        foreach (var path in (string[])["~x", "a$$b", "$HOME/${A}", "plain"]) Assert.Equal(
            path.StartsWith('~') ? "./" + path : path, PathText.Expand(PathText.Escape(path)));
        Assert.Contains("PFMVG_NOT_SET is not set", Assert.Throws<InputException>(() => PathText.Expand("${PFMVG_NOT_SET}/a")).Message,
            StringComparison.Ordinal);
        Assert.Contains("another user's",
            Assert.Throws<InputException>(() => PathText.Expand("~root/a")).Message, StringComparison.Ordinal);

        var settings = ConfigurationFile.Parse(
            "workspace: ~/w\nweights:\n  vision: $PFMVG_TEST_PLACE/v\ndata:\n  roots:\n    ms-cxr: ~/m\n", "test",
            ["data.cache=${PFMVG_TEST_PLACE}/c"]);
        Assert.Equal((home + "/w", "/place/v", home + "/m", "/place/c"),
            (settings.Workspace, settings.Weights.Vision, settings.Data.Roots["ms-cxr"], settings.Data.Cache));
        Assert.Contains("workspace (line 1)", Assert.Throws<InputException>(
            () => ConfigurationFile.Parse("workspace: $PFMVG_NOT_SET", "test", [])).Message, StringComparison.Ordinal);
        Assert.Equal("a$b", ConfigurationFile.Parse(ConfigurationFile.ToYaml(new PfmvgConfiguration { Runs = "a$b" }), "test", []).Runs);
    }

    [Fact]
    public void Options_that_are_paths_are_expanded()
    {
        var lists = Shell.Run("bash", ["-c", $"PFMVG_PLACE='{_folder.Path}' dotnet '{Shell.Pfmvg}' runs list '$PFMVG_PLACE/none'"]);
        Assert.Contains($"No runs in {_folder.Path}/none", $"{lists}", StringComparison.Ordinal);
        var unset = Shell.RunPfmvg(["eval", "--predictions", "$PFMVG_NOT_SET/a.jsonl"]);
        Assert.Equal(2, unset.ExitCode);
        Assert.Contains("PFMVG_NOT_SET is not set", $"{unset}", StringComparison.Ordinal);
        string[][] lines =
            [["compare", "a.jsonl", "$PFMVG_NOT_SET/b.jsonl"], ["compare", "--runs", "a.jsonl", "--against", "$PFMVG_NOT_SET"]];
        foreach (var line in lines)
            Assert.Contains("PFMVG_NOT_SET is not set", $"{Shell.RunPfmvg(line)}", StringComparison.Ordinal);
        var idle = Shell.RunPfmvg(["eval", "--predictions", "a.jsonl", "--colors", "red,blue"]);
        Assert.Equal(2, idle.ExitCode);
        Assert.Contains("--colors shapes a report", $"{idle}", StringComparison.Ordinal);
    }
}
