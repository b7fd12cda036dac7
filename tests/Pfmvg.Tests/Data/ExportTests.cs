using System.Text.Json.Nodes;
using Pfmvg.Data;
using Pfmvg.Data.Exporting;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Imaging;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Data;

/// <summary>Exports of an invented set beside the files that the tools' own loaders took.</summary>
public sealed class ExportTests : IDisposable
{
    private static readonly string Formats = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "formats");

    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private PreparedData Prepare(params string[] more)
    {
        var invented = JsonNode.Parse(File.ReadAllText(Path.Combine(Formats, "expected_samples.json")))!["samples_as_invented"]!.AsArray();
        foreach (var picture in new[] { "wide.png", "tall.png", "strip.jpg" })
        {
            Directory.CreateDirectory(_tree["pictures"]);
            File.Copy(Path.Combine(Formats, "pictures", picture), _tree["pictures", picture], overwrite: true);
        }

        var lines = invented.Select(sample => sample!.ToJsonString()).Concat(more);
        var list = _tree.Write("list.jsonl", string.Join('\n', lines));
        StudyTree.Prepare(new PrepareOptions
        {
            Output = _tree["prepared"],
            Sources = new DataSources
            {
                Own = list,
                OwnFormat = "jsonl",
                ImageFolders = new Dictionary<string, string> { ["own"] = _tree["pictures"] },
            },
        });
        return PreparedData.Open(_tree["prepared"]);
    }

    private ExportReport Export(PreparedData data, string format, string question = OwnReader.UsualQuestion) =>
        ExportFiles.Write(data, format, _tree["out"], question, DicomGray.Window, TestContext.Current.CancellationToken);

    private static List<JsonNode> Rows(string file) => File.ReadAllText(file) is ['[', ..] list
        ? [.. JsonNode.Parse(list)!.AsArray().Select(row => row!.DeepClone())]
        : [.. File.ReadLines(file).Where(line => line.Length > 0).Select(line => JsonNode.Parse(line)!)];

    [Theory]
    [InlineData("ms-swift", "ms-swift/objects_real.jsonl")]
    [InlineData("llamafactory", "llamafactory/sharegpt_0_1000.json")]
    [InlineData("llava", "llava/conversations_0_1.json")]
    [InlineData("llava-padded", "llava/conversations_0_1_padded.json")]
    [InlineData("trl", "trl/prompt_completion_0_1000.jsonl")]
    [InlineData("imagefolder", "pictures/metadata.jsonl")]
    public void Rows_are_those_that_the_tools_loader_takes(string format, string file)
    {
        var report = Export(Prepare(), format);
        Assert.Equal(5, report.Files.Sum(written => written.Samples));
        var written = report.Files.SelectMany(part => Rows(_tree["out", part.File])).Select(Comparable).Order(StringComparer.Ordinal);
        Assert.Equal(Rows(Path.Combine(Formats, file)).Select(Comparable).Order(StringComparer.Ordinal), written);

        // Pictures lie elsewhere and samples have other identifiers; the rest is the same to the letter.
        static string Comparable(JsonNode row)
        {
            row.AsObject().Remove("id");
            if (row["images"] is JsonArray images) images[0] = Path.GetFileName((string)images[0]!);
            foreach (var name in new[] { "image", "file_name" })
                if (row[name] is JsonValue path) row[name] = Path.GetFileName((string)path!);
            return row.ToJsonString();
        }
    }

    [Theory]
    [InlineData("jsonl", null)]
    [InlineData("coco", null)]
    [InlineData("imagefolder", null)]
    [InlineData("ms-swift", null)]
    [InlineData("llamafactory", "thousand-xyxy")]
    [InlineData("llava", null)]
    [InlineData("llava-padded", null)]
    [InlineData("trl", "thousand-xyxy")]
    public void What_is_exported_is_read_again_with_the_same_splits(string format, string? coordinates)
    {
        var data = Prepare();
        foreach (var ((file, _), split) in Export(data, format).Files.Zip(Enum.GetValues<Split>()))
        {
            var truth = data.Read(SampleTask.Refer, split).OrderBy(sample => sample.Text, StringComparer.Ordinal).ToList();
            var read = new OwnReader(_tree["out", file], format, null, coordinates);
            var samples = read.Read().OrderBy(sample => sample.Text, StringComparer.Ordinal).ToList();
            Assert.Equal(truth.Select(sample => sample.Text), samples.Select(sample => sample.Text));
            foreach (var (sample, expected) in samples.Zip(truth))
            {
                Assert.Null(sample.Problem);
                Assert.True(File.Exists(Path.Combine(read.ImageFolder, sample.Image)));
                var boxes = sample.BoxesIn(expected.Width, expected.Height);
                Assert.Equal(expected.Boxes.Count, boxes.Count);
                foreach (var (box, original) in boxes.Zip(expected.Boxes))
                {
                    (double Read, double True)[] edges =
                    [
                        (box.Left, original.Left), (box.Top, original.Top), (box.Right, original.Right), (box.Bottom, original.Bottom),
                    ];
                    var rounding = 0.0005 * Math.Max(expected.Width, expected.Height) + 1e-9;
                    Assert.All(edges, edge => Assert.Equal(edge.True, edge.Read, rounding));
                }
            }
        }
    }

    [Fact]
    public void Boxes_that_rounding_collapses_are_counted()
    {
        var data = Prepare("""{"image": "strip.jpg", "phrase": "tiny", "boxes": [[10, 10, 10.2, 20]]}""");
        Assert.Contains("1 boxes have no width or height", Assert.Single(Export(data, "trl").Notes), StringComparison.Ordinal);
        Directory.Delete(_tree["out"], recursive: true);
        Assert.Empty(Export(data, "ms-swift").Notes);
    }

    [Fact]
    public void A_phrase_that_a_tool_takes_for_a_picture_is_refused_and_nothing_is_left()
    {
        var data = Prepare("""{"image": "strip.jpg", "phrase": "an <image> of", "boxes": []}""");
        var message = Assert.Throws<InputException>(() => Export(data, "llamafactory")).Message;
        Assert.Contains("holds <image>", message, StringComparison.Ordinal);
        Assert.Empty(Directory.GetDirectories(_tree.Root, "out*"));
        Export(data, "ms-swift");
    }

    [Fact]
    public void A_folder_in_use_and_a_question_without_phrase_are_refused()
    {
        var data = Prepare();
        Assert.Contains("must stand in it once",
            Assert.Throws<InputException>(() => Export(data, "trl", "Where?")).Message, StringComparison.Ordinal);
        Export(data, "trl");
        Assert.Contains("not an empty folder", Assert.Throws<InputException>(() => Export(data, "trl")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ms-swift", "swift sft")]
    [InlineData("llamafactory", "--media_dir")]
    [InlineData("llava-padded", "--image_aspect_ratio pad")]
    [InlineData("trl", "SFTTrainer")]
    public void The_command_that_trains_on_it_is_printed(string format, string part)
    {
        Prepare();
        var result = Shell.RunPfmvg("data", "export", "--from", _tree["prepared"], "--format", format, "--out", _tree["out"]);
        Assert.Equal(0, result.ExitCode);
        Assert.Contains(part, result.Output, StringComparison.Ordinal);
    }
}
