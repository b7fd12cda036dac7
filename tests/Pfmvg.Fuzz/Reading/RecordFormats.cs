using System.Text;
using Pfmvg.Data;
using Pfmvg.Data.Preparation;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Fuzz.Mutating;
using Pfmvg.Geometry;
using Pfmvg.Runs.Records;

namespace Pfmvg.Fuzz.Reading;

/// <summary>What the program itself writes and reads again, and what other programs answer.</summary>
internal static class RecordFormats
{
    private const string Coco = """
        {"images": [{"id": 7, "path": "a/left.jpg", "width": 400, "height": 200, "split": "test"}, {"id": 8, "file_name": "b.jpg",
            "width": 300,
          "height": 300}], "categories": [{"id": 1, "name": "Pneumothorax"}, {"id": 2, "name": "Edema"}],
         "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "label_text": "left", "bbox": [0, 0, 100, 100], "split": "test"},
          {"id": 2, "image_id": 7, "category_id": 1, "label_text": "right", "bbox": [200, 0, 100, 100]},
          {"id": 3, "image_id": 8, "category_id": 2, "bbox": [0, 0, 100, 100], "iscrowd": 0}, {"id": 4, "image_id": 8, "category_id": 2,
           "bbox": [1.5, 2, 30, 40], "iscrowd": 1}]}
        """;

    private const string Question =
        """ "image": "a.jpg", "class": "Edema", "phrase": "left", "width": 400, "height": 200, "truth": [[0, 0, 100, 100]],""";

    /// <summary>A prepared folder: its description, its manifests and its journal.</summary>
    public static Format Prepared(string folder)
    {
        var options = new PrepareOptions { Output = Path.Combine(folder, "prepared"),
            Sources = SetFormats.Study(folder) with { ImaGenome = null } };
        DataPreparation.Run(options);
        List<Seed> seeds = [];
        foreach (var path in Directory.GetFiles(options.Output, "*.json*").Order(StringComparer.Ordinal))
        {
            var isJournal = Path.GetFileName(path) == "pictures.jsonl";
            var bytes = isJournal ? [.. File.ReadLines(path).Take(5).SelectMany(line => Encoding.UTF8.GetBytes(line + "\n"))]
                : File.ReadAllBytes(path);
            seeds.Add(new Seed(bytes, new Way(path, path =>
            {
                if (isJournal) new PictureCatalog(path, hash: true, default).Dispose();
                var data = PreparedData.Open(options.Output);
                _ = data.Title;
                foreach (var task in Enum.GetValues<SampleTask>())
                    foreach (var split in Enum.GetValues<Split>())
                        foreach (var sample in data.Read(task, split)) data.ImagePath(sample);
            })));
        }

        return new(seeds, Json.Tree, Json.TreesOfLines);
    }

    /// <summary>run.json and log.jsonl.</summary>
    public static Format Runs(string folder)
    {
        var run = Directory.CreateDirectory(Path.Combine(folder, "runs", "a", "stage1")).FullName;
        var info = Path.Combine(run, "run.json");
        new RunInfo
        {
            Status = RunStatus.Finished, Started = DateTimeOffset.UnixEpoch, Ended = DateTimeOffset.UnixEpoch, Command = ["pfmvg",
                "train"], Seconds = 3,
            Environment = new Dictionary<string, string> { ["pfmvg"] = "1" }, Weights = [], Counts = new Dictionary<string,
                long> { ["samples"] = 9 },
            Model = new UsedCheckpoint("best", "/x/step-00000001.safetensors", "a", 1) { Measure = "wiou", Value = 0.5,
                Setting = "eval.checkpoint" },
            Best = new BestCheckpoint("checkpoints/best.safetensors", 1, "wiou", 0.5, 0.4), Step = 3, Steps = 9, Message = "stopped",
            Figures = new Dictionary<string, double> { ["loss"] = 1 },
        }.Write(info);
        var log = Path.Combine(run, "log.jsonl");
        const string Lines = """
            {"kind":"step","step":1,"epoch":0,"loss":1.5,"lr":0.1,"samples":4,"tokens":40,"seconds":0.1,"gradient_norm":2.5}
            {"kind":"validation","step":1,"epoch":0,"wiou":0.25}
            {"kind":"note","step":2,"epoch":0,"text":"step skipped: NaN"}
            {"kind":"step","step":2,"epoch":0,"loss":"NaN","lr":0.1,"samples":4,"tokens":40,"seconds":0.1}
            """;
        return new([
            new Seed(File.ReadAllBytes(info), new Way(info, path =>
            {
                foreach (var folder in RunFolder.List(Path.Combine(folder, "runs")))
                {
                    var read = RunInfo.Read(folder.InfoPath);
                    read.Describe(inUse: true);
                    read.Describe(inUse: false);
                    read.Model?.Describe();
                }
            })),
            new Seed(Encoding.UTF8.GetBytes(Lines), new Way(log, _ =>
            {
                StepLog.LastLoss(log);
                new StepLog(RunFolder.Open(run), totalSteps: 9, stepsDone: 1).Dispose();
                foreach (var events in Directory.GetFiles(run, "events*")) File.Delete(events);
            }))], Json.Tree, Json.TreesOfLines);
    }

