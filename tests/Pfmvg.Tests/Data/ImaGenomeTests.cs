using Pfmvg.Data;
using Pfmvg.Data.Checks;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Geometry;

namespace Pfmvg.Tests.Data;

public sealed class ImaGenomeTests : IDisposable
{
    private const string Header = "subject_id,study_id,dicom_id,path,ViewPosition\n";
    private const string Gold = "image_id,x1,y1,x2,y2,bbox_name,original_x1,original_y1,original_x2,original_y2\n";

    private readonly StudyTree _tree = new();

    public ImaGenomeTests()
    {
        for (var i = 0; i < 4; i++) _tree.Picture($"jpg/files/p10/p1000000{i}/s5000000{i}/d{i}.jpg", shade: i); // 40 x 30
        Splits(train: Row(0), valid: Row(1), test: Row(2) + Row(3), avoid: Row(3));
        const string Lung =
            """{"bbox_name": "left lung", "x1": 1, "original_x1": 20, "original_y1": 2, "original_x2": 38, "original_y2": 28}""";
        for (var i = 0; i < 4; i++) Graph(i, Lung);
        _tree.Write("gold_dataset/gold_bbox_coordinate_annotations_1000images.csv", Gold + "d3.dcm,1,2,3,4,right lung,2,3,18,27\n");
    }

    public void Dispose() => _tree.Dispose();

    private DataSources Sources => new()
    {
        ImaGenome = _tree.Root,
        ImageFolders = new Dictionary<string, string> { ["chest-imagenome"] = _tree["jpg"] },
    };

    private static string Row(int i) => $"1000000{i},5000000{i},d{i},files/p10/p1000000{i}/s5000000{i}/d{i}.dcm,PA\n";

    private void Splits(string train, string valid, string test, string avoid)
    {
        foreach (var (name, rows) in new[] { ("train", train), ("valid", valid), ("test", test), ("images_to_avoid", avoid) })
            _tree.Write($"silver_dataset/splits/{name}.csv", Header + rows);
    }

    private void Graph(int i, string objects) =>
        _tree.Write($"silver_dataset/scene_graph/d{i}_SceneGraph.json",
            $$"""{"image_id": "d{{i}}", "objects": [{{objects}}], "attributes": []}""");

    private PreparedData Prepare(DataSources sources)
    {
        StudyTree.Prepare(new PrepareOptions { Output = _tree["prepared"], Sources = sources });
        return PreparedData.Open(_tree["prepared"]);
    }

