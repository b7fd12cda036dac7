using System.Globalization;
using System.Text.Json.Nodes;
using Pfmvg.Phantoms.Planning;
using SkiaSharp;

namespace Pfmvg.Phantoms.Files;

/// <summary>
/// Plants defects into the written files of a set of boxes beside MS-CXR. Each defect has its own picture.
/// </summary>
/// <param name="home">The data set's folder.</param>
/// <param name="pictures">Its pictures in random order.</param>
/// <param name="plant">Told about every defect: kind, file below the data set's folder, id and what was done.</param>
internal sealed class BoxSetDefects(string home, IEnumerable<BoxedPicture> pictures, Action<string, string, string, string> plant)
{
    private static readonly string Far = 99_999.ToString(CultureInfo.InvariantCulture);

    private readonly List<BoxedPicture> _left = [.. pictures];

    public void Plant(PhantomSets set)
    {
        switch (set)
        {
            case PhantomSets.PadChestGr: PadChestGr(); break;
            case PhantomSets.VinDr: VinDr(); break;
            case PhantomSets.NihBoxes: NihBoxes(); break;
            case PhantomSets.ImaGenome: ImaGenome(); break;
            default: Own(); break;
        }

        var missing = Take(_ => true);
        File.Delete(Path.Combine(home, missing.Image.Path));
        plant("missing-picture", missing.Image.Path, missing.Image.Id, "there is no such file");
        var broken = Take(_ => true);
        var path = Path.Combine(home, broken.Image.Path);
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..(int)(new FileInfo(path).Length / 2)]);
        plant("unreadable-picture", broken.Image.Path, broken.Image.Id, "the second half of the file is cut off");
    }

    private void NihBoxes()
    {
        const string List = "BBox_List_2017.csv"; // picture, class, x, y, width, height
        Row(List, 0, "box-outside", "the box is moved over the right edge", cells => cells[2] = Far);
        Row(List, 0, "box-empty", "the width is 0", cells => cells[4] = "0");
        Row(List, 0, "box-swapped", "the width is negative", cells => cells[4] = "-" + cells[4]);
        Row(List, 0, "box-not-a-number", "x is a word", cells => cells[2] = "left");
        Row(List, 0, "box-normalised", "the coordinates are from 0 to 1",
            cells => (cells[2], cells[3], cells[4], cells[5]) = ("0.25", "0.25", "0.5", "0.5"));
        Row(List, 0, "malformed-entry", "the row names no picture's height", cells => cells[5] = "", picture => $"{picture.Image.Id}#1",
            cells => [.. cells.Take(5)]);
        Row(List, 0, "duplicate-phrase", "a row occurs twice", _ => { }, null, null, twice: true);
        var small = Take(_ => true);
        Blank(Path.Combine(home, small.Image.Path), 512);
        plant("size-mismatch", small.Image.Path, small.Image.Id, "the picture has 512 x 512 pixels instead of 1024 x 1024");
    }

    private void VinDr()
    {
        const string Test = "annotations/annotations_test.csv", Train = "annotations/annotations_train.csv";
        Row(Test, 0, "box-outside", "the box reaches over the right edge", cells => cells[4] = Far);
        Row(Train, 0, "malformed-entry", "the row names no reader", cells => cells[1] = "", Finding, null, name: 2);
        Row(Train, 0, "malformed-entry", "the box is empty", cells => cells[5] = cells[3], Finding, null, name: 2);
        Row(Train, 0, "malformed-entry", "the corners are swapped", cells => (cells[3], cells[5]) = (cells[5], cells[3]),
            Finding, null, name: 2);
        Row(Train, 0, "malformed-entry", "an edge is a word", cells => cells[4] = "top", Finding, null, name: 2);

        string Finding(BoxedPicture picture) => $"{picture.Image.Id}#{_name}";
    }

    private void PadChestGr()
    {
        const string List = "grounded_reports_20240819.json", Table = "master_table.csv";
        var reports = JsonNode.Parse(File.ReadAllText(Path.Combine(home, List)))!.AsArray();
        Boxes("malformed-entry", "a box is not from 0 to 1", "#1", box => box[2] = 1.5);
        Boxes("box-swapped", "the corners are swapped", "", box => (box[0], box[2]) = (Number(box[2]), Number(box[0])));
        Boxes("box-empty", "the width is 0", "", box => box[2] = Number(box[0]));
        Boxes("box-not-a-number", "an edge is a word", "", box => box[1] = "top");
        var silent = Study(out var picture);
        silent.Remove("findings");
        plant("malformed-entry", List, picture.Image.Id, "the study has no findings");
        AtomicFile.WriteText(Path.Combine(home, List), reports.ToJsonString() + "\n");

        var (first, second) = (Take(p => p.Split == "train"), Take(p => p.Split == "test"));
        string? patient = null;
        Edit(Table, rows =>
        {
            patient = rows.Find(row => row[1] == first.Image.Id + ".png")![2];
            foreach (var row in rows.Where(row => row[1] == second.Image.Id + ".png")) row[2] = patient;
        });
        plant("patient-crosses-splits", Table, patient!, "a picture of the patient is in test, the other in train");

        void Boxes(string kind, string detail, string suffix, Action<JsonArray> change)
        {
            change(Study(out var victim)["findings"]![0]!["boxes"]![0]!.AsArray());
            plant(kind, List, victim.Image.Id + suffix, detail);
        }

        JsonObject Study(out BoxedPicture taken)
        {
            JsonObject? study = null;
            taken = Take(p => (study = reports.First(item => (string)item!["ImageID"]! == p.Image.Id + ".png")!.AsObject())["findings"]!
                .AsArray() is [{ } one, ..] && one["boxes"]!.AsArray().Count == 1 && one["extra_boxes"]!.AsArray().Count == 0);
            return study!;
        }

        static JsonNode Number(JsonNode? value) => value!.DeepClone();
    }

    private void ImaGenome()
    {
        const string Splits = "silver_dataset/splits/", Gold = "gold_dataset/gold_bbox_coordinate_annotations_1000images.csv";
        Graph("box-outside", "the box reaches over the right edge", region => region["original_x2"] = 99_999);
        Graph("box-empty", "the width is 0", region => region["original_x2"] = region["original_x1"]!.DeepClone());
        Graph("box-swapped", "the left edge is beyond the right one", region => region["original_x1"] = 99_999);
        Graph("box-not-a-number", "an edge is null", region => region["original_y1"] = null);
        var torn = Take(Silver);
        File.WriteAllText(Path.Combine(home, GraphOf(torn)), "{\"objects\": [");
        plant("malformed-entry", GraphOf(torn), torn.Image.Id, "the second half of the file is cut off");

        var climbing = Take(p => Silver(p) && p.Split == "train");
        Climb(Splits + "train.csv", 2, climbing.Image.Id);
        var gold = Take(p => p.Patient % 10 == 9);
        Climb(Gold, 0, gold.Image.Id + ".dcm");

        var (first, second) = (Take(p => Silver(p) && p.Split == "train"), Take(p => Silver(p) && p.Split == "test"));
        var (from, patient) = (second.Image.Path.Split('/'), first.Image.Path.Split('/')[2]);
        Edit(Splits + "test.csv", rows => rows.Find(row => row[2] == second.Image.Id)![0] = patient[1..]);
        var to = Path.Combine(home, "files", patient[..3], patient, from[3]);
        Directory.CreateDirectory(to);
        File.Move(Path.Combine(home, second.Image.Path), Path.Combine(to, from[4]));
        plant("patient-crosses-splits", Splits + "test.csv", patient, "a picture of the patient is in test, the other in train");

        static bool Silver(BoxedPicture p) => p.Patient % 10 != 9;

        static string GraphOf(BoxedPicture p) => $"silver_dataset/scene_graph/{p.Image.Id}_SceneGraph.json";

        void Graph(string kind, string detail, Action<JsonNode> change)
        {
            JsonNode? graph = null;
            var victim = Take(p => Silver(p) && (graph = JsonNode.Parse(File.ReadAllText(Path.Combine(home, GraphOf(p)))))!["objects"]!
                .AsArray().Count > 0);
            change(graph!["objects"]![0]!);
            File.WriteAllText(Path.Combine(home, GraphOf(victim)), graph.ToJsonString() + "\n");
            plant(kind, GraphOf(victim), victim.Image.Id, detail);
        }

        void Climb(string file, int column, string name)
        {
            var line = 0;
            Edit(file, rows =>
            {
                line = rows.FindIndex(row => row[column] == name) + 1;
                rows[line - 1][column] = "../../" + name;
            });
            plant("malformed-entry", file, $"{Path.GetFileName(file)}:{line}", "the name is a path that leaves the folder");
        }
    }

    private void Own()
    {
        var lines = File.ReadAllLines(Path.Combine(home, OwnFiles.List)).Select(line => JsonNode.Parse(line)!.AsObject()).ToList();
        Box("box-outside", "the box reaches over the right edge", box => box[2] = 99_999);
        Box("box-empty", "the width is 0", box => box[2] = box[0]!.DeepClone());
        Box("box-swapped", "the corners are swapped", box => (box[0], box[2]) = (box[2]!.DeepClone(), box[0]!.DeepClone()));
        Box("box-normalised", "the coordinates are from 0 to 1",
            box => (box[0], box[1], box[2], box[3]) = (0.25, 0.25, 0.5, 0.5));
        Line("size-mismatch", "the line claims twice the size", line =>
            (line["width"], line["height"]) = (2 * (int)line["width"]!, 2 * (int)line["height"]!), picture: true);
        Line("malformed-entry", "the line has no boxes", line => line.Remove("boxes"));
        Line("malformed-entry", "an edge of a box is a word", line => line["boxes"]![0]![0] = "left");
        Line("malformed-entry", "the split is unknown", line => line["split"] = "training");
        var twin = (string)Victim(out _)["id"]!;
        Victim(out _)["id"] = twin;
        plant("duplicate-id", OwnFiles.List, twin, "two lines have the same id");
        var first = Victim(out _, "train");
        var second = Victim(out var moved, "test");
        foreach (var line in lines.Where(line => (string)line["image"]! == moved.Image.Path))
            line["patient"] = first["patient"]!.DeepClone();
        plant("patient-crosses-splits", OwnFiles.List, (string)first["patient"]!,
            "a picture of the patient is in test, the other in train");
        AtomicFile.WriteText(Path.Combine(home, OwnFiles.List), string.Concat(lines.Select(line => line.ToJsonString() + "\n")));

        void Box(string kind, string detail, Action<JsonArray> change) =>
            Line(kind, detail, line => change(line["boxes"]![0]!.AsArray()), picture: true);

        void Line(string kind, string detail, Action<JsonObject> change, bool picture = false)
        {
            var line = Victim(out var victim);
            if (kind == "size-mismatch")
                foreach (var other in lines.Where(other => (string)other["image"]! == victim.Image.Path)) change(other);
            else change(line);
            plant(kind, OwnFiles.List, picture ? victim.Image.Id : (string)line["id"]!, detail);
        }

        JsonObject Victim(out BoxedPicture taken, string? split = null)
        {
            JsonObject? line = null;
            taken = Take(p => (split is null || p.Split == split) && (line = lines.Find(one => (string)one["image"]! == p.Image.Path
                && one["boxes"]!.AsArray().Count == 1)) is not null);
            return line!;
        }
    }

    private string _name = ""; // the class of the row that was changed last

    /// <summary>Changes one row of a table whose picture has no other row of the same finding.</summary>
    private void Row(string file, int column, string kind, string detail, Action<string[]> change, Func<BoxedPicture, string>? id = null,
        Func<string[], string[]>? shape = null, int name = 1, bool twice = false)
    {
        BoxedPicture? victim = null;
        Edit(file, rows =>
        {
            var own = new List<string[]>();
            victim = Take(p => (own = rows.FindAll(row => Path.GetFileNameWithoutExtension(row[column]) == p.Image.Id
                && row[name] != "No finding")).Count > 0 && own.Count(row => row[name] == own[0][name]) <= 3);
            var at = rows.IndexOf(own[0]);
            change(rows[at]);
            _name = rows[at][name];
            if (shape is not null) rows[at] = shape(rows[at]);
            if (twice) rows.Insert(at, rows[at]);
        });
        plant(kind, file, id?.Invoke(victim!) ?? victim!.Image.Id, detail);
    }

    private void Edit(string file, Action<List<string[]>> change)
    {
        var path = Path.Combine(home, file);
        var rows = File.ReadAllLines(path).Select(line => line.Split(',')).ToList();
        change(rows);
        AtomicFile.WriteText(path, string.Concat(rows.Select(row => string.Join(',', row) + "\n")));
    }

    private BoxedPicture Take(Func<BoxedPicture, bool> fits)
    {
        var at = _left.FindIndex(picture => fits(picture));
        if (at < 0) throw new InputException("There are too few pictures for all defects; take more patients or another seed.");
        var taken = _left[at];
        _left.RemoveAt(at);
        return taken;
    }

    private static void Blank(string path, int side)
    {
        using var bitmap = new SKBitmap(new SKImageInfo(side, side, SKColorType.Gray8, SKAlphaType.Opaque));
        using var png = bitmap.Encode(SKEncodedImageFormat.Png, 100);
        File.WriteAllBytes(path, png.ToArray());
    }
}
