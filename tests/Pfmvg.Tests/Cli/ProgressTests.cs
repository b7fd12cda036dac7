using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Cli;

/// <summary>Where the error stream is a file, long commands say a line now and then.</summary>
public sealed class ProgressTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Answers_drawings_lists_and_exports_are_counted()
    {
        var asked = PreparedData.Open(workspace.Data).Read(SampleTask.Refer, Split.Test);
        string[] settings = workspace.Sets("progress", "eval.max_new_tokens=4", "eval.batch_size=2", "stage1.epochs=1");
        Says($@"^answering  \d+ of {asked.Count} phrases$", ["eval", "--split", "test", "--from", "base", "--resamples", "0", .. settings]);
        Says($@"^answering  {asked.Count} of {asked.Count} phrases$",
            ["eval", "--split", "test", "--from", "base", "--resamples", "0", "--overwrite", .. settings]);

        var table = _folder.In("cases.csv");
        var picture = PreparedData.Open(workspace.Data).ImagePath(asked[0]);
        File.WriteAllText(table, "image,phrase\n" + string.Concat(Enumerable.Range(0, 7).Select(i => $"{picture},edema {i}\n")));
        Says(@"^answering  \d of 7 phrases$", ["predict", "--table", table, "--from", "base", .. settings]);

        Says(@"^drawing  \d+ of \d+ pictures$", ["data", "phantom", "--out", _folder.In("phantom"), "--patients", "12"]);
        Says(@"^ms-cxr: \d+ samples$", ["data", "check", "--from", _folder.In("phantom")]);
        Says(@"^ms-cxr: \d+ samples$", ["data", "prepare", "--from", _folder.In("phantom"), "--out", _folder.In("prepared")]);
        Says(@"^test: \d+ samples$", ["data", "export", "--from", _folder.In("prepared"), "--format", "jsonl", "--out", _folder.In("set")]);

        Says(@"^stage 1  step 1/", ["train", "--stage", "1", .. settings]);
        Says(@"^writing  [0-9.]+ .B of [0-9.]+ .B$", ["export", "--from", workspace.Run("progress").Path, "--format", "peft",
            "--out", _folder.In("adapter")]);
    }

    [Fact]
    public void An_exif_orientation_is_named_by_eval_with_its_rows_and_by_predict()
    {
        var data = PreparedData.Open(workspace.Data);
        var asked = data.Read(SampleTask.Refer, Split.Validate);
        var path = data.ImagePath(asked[0]);
        var bytes = File.ReadAllBytes(path);
        Assert.Equal(0xd8, bytes[1]); // a JPEG
        // The orientation in the block of a camera: big endian, one entry, 6 (turned by 90 degrees).
        byte[] block = [.. "Exif\0\0MM\0*"u8, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0];
        try
        {
            File.WriteAllBytes(path, [.. bytes[..2], 0xff, 0xe1, 0, (byte)(block.Length + 2), .. block, .. bytes[2..]]);
            string[] settings = workspace.Sets("turned", "eval.max_new_tokens=4");
            Says(@"^refer.validate.jsonl:1: 1 picture has an EXIF orientation, which is not applied",
                ["eval", "--split", "validate", "--from", "base", "--resamples", "0", .. settings]);
            Says("its EXIF orientation 6 \\(to be turned clockwise by 90 degrees\\) is not applied",
                ["predict", "--image", path, "--phrase", "edema", "--from", "base", .. settings]);
        }
        finally
        {
            File.WriteAllBytes(path, bytes);
        }
    }

    private static void Says(string line, string[] arguments)
    {
        var result = Shell.RunPfmvg(arguments);
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.True(System.Text.RegularExpressions.Regex.IsMatch(result.Error, line, System.Text.RegularExpressions.RegexOptions.Multiline),
            $"{line} is not in\n{result}");
    }
}
