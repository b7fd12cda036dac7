using System.Text.Json.Nodes;
using Pfmvg.Data.Sets;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Data;

/// <summary>One invented set in the formats of other tools; `expected_samples.json` says what each file's numbers mean.</summary>
public class OwnFormatTests
{
    private static readonly string Folder = Path.Combine(Fixtures.Repository, "tests", "Pfmvg.Tests", "Fixtures", "formats");

    private static readonly Dictionary<string, (int Width, int Height)> Sizes =
        new() { ["wide.png"] = (320, 256), ["tall.png"] = (225, 301), ["strip.jpg"] = (640, 203) };

    [Theory]
    [InlineData("coco/instances.json", "coco", null)]
    [InlineData("pictures/metadata.jsonl", "imagefolder", null)]
    [InlineData("ms-swift/objects_real.jsonl", "ms-swift", null)]
    [InlineData("ms-swift/objects_norm1.jsonl", "ms-swift", null)]
    [InlineData("ms-swift/text_0_1000.jsonl", "ms-swift", "thousand-xyxy")]
    [InlineData("llamafactory/sharegpt_0_1000.json", "llamafactory", "thousand-xyxy")]
    [InlineData("llamafactory/messages_pixels.json", "llamafactory", "pixels-xyxy")]
    [InlineData("llamafactory/alpaca_0_100.json", "llamafactory", null)]
    [InlineData("llava/conversations_0_1.json", "llava", null)]
    [InlineData("llava/conversations_0_1_padded.json", "llava-padded", null)]
    [InlineData("trl/messages_0_1000.jsonl", "trl", "thousand-xyxy")]
    [InlineData("trl/prompt_completion_0_1000.jsonl", "trl", "thousand-xyxy")]
    public void A_file_is_read_as_its_tool_means_it(string file, string format, string? coordinates)
    {
        var expected = JsonNode.Parse(File.ReadAllText(Path.Combine(Folder, "expected_samples.json")))!["files"]![file]!.AsArray()
            .Select(sample => ((string)sample!["image"]!, (string)sample["phrase"]!, sample["boxes"]!.AsArray()
                .Select(box => box!.AsArray().Select(edge => (double)edge!).ToArray()).ToList())).ToList();
        var images = format == "coco" ? Path.Combine(Folder, "pictures") : null;
        var found = new OwnReader(Path.Combine(Folder, file), format, images, coordinates).Read()
            .OrderBy(sample => expected.FindIndex(one => one.Item2 == sample.Text)).ToList();
        Assert.Equal(expected.Select(one => (one.Item1, one.Item2)), found.Select(sample => (sample.Image, sample.Text)));
        Assert.All(found, sample => Assert.Null(sample.Problem));
        foreach (var ((image, _, boxes), sample) in expected.Zip(found))
        {
            var (width, height) = Sizes[image];
            var read = sample.BoxesIn(width, height);
            Assert.Equal(boxes.Count, read.Count);
            foreach (var (box, truth) in read.Zip(boxes))
                Assert.All(new[] { box.Left, box.Top, box.Right, box.Bottom }.Zip(truth),
                    edge => Assert.Equal(edge.Second, edge.First, 0.0011));
        }
    }
}