    [Fact]
    public void Regions_have_original_coordinates_and_pictures_to_avoid_are_only_in_the_gold_test()
    {
        var data = Prepare(Sources);
        var train = Assert.Single(data.Read(SampleTask.Refer, Split.Train));
        Assert.Equal(("left lung", "p10000000", "s50000000", "files/p10/p10000000/s50000000/d0.jpg"),
            (train.Text, train.Patient, train.Study, train.Image));
        Assert.Equal([new Box(20, 2, 38, 28)], train.Boxes);
        Assert.Equal([("left lung", "d2.jpg"), ("right lung", "d3.jpg")],
            data.Read(SampleTask.Refer, Split.Test).Select(sample => (sample.Text, Path.GetFileName(sample.Image))));
        Assert.Equal([new Box(2, 3, 18, 27)], data.Read(SampleTask.Refer, Split.Test)[1].Boxes);
        Assert.Contains("1 pictures of chest-imagenome are in images_to_avoid.csv", File.ReadAllText(_tree["prepared", "prepared.json"]),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Patients_of_ms_cxrs_validation_and_test_are_left_out()
    {
        var file = _tree.Write("ms.csv", $"{StudyTree.MsCxrHeader},split\n"
            + "Edema,edema,files/p10/p10000000/s50000000/d0.jpg,1,2,10,10,40,30,d0,test\n");
        var sources = Sources with { MsCxr = file };
        sources = sources with { ImageFolders = new Dictionary<string, string>(sources.ImageFolders) { ["ms-cxr"] = _tree["jpg"] } };
        var options = new PrepareOptions { Output = _tree["prepared"], Sources = sources, Split = SplitRule.Official };
        Assert.Contains("1 samples of chest-imagenome are left out because their patients are among the 1 of MS-CXR's validation and test.",
            StudyTree.Prepare(options).Notes);
        Assert.Empty(PreparedData.Open(_tree["prepared"]).Read(SampleTask.Refer, Split.Train));
    }

    [Theory]
    [InlineData("""{"bbox_name": "x", "x1": 1, "y1": 2, "x2": 3, "y2": 4}""", "not a number")]
    [InlineData("""{"bbox_name": "x", "original_x1": 1, "original_y1": 2, "original_x2": 50, "original_y2": 4}""", "outside")]
    [InlineData("""{"original_x1": 1, "original_y1": 2, "original_x2": 5, "original_y2": 4}""", "no 'bbox_name'")]
    public void A_wrong_region_is_named_by_its_place(string region, string problem)
    {
        Graph(0, region);
        var message = Assert.Throws<InputException>(() => Prepare(Sources)).Message;
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Assert.Contains("d0_SceneGraph.json, objects[0]", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("train", "10000004,50000004,../../../d0,x,PA\n", 1)]
    [InlineData("valid", "10000000,50000000,d0,x,PA\n", 1)]
    [InlineData("images_to_avoid", "10000003,50000003,d3,x,PA\n", 0)]
    [InlineData("images_to_avoid", "10000003,50000003,../d3,x,PA\n", 1)]
    [InlineData("gold", "../d3.dcm,1,2,3,4,left lung,2,3,18,27\n", 1)]
    [InlineData("gold", "d9.dcm,1,2,3,4,left lung,2,3,18,27\n", 1)]
    [InlineData("graph", "{\"objects\": [", 1)]
    public void One_wrong_row_is_left_out_and_counted_where_the_user_says_so(string where, string row, int wrong)
    {
        if (where == "graph") _tree.Write("silver_dataset/scene_graph/d0_SceneGraph.json", row);
        else File.AppendAllText(where == "gold" ? _tree["gold_dataset", "gold_bbox_coordinate_annotations_1000images.csv"]
            : _tree["silver_dataset", "splits", where + ".csv"], row);
        var options = new PrepareOptions { Output = _tree["prepared"], Sources = Sources };
        if (wrong > 0) Assert.Throws<InputException>(() => StudyTree.Prepare(options));
        var counts = StudyTree.Prepare(options with { Bad = BadSamples.Skip }).Sources["chest-imagenome"];
        Assert.Equal((wrong, where == "graph" ? 3 : 4), (counts.Bad, counts.Kept));
        var check = DataCheck.Run(new CheckOptions { Sources = Sources }, cancel: TestContext.Current.CancellationToken);
        Assert.Equal(wrong, check.Findings.Where(finding => finding.Level == FindingLevel.Error).Sum(finding => finding.Count));
    }

    [Fact]
    public void Tables_that_contradict_or_miss_are_refused()
    {
        Splits(train: Row(0), valid: Row(0), test: Row(2), avoid: Row(3));
        Assert.Contains("valid.csv:2: the picture stands at", Refused(), StringComparison.Ordinal);
        Splits(train: "x,1,d0,,\n", valid: Row(1), test: Row(2), avoid: Row(3));
        Assert.Contains("train.csv:2: subject_id", Refused(), StringComparison.Ordinal);
        Splits(train: Row(0), valid: Row(1), test: Row(2), avoid: Row(1));
        Assert.Contains("is in none of splits", Refused(), StringComparison.Ordinal); // gold's picture d3
        File.Delete(_tree["silver_dataset", "splits", "images_to_avoid.csv"]);
        Assert.Contains("images_to_avoid.csv: there is no such file", Refused(), StringComparison.Ordinal);

        string Refused() => Assert.Throws<InputException>(() => Prepare(Sources)).Message;
    }
}
