using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

public sealed class VinDrTests : IDisposable
{
    private const string Header = "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\n";

    private readonly StudyTree _tree = new();

    public void Dispose() => _tree.Dispose();

    private DataSources Train(string rows, string rule = "union")
    {
        _tree.Picture("train/a.jpg"); // 40 x 30
        _tree.Picture("train/b.png", shade: 1);
        _tree.Write("annotations/annotations_train.csv", Header + rows);
        return new DataSources { VinDr = _tree.Root, VinDrReaders = rule };
    }

    private IReadOnlyList<Sample> Prepare(DataSources sources, Split split = Split.Train)
    {
        StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = sources });
        return PreparedData.Open(_tree["prepared"]).Read(SampleTask.Refer, split);
    }

    // Two readers agree on one box (IoU 0.8), the third draws another one; the first also has a box of his own.
    private const string ThreeReaders = """
        a,R8,Edema,10,10,20,20
        a,R9,Edema,10,10,20,18
        a,R10,Edema,2,2,8,8
        a,R8,Edema,30,20,39,29
        a,R9,Cardiomegaly,5,15,30,28
        """;

    [Theory]
    [InlineData("union", "Edema 10 10 20 20|10 10 20 18|2 2 8 8|30 20 39 29;Cardiomegaly 5 15 30 28")]
    [InlineData("agree:2", "Edema 10 10 20 19")]
    [InlineData("agree:2:0.9", "")]
    [InlineData("agree:3", "")]
    [InlineData("R9", "Edema 10 10 20 18;Cardiomegaly 5 15 30 28")]
    [InlineData("r10", "Edema 2 2 8 8")]
    public void Boxes_of_three_readers_are_merged_as_the_rule_says(string rule, string expected)
    {
        var sources = Train(ThreeReaders + "\nb,R8,No finding,,,,\nb,R9,No finding,,,,\nb,R10,No finding,,,,", rule);
        var samples = Prepare(sources);
        var boxed = samples.Where(sample => sample.Boxes.Count > 0).Select(sample => $"{sample.Text} " + string.Join('|',
            sample.Boxes.Select(box => FormattableString.Invariant($"{box.Left} {box.Top} {box.Right} {box.Bottom}"))));
        Assert.Equal(expected, string.Join(';', boxed));
        Assert.Equal([("No finding", "train/b.png")], samples.Where(sample => sample.Boxes.Count == 0)
            .Select(sample => (sample.Text, sample.Image)));
        var prepared = File.ReadAllText(_tree["prepared", "prepared.json"]);
        Assert.Contains($"\"vin_dr_readers\": \"{rule}\"", prepared, StringComparison.Ordinal);
        Assert.Contains("Of vindr-cxr's training pictures, " + VinDrRule.Parse(rule), prepared, StringComparison.Ordinal);
        Assert.Contains("its class names are the prompts", prepared, StringComparison.Ordinal);
    }

    [Fact]
    public void A_picture_that_readers_disagree_about_says_no_finding_only_where_enough_readers_do()
    {
        const string Rows = "a,R8,No finding,,,,\na,R9,No finding,,,,\na,R10,Edema,1,1,9,9\nb,R8,Edema,1,1,9,9\nb,R9,Edema,1,1,9,9\n";
        Assert.Equal(["Edema", "Edema"], Prepare(Train(Rows)).Select(sample => sample.Text));
        Assert.Equal(["No finding", "Edema"], Prepare(Train(Rows, "agree:2")).Select(sample => sample.Text));
    }

    [Fact]
    public void The_test_part_is_taken_as_it_is_whatever_the_rule()
    {
        _tree.Picture("test/c.png");
        _tree.Write("annotations/annotations_test.csv", "image_id,class_name,x_min,y_min,x_max,y_max\n"
            + "c,Edema,1,1,9,9\nc,Edema,20,1,29,9\n");
        var sample = Assert.Single(Prepare(Train(ThreeReaders, "agree:3"), Split.Test));
        Assert.Equal([new Box(1, 1, 9, 9), new Box(20, 1, 29, 9)], sample.Boxes);
    }

    [Theory]
    [InlineData("a,R8,Edema,10,10,20,31", "outside")]
    [InlineData("a,R8,Edema,20,10,10,20", "swapped")]
    [InlineData("a,R8,Edema,10,10,10,20", "empty")]
    [InlineData("a,R8,Edema,,,,", "not a number")]
    [InlineData("a,R8,No finding,1,1,2,2", "'No finding' and has a box")]
    [InlineData("a,,Edema,1,1,9,9", "no 'rad_id'")]
    [InlineData("a,R8,,1,1,9,9", "no 'class_name'")]
    [InlineData(",R8,Edema,1,1,9,9", "no 'image_id'")]
    public void A_wrong_row_is_named_by_its_place(string row, string problem)
    {
        var message = Assert.Throws<InputException>(() => Prepare(Train(row))).Message;
        if (row[0] == 'a') Assert.Contains("annotations_train.csv:2", message, StringComparison.Ordinal);
        if (row[0] == 'a') Assert.Contains(problem, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Sizes_that_the_table_lists_must_be_the_pictures()
    {
        _tree.Picture("train/a.jpg");
        _tree.Write("annotations_train.csv", "image_id,rad_id,class_name,x_min,y_min,x_max,y_max,width,height\na,R8,Edema,1,1,9,9,80,60\n");
        var sources = new DataSources { VinDr = _tree.Root, VinDrReaders = "union" };
        Assert.Contains("80 x 60", Assert.Throws<InputException>(() => Prepare(sources)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Dicom_pictures_are_read_under_any_of_their_names_and_others_come_first()
    {
        string[] names = ["c.dicom", "d.dcm", "e.DCM", "f", "1.2.840.113.7", "1.2.840.113.8.dcm"];
        foreach (var name in names) _tree.Dicom("train/" + name, inverted: true);
        _tree.Dicom("train/b.dicom"); // beside b.png
        var listed = names.Select(name => name.EndsWith('7') ? name : Path.GetFileNameWithoutExtension(name)).Append("a").Append("b");
        var samples = Prepare(Train(string.Concat(listed.Select(name => $"{name},R8,Edema,1,1,9,9\n"))));
        Assert.Equal([.. names.Select(name => "train/" + name), "train/a.jpg", "train/b.png"], samples.Select(sample => sample.Image));
        Assert.All(samples, sample => Assert.Equal(!sample.Image.EndsWith('g'), sample.Dicom));
        Assert.All(samples, sample => Assert.Equal((40, 30), (sample.Width, sample.Height)));
    }

    [Fact]
    public void A_file_that_is_only_named_like_DICOM_is_no_picture()
    {
        _tree.Write("train/d.dicom", "x");
        var message = Assert.Throws<InputException>(() => Prepare(Train("d,R8,Edema,1,1,9,9\n"))).Message;
        Assert.Contains("train/d.dicom: ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Absent_pictures_are_looked_for_as_DICOM_too_and_the_message_says_so()
    {
        var message = Assert.Throws<InputException>(() => Prepare(Train("d,R8,Edema,1,1,9,9\n"))).Message;
        Assert.Contains("none of the 1 pictures that vindr-cxr lists is here", message, StringComparison.Ordinal);
        Assert.Contains(".dcm, .dicom or no extension", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("agree")]
    [InlineData("agree:4")]
    [InlineData("agree:2:0")]
    [InlineData("agree:2:0.5:1")]
    [InlineData("majority")]
    [InlineData("R")]
    public void An_unknown_rule_is_refused(string rule) => Assert.Contains("this is no rule",
        Assert.Throws<InputException>(() => Train(ThreeReaders, rule).Readers()).Message, StringComparison.Ordinal);
}
