using System.IO.Compression;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;

namespace Pfmvg.Tests.Data;

/// <summary>Hostile lists: clear errors, bounded memory.</summary>
public sealed class HostileTextTests : IDisposable
{
    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    [Theory]
    [InlineData("captions.txt", "ROCO_1\t", "aaaa")]                                   // one endless line
    [InlineData("traindata.csv", "id,name,caption\n1,1.jpg,\"", "aaaa")]               // a quote that is never closed
    [InlineData("traindata.csv", "id,name,caption\n", "a,a,")]                         // endless fields
    [InlineData("list.json", "[{\"image\": \"x.jpg\", \"caption\": \"", "aaaa")]       // an endless text
    [InlineData("list.json", "[", "[")]                                                // endless depth
    public void A_list_without_end_takes_bounded_memory(string name, string start, string again)
    {
        const long length = 512L << 20; // reading stops long before; unpacked, so a small file on the disk
        Directory.CreateDirectory(_tree["train", "radiology"]);
        var path = _tree["train", "radiology", name];
        using (var zipped = new GZipStream(File.Create(path), CompressionLevel.Fastest))
        {
            zipped.Write(System.Text.Encoding.UTF8.GetBytes(start));
            var block = System.Text.Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat(again, (1 << 20) / again.Length)));
            for (var written = 0L; written < length; written += block.Length) zipped.Write(block);
        }

        var reader = new RocoReader(name == "list.json" ? path : _tree.Root);
        var before = GC.GetAllocatedBytesForCurrentThread(); // other tests allocate on other threads
        var error = Assert.Throws<InputException>(() => reader.Read().Count()).Message;
        Assert.StartsWith(path, error, StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 300 << 20);
    }

    [Theory]
    [InlineData("", "empty")]
    [InlineData("\0\0\0", "missing")]
    [InlineData("id;name;caption\n1;2;3\n", "separated by ','")]
    [InlineData("id,name\n", "column caption is missing")]
    [InlineData("id,name,caption\n1,1.jpg,\"open\nnext,2.jpg,x\n", "never closed")]
    public void A_wrong_table_is_refused_with_its_place(string content, string problem)
    {
        var path = _tree.Write("train/radiology/traindata.csv", content);
        var error = Assert.Throws<InputException>(() => new RocoReader(_tree.Root).Read().Count()).Message;
        Assert.StartsWith(path, error, StringComparison.Ordinal);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{\"a\": ")]
    [InlineData("[1, 2")]
    [InlineData("[1 2]")]
    [InlineData("\"text\"")]
    [InlineData("[{\"image\": \"x\", }}]")]
    [InlineData("\u00ff\u00fe")]
    public void Broken_json_is_refused_with_its_file(string content)
    {
        var path = _tree.Write("list.json", content);
        Assert.StartsWith(path, Assert.Throws<InputException>(() => new RocoReader(path).Read().Count()).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""[{"image": "a.jpg", "caption": "\ud800"}]""", "item 1: 'caption' is not valid text (half of a surrogate pair); ")]
    [InlineData("""[{"\ud800aaa": 1, "image": "a.jpg"}]""", "item 1: a name is not valid text (half of a surrogate pair); ")]
    [InlineData("""[{"image": "a.jpg", "caption": "x"}] 7""", "list.json, byte 38: no valid JSON; ")]
    public void Half_a_surrogate_pair_is_no_text_and_nothing_may_follow(string content, string problem) => Assert.Contains(problem,
        Assert.Throws<InputException>(() => new RocoReader(_tree.Write("list.json", content)).Read().Count()).Message,
        StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"images": [], "annotations": [{"id": 1}]}""", "no 'images'")]
    [InlineData("""{"images": [{"id": 1}], "annotations": [{"id": 1, "image_id": 2}]}""", "'image_id' 2 is not among")]
    [InlineData("""{"images": [{"id": 1}], "annotations": [{"id": 1}]}""", "'image_id' (missing) is not among")]
    [InlineData("""{"images": [{"id": 1}], "annotations": [7]}""", "annotations[0]: must be a JSON object")]
    [InlineData("""{"images": [{"id": 1}], "categories": [{"id": 1}], "annotations": []}""", "categories[0]: 'name' is missing")]
    [InlineData("""{"images": [{"id": 1}], "\ud800": [], "annotations": []}""", "not valid text")]
    public void Broken_boxes_are_refused_with_their_file(string content, string problem)
    {
        var path = _tree.Write("boxes.json", content);
        var error = Assert.Throws<InputException>(() => new MsCxrReader(path).Read().Count()).Message;
        Assert.StartsWith(path, error, StringComparison.Ordinal);
        Assert.Contains(problem, error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_damaged_archive_is_refused()
    {
        var path = _tree.Write("mimic-cxr-2.0.0-split.csv.gz", new string('x', 100_000));
        _tree.Write("mimic-cxr-2.0.0-metadata.csv.gz", "dicom_id\n");
        var bytes = File.ReadAllBytes(path);
        bytes.AsSpan(12, 40).Clear();
        File.WriteAllBytes(path, bytes);
        Assert.StartsWith(path, Assert.Throws<InputException>(() => new MimicCxrReader(_tree.Root).Read().Count()).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_mark_at_the_start_of_a_file_and_odd_names_do_no_harm()
    {
        _tree.Write("ünï cödé, \"x\"/train/radiology/traindata.csv", "\uFEFFid,name,caption\n\"a, b\",\"a, b ☃.jpg\",\"über\"\n");
        _tree.Picture("ünï cödé, \"x\"/train/radiology/images/a, b ☃.jpg");
        var report = StudyTree.Prepare(new PrepareOptions
        {
            Output = _tree["out"],
            Sources = new DataSources { Roco = _tree["ünï cödé, \"x\""] },
        });
        Assert.Equal(1, report.Sources["roco"].Kept);
        _tree.Write("list.json", "\uFEFF[{\"image\": \"a.jpg\", \"caption\": \"x\"}]");
        Assert.Single(new RocoReader(_tree["list.json"]).Read());
    }
}