    public static Format Truth(string folder)
    {
        var lines = """{"id": "a",""" + Question + """ "patient": "p1"}""" + "\n";
        return new([
            Seed("truth.json", Coco), Seed("truth.jsonl", lines + lines.Replace("\"a\"", "\"b\"", StringComparison.Ordinal)),
            new Seed(File.ReadAllBytes(Path.Combine(Formats.Tests, "Fixtures", "grounding", "MS_CXR_Local_Alignment.json"))[..], new Way(
                Path.Combine(folder, "ms-cxr.json"), Read)),
            Seed("truth.csv", "category_name,label_text,path,x,y,w,h,image_width,image_height,dicom_id,split\n"
                + "Edema,left,files/p10/p10000001/s50000001/d1.jpg,1,2,10,12,40,30,d1,test\n"
                + "Edema,\"right, low\",files/p10/p10000001/s50000001/d1.jpg,1,2,10,12,40,30,d1,test\n"),
        ], Json.Tree, Json.TreesOfLines, Words.Tokens);

        Seed Seed(string name, string text) => new(Encoding.UTF8.GetBytes(text), new Way(Path.Combine(folder, name), Read));

        static void Read(string path)
        {
            TruthFile.Read(path);
            TruthFile.Read(path, "test");
        }
    }

    /// <summary>Answers in every form, read and then scored.</summary>
    public static Format Predictions(string folder)
    {
        var truth = Path.Combine(folder, "truth.json");
        File.WriteAllText(truth, Coco);
        HeatMap.Write(Path.Combine(folder, "map.npy"), [0, 0.5f, 1, float.NaN], 2, 2);
        var known = TruthFile.Read(truth);
        string[] lines =
        [
            """{"id": "a",""" + Question + """
            "answer": "{<1><2><30><40>}", "confidence": [0.5], "patient": "p1", "sex": "F", "age": 60,
            """.Trim() + """ "usage": {"prompt_tokens": 1, "completion_tokens": 2}}""",
            """{"id": "b",""" + Question
            + """ "boxes": [[1, 2, 30, 40], [5, 6, 70, 80]], "coordinates": "pixels-xyxy", "scores": [0.9, 0.1]}""",
            """{"id": "c",""" + Question + """ "boxes": [[0.1, 0.2, 0.3, 0.4]], "coordinates": "0-1-xyxy", "sent": "200x100"}""",
            """{"id": "d",""" + Question + """ "answer": "[{\"bbox_2d\": [10, 20, 30, 40]}]", "coordinates": "pixels-xyxy"}""",
            """{"id": "e",""" + Question + """ "answer": "<box>[[1, 2, 3, 4]]</box>", "refused": true}""",
        ];
        var map = """{"id": "f",""" + Question + """ "heatmap": "map.npy"}""";
        const string results = """
            [{"image_id": 7, "category_id": 1, "annotation_id": 1, "bbox": [0, 0, 50, 100], "score": 0.9},
             {"image_id": 8, "category_id": 2, "bbox": [1, 2, 3, 4], "score": 0.2}]
            """;
        return new([
            .. lines.Select(line => Seed("p.jsonl", line + "\n", null)), Seed("p.jsonl", string.Join('\n', lines[..2]), null),
            Seed("maps.jsonl", map, null), Seed("results.json", results, known),
            Seed("lines.jsonl", results[1..^1].Replace("},", "}", StringComparison.Ordinal), known),
            Seed("answers.jsonl", """{"ann_id": 1, "output": "{<46><12><77><39>}"}""" + "\n" + """{"ann_id": 2, "output": "none"}""",
                known),
        ], Json.Tree, Json.TreesOfLines);

        Seed Seed(string name, string text, TruthSet? truth) => new(Encoding.UTF8.GetBytes(text), new Way(Path.Combine(folder, name),
            path =>
        {
            var answers = ExternalPredictions.Read(path, new ReadOptions { Truth = truth, AllowMissing = truth is not null });
            var protocol = answers.Any(answer => answer.HeatMap is not null) ? Protocol.MaskThresholds : Protocol.PfmvgBox;
            Scorer.Score(answers, new ScoringOptions { Resamples = 10, Protocol = protocol });
        }));
    }

    public static Format HeatMaps(string folder)
    {
        var path = Path.Combine(folder, "map.npy");
        HeatMap.Write(path, [0, 0.5f, 1, float.NaN, -1, 2], 2, 3);
        var way = new Way(path, path => HeatMap.Read(path, keepValues: true).Overlaps([new Box(0, 0, 10, 10)], 40, 30));
        return new([new Seed(File.ReadAllBytes(path), way), .. Formats.Small("Fixtures", "*.npy", 4096).Select(file =>
            new Seed(File.ReadAllBytes(file), way))],
            Headed.Npy);
    }
}
