using System.Buffers.Binary;
using System.Text.Json;
using Pfmvg.Configuration;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

/// <summary>What the program writes on its two streams, byte for byte, and what happens where they cannot be written.</summary>
public sealed class OutputTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private (int Code, string Output, string Error) Run(string command, string redirected = "> out 2> err")
    {
        var shell = Shell.Run("bash", ["-c", $"dotnet '{Shell.Pfmvg}' {command} {redirected}"], folder: _folder.Path);
        return (shell.ExitCode, Read("out"), Read("err"));

        string Read(string name) => File.Exists(_folder.In(name)) ? File.ReadAllText(_folder.In(name)) : "";
    }

    private static void AssertVisible(string text)
    {
        Assert.DoesNotContain(text, c => ForeignText.IsObeyed(c) && c != '\n');
        Assert.InRange(text.Length, 0, 100_000);
    }

    [Theory]
    [InlineData("> /dev/full 2> err", 2, "No space left on device")]
    [InlineData(">&- 2> err", 2, "closed")]
    [InlineData("> /dev/full 2> /dev/full", 2, "")]
    [InlineData(">&- 2>&-", 2, "")]
    [InlineData("> out 2> /dev/full", 0, "")]
    [InlineData("> out 2>&-", 0, "")]
    public void Streams_that_cannot_be_written_are_a_sentence_or_nothing_and_never_a_crash(string redirected, int code, string said)
    {
        foreach (var command in (string[])["runs list none", "--help"])
        {
            var (ended, _, error) = Run(command, redirected);
            Assert.Equal(code, ended);
            Assert.Contains(said, error, StringComparison.Ordinal);
            Assert.InRange(error.Split('\n').Length, 1, 2);
        }
    }

    [Fact]
    public void A_reader_that_has_enough_ends_the_program_without_a_word()
    {
        foreach (var command in (string[])["runs list none", "--help"])
        {
            var (_, output, error) = Run(command, "2> err | true; echo ${PIPESTATUS[0]} > out");
            // The reader may go before or after the last word.
            Assert.True(output is "141\n" or "0\n" && error.Length == 0, output + error);
        }

        var slow = Shell.Run("bash", ["-c", $"(sleep 0.2; exec dotnet '{Shell.Pfmvg}' --help) | true; echo ${{PIPESTATUS[0]}}"]);
        Assert.Equal("141", slow.Output.Trim());
    }

    [Fact]
    public void A_working_folder_that_has_been_removed_is_told()
    {
        var (code, _, error) = Run("runs list", "2> err"); // ends well where there is one
        Assert.Equal((0, ""), (code, error));
        var shell = Shell.Run("bash", ["-c", $"mkdir gone; cd gone; rmdir ../gone; dotnet '{Shell.Pfmvg}' runs list"],
            folder: _folder.Path);
        Assert.Equal(2, shell.ExitCode);
        Assert.Equal("error: The working folder has been removed: change into one that exists.", shell.Error.Trim());
    }

    [Theory]
    [InlineData("weights inspect hf")]
    [InlineData("data check --ms-cxr m.json --images ms-cxr=. --show-ids")]
    [InlineData("eval --predictions p.jsonl --resamples 0")]
    [InlineData("eval --predictions bare.jsonl")]
    [InlineData("eval --predictions p.jsonl --resamples 0 --format markdown")]
    [InlineData("compare p.jsonl p.jsonl --resamples 0")]
    [InlineData("doctor -c c.yaml")]
    [InlineData("doctor -c open.yaml")]
    [InlineData("predict --phrase x --image p.png")]
    [InlineData("predict --table t.csv")]
    [InlineData("$'a\\e[2J\\rb'")]
    [InlineData("runs list --$'a\\e[2J'")]
    [InlineData("runs show $'a\\e[2J\\nb'")]
    [InlineData("runs list runs")]
    [InlineData("runs show runs/r/$'a\\e[2J'")]
    public void Foreign_names_reach_the_terminal_written_out_and_cut(string command)
    {
        const string Hostile = "x\e[2J\u202e\u0007\u009b\r\u2028";
        var name = string.Concat(Enumerable.Repeat(Hostile, 50_000));
        Directory.CreateDirectory(_folder.In("hf"));
        Write("hf/pytorch_model.bin.index.json", new { metadata = new { }, weight_map = new Dictionary<string, string> { [name] = name } });
        Write("m.json", new
        {
            images = new[] { new { id = name, path = name } },
            annotations = new[] { new { id = 1, image_id = name, category_id = 1, label_text = name, bbox = (int[])[1, 2, 3, 4] } },
        });
        Write("bare.jsonl", new { id = name, output = "x" });
        Write("p.jsonl", new Dictionary<string, object>
        {
            ["id"] = name, ["image"] = name, ["class"] = name, ["phrase"] = name, ["width"] = 9, ["height"] = 9,
            ["truth"] = (int[][])[[1, 1, 5, 5]], ["answer"] = "{<11><11><55><55>}",
        });
        File.WriteAllText(_folder.In("c.yaml"), $"\"{string.Concat(Enumerable.Repeat("\\e[2J\\n", 500))}\": 1\n\"\\e[2Jx\": 1\n");
        File.WriteAllText(_folder.In("open.yaml"), "# \e\n\"\\e[2J\": [1, 2");
        File.WriteAllText(_folder.In("t.csv"), $"image,phrase\n\"{Hostile}.png\",x\n");
        File.WriteAllBytes(_folder.In("p.png"),
        [
            0x89, .. "PNG\r\n\x1a\n"u8, 0, 0, 0, 13, .. "IHDR"u8, 0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0, 0x3a, 0x7e, 0x9b, 0x55,
            .. Chunk("\e[2J"u8), .. new byte[200],
        ]);
        var run = Path.Combine(_folder.Path, "runs", "r", "a\e[2J");
        Directory.CreateDirectory(run);
        new RunInfo
        {
            Status = RunStatus.Failed, Message = name, Command = [name], Result = name,
            Figures = new Dictionary<string, double> { [Hostile] = 1 }, Environment = new Dictionary<string, string> { [Hostile] = name },
        }.Write(Path.Combine(run, "run.json"));

        var (code, output, error) = Run(command);
        AssertVisible(output);
        AssertVisible(error);
        Assert.InRange(code, 0, 2);
        Assert.DoesNotContain("failure", error, StringComparison.Ordinal);
        Assert.NotEmpty(output + error);

        void Write(string path, object content) => File.WriteAllText(_folder.In(path), JsonSerializer.Serialize(content) + "\n");

        static byte[] Chunk(ReadOnlySpan<byte> kind)
        {
            var chunk = new byte[12];
            BinaryPrimitives.WriteInt32BigEndian(chunk, 0);
            kind.CopyTo(chunk.AsSpan(4));
            return chunk; // its checksum is wrong
        }
    }

    [Fact]
    public void Json_and_csv_for_programs_stay_whole_and_name_what_they_name()
    {
        const string Hostile = "x\e[2J\u202e\u009b\u2028y";
        File.WriteAllText(_folder.In("p.jsonl"), JsonSerializer.Serialize(new Dictionary<string, object>
        {
            ["id"] = "1", ["image"] = "i", ["class"] = Hostile, ["phrase"] = "p", ["width"] = 9, ["height"] = 9,
            ["truth"] = (int[][])[[1, 1, 5, 5]], ["answer"] = "",
        }));
        var (code, json, _) = Run("eval --predictions p.jsonl --resamples 0 --format json");
        Assert.Equal(0, code);
        AssertVisible(json);
        Assert.Equal(Hostile, JsonDocument.Parse(json).RootElement.GetProperty("figures")[0].GetProperty("row").GetString());
        AssertVisible(Run("eval --predictions p.jsonl --resamples 0 --format csv").Output);
    }

    [Fact]
    public void The_runs_of_others_are_read_without_being_touched()
    {
        var configuration = new PfmvgConfiguration { Name = "theirs", Workspace = _folder.Path };
        var folder = RunFolder.ForPart(configuration, "stage1");
        using (folder.Begin(configuration, ExistingRun.Refuse))
        {
            new RunInfo { Status = RunStatus.Running, Step = 3, Steps = 9 }.Write(folder.InfoPath);
            Assert.Contains("running at step 3 of 9", Run("runs list runs").Output, StringComparison.Ordinal);
        }

        var before = Files();
        Assert.Contains("killed at step 3 of 9", Run("runs list runs").Output, StringComparison.Ordinal);
        Assert.Contains("killed at step 3 of 9", Run($"runs show {folder.Path}").Output, StringComparison.Ordinal);
        Assert.Equal(before, Files());
        // Nobody may look into what is no file, root neither.
        File.Delete(folder.In(".hold"));
        Directory.CreateDirectory(folder.In(".hold"));
        Assert.Contains("running or killed (in use: unknown) at step 3 of 9", Run("runs list runs").Output, StringComparison.Ordinal);

        (string, DateTime, DateTime)[] Files() => [.. Directory.GetFileSystemEntries(_folder.In("runs"), "*", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal).Select(path => (path, File.GetLastWriteTimeUtc(path), Directory.GetLastWriteTimeUtc(path)))];
    }
}
