using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Microsoft.FSharp.Core;
using Pfmvg.Asking;
using Pfmvg.Cli.Serving;
using Pfmvg.Data.Files;
using Pfmvg.Data.Preparation;
using Pfmvg.Data.Sets;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Exporting;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Tests;

/// <summary>Whatever is done to JSON, every reader of it ends in a value or in a sentence for the user.</summary>
public sealed class HostileJsonTests : IDisposable
{
    private const string Coco = """
        {"images": [{"id": 1, "file_name": "files/p10/p10000001/s50000001/a.jpg", "width": 40, "height": 30, "split": "test"}],
         "categories": [{"id": 1, "name": "Edema"}], "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0,
         "label_text": "edema", "bbox": [1, 2, 3, 4.5]}, {"id": "b", "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}]}
        """;

    private const string Chat = """{"messages": [{"role": "user", "content": "<image>Where is x?"}, {"role": "assistant", "content": """
        + """ "[{\"bbox_2d\": [1, 2, 3, 4], \"label\": \"x\"}]"}], "images": ["a.png"]}""";

    private readonly TemporaryFolder _folder = new();

    private static readonly Dictionary<string, (string File, string Text, Action<string> Read)> Readers = new()
    {
        ["manifest"] = ("refer.train.jsonl", """
            {"id":"a","task":"refer","image":"a.jpg","width":90,"height":80,"text":"x","boxes":[[1,2,30,40.5]],"class":null,"source":"own"}
            {"id":"b","task":"refer","image":"b.jpg","width":90,"height":80,"text":"y","boxes":[],"source":"own","synthetic":true}
            """, path => Manifest.Read(path, SampleTask.Refer).Count()),
        ["prepared"] = ("prepared.json", """{"version": 1, "synthetic": ["own"], "roots": {"own": "/tmp"}, "counts": {"a": 1}}""",
            path => _ = PreparedData.Open(Path.GetDirectoryName(path)!).Title),
        ["journal"] = ("journal.jsonl", """{"Picture":"a.jpg","Bytes":5,"Changed":7,"Width":4,"Height":3,"Sha256":null,"Decoded":true}""",
            path => new PictureCatalog(path, false, default).Dispose()),
        ["run"] = ("run.json", """
            {"status": "finished", "started": "2026-01-31T12:00:00+00:00", "ended": null, "seconds": 1.5, "command": ["pfmvg", "train"],
             "ranks": 1, "environment": {"pfmvg": "0.1.0"}, "from": "base",
             "model": {"choice": "last", "path": "/a", "run": "b", "step": 3},
             "weights": [{"path": "/w", "bytes": 5, "modified": "2026-01-31T12:00:00+00:00", "sha256": "00"}], "data": [],
             "counts": {"samples": 5}, "step": 3, "steps": 4, "resumed": 0, "figures": {"loss": "NaN", "peak_bytes": 5},
             "best": {"checkpoint": "best", "step": 2, "measure": "loss", "value": 1, "last": 2}, "message": null}
            """, path => Shown(RunInfo.Read(path))),
        ["log"] = ("log.jsonl", """
            {"kind":"step","step":1,"epoch":0,"loss":2.5,"lr":0.001,"samples":4,"tokens":9,"seconds":0.5,"gradient_norm":1.5}
            {"kind":"validation","step":1,"epoch":0,"loss":"NaN","wiou":0.25}
            {"kind":"note","step":1,"epoch":0,"text":"a step was skipped"}
            """ + "\n", path =>
            {
                _ = StepLog.LastLoss(path);
                foreach (var line in StepLog.Read(path)) _ = (ValidationScore.Read(line), line.Count("step"));
            }),
        ["predictions"] = ("p.jsonl", """
            {"id": "a", "image": "i", "class": "Edema", "phrase": "p", "width": 90, "height": 80, "truth": [[1, 2, 30, 40]],
            """.TrimEnd() + """ "answer": "{<10><20><30><40>}", "confidence": [0.5], "usage": {"prompt_tokens": 3}, "sex": "F"}"""
            + "\n" + """{"id": "b", "image": "i", "class": "Edema", "phrase": "q", "width": 90, "height": 80, "truth": [[1, 2, 30, 40]],"""
            + """ "boxes": [[10, 20, 60, 70]], "coordinates": "pixels-xyxy", "sent": "448x448", "age": 67, "refused": false}""",
            path => PredictionFile.Read(path)),
        ["results"] = ("r.json", """[{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]""", path =>
        {
            var truth = Path.Combine(Path.GetDirectoryName(path)!, "truth.json");
            File.WriteAllText(truth, Coco);
            ExternalPredictions.Read(path, new ReadOptions { Truth = TruthFile.Read(truth) });
        }),
        ["coco truth"] = ("t.json", Coco, path => TruthFile.Read(path, "test")),
        ["truth lines"] = ("t.jsonl", """
            {"id": "a", "image": "i", "class": "Edema", "phrase": "p", "width": 90, "height": 80, "boxes": [[1, 2, 30, 40]], "patient": 7}
            """, path => TruthFile.Read(path)),
        ["ms-cxr"] = ("m.json", Coco, path => new MsCxrReader(path).Read().Count()),
        ["mimic"] = ("reports.json", """{"files/p10/p10000001/s50000001/a.jpg": ["FINDINGS: Clear."], "b.jpg": "No change."}""",
            path => new MimicCxrReader(path).Read().Count()),
        ["roco"] = ("list.json", """[{"image": "a.jpg", "caption": "x", "split": "train"}, /* ! */ {"image": 7, "caption": "y"},]""",
            path => new RocoReader(path).Read().Count()),
        ["padchest"] = ("grounded_reports_1.json", """
            [{"StudyID": "S", "ImageID": "a.png", "findings": [{"sentence_en": "x", "abnormal": true, "labels": ["y"],
              "boxes": [[0.1, 0.2, 0.3, 0.4]], "extra_boxes": [[0, 0, 1, 1]]}]}]
            """, path =>
        {
            var folder = Path.GetDirectoryName(path)!;
            File.WriteAllText(Path.Combine(folder, "master_table.csv"), "ImageID,PatientID,split\na.png,7,test\n");
            new PadChestGrReader(folder).Read().Count();
        }),
        ["own lines"] = ("own.jsonl", """{"image": "a.png", "phrase": "x", "boxes": [[1, 2, 3, 4]], "width": 9, "height": 8}""",
            path => new OwnReader(path, "jsonl", null, null, null).Read().Count()),
        ["own list"] = ("own.json", """[{"image": "a.png", "phrase": "x", "boxes": [[1, 2, 3, 4]]}]""",
            path => new OwnReader(path, "jsonl", null, null, null).Read().Count()),
        ["own folder"] = ("metadata.jsonl", """{"file_name": "a.png", "phrase": "x", "objects": {"bbox": [[1, 2, 3, 4]]}}""",
            path => new OwnReader(path, "imagefolder", null, null, null).Read().Count()),
        ["own coco"] = ("coco.json", Coco, path => new OwnReader(path, "coco", null, null, null).Read().Count()),
        ["own chats"] = ("chats.jsonl", Chat, path => new OwnReader(path, "ms-swift", null, "thousand-xyxy", null).Read().Count()),
        ["config"] = ("config.json", """
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "vocab_size": 64, "hidden_size": 32, "num_hidden_layers": 2,
             "num_attention_heads": 2, "intermediate_size": 64, "rms_norm_eps": 1e-6, "rope_theta": 10000.0, "bos_token_id": 1,
             "rope_scaling": {"type": "dynamic", "factor": 2.0}, "quantization_config": null, "layer_types": ["full_attention"]}
            """, path =>
        {
            var config = HuggingFaceConfig.Find(Path.GetDirectoryName(path)!)!;
            config.RequireTokens(1, 2);
            config.RequireWithin(1024);
            _ = LlamaConfig.FromHuggingFace(Path.GetDirectoryName(path)!);
        }),
        ["exported config"] = ("config.json", """{"hidden_size": 32, "rope_parameters": {"rope_theta": 1.0}}""", path =>
            HuggingFaceFiles.Configuration(Path.GetDirectoryName(path)!, new LlamaConfig(8, 8, 1, 1, 8, 1e-6, 1e4),
                TorchSharp.torch.ScalarType.Float32)),
        ["adapter"] = ("adapter_config.json", """
            {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "rank_pattern": {"q_proj": 4}, "alpha_pattern": {}, "use_rslora": false,
             "target_modules": ["q_proj"], "init_lora_weights": true, "use_dora": false, "layers_to_transform": null}
            """, path =>
        {
            File.WriteAllText(Path.Combine(Path.GetDirectoryName(path)!, "adapter_model.bin"), "");
            PeftAdapter.Find(Path.GetDirectoryName(path)!);
        }),
        ["index"] = ("model.safetensors.index.json", """{"metadata": {"total_size": 5}, "weight_map": {"a": "x.bin", "b": "y.bin"}}""",
            path => ShardedCheckpoint.OpenIndex(Path.GetDirectoryName(path)!, path).Dispose()),
        ["safetensors"] = ("a.safetensors",
            """{"__metadata__": {"format": "pt"}, "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}""",
            path =>
            {
                var header = File.ReadAllBytes(path);
                File.WriteAllBytes(path, [.. BitConverter.GetBytes((long)header.Length), .. header, .. new byte[8]]);
                ((IDisposable)SafeTensors.Open(path)).Dispose();
            }),
        ["scores"] = ("scores.json", """
            {"protocol": {"name": "p", "sample": "s", "multi_box_rule": "m", "failure_rule": "f"}, "phrases": 3, "boxes": 4, "images": 2,
             "synthetic": true, "notes": ["n"], "bootstrap": {"resamples": 5, "clusters_are": "patients"}, "mean": {"n": 3},
             "classes": [{"class": "Edema", "n": 3, "iou": {"value": 0.5, "low": null, "high": 0.7}}],
             "weighted": {"n": 3, "iou": {"value": 0.5, "low": 0.25, "high": 0.7}}}
            """, ReadScores),
        ["reply"] = ("reply.json", """
            {"choices": [{"message": {"content": "{<1><2><3><4>}", "refusal": null, "boxes": [{"confidence": 0.5}]},
             "finish_reason": "stop"}],
             "usage": {"prompt_tokens": 3, "completion_tokens": 4}, "error": null, "detail": [{"msg": "x"}]}
            """, path =>
        {
            var body = File.ReadAllBytes(path);
            _ = (ChatReply.Read(body), ServerWords.Of(body), ServerWords.Code(body));
        }),
        ["request"] = ("request.json", """
            {"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "x"},
             {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}], "max_tokens": 5, "temperature": 0.5,
             "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object", "properties": {"boxes":
             {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}}}}}, "stop": ["a"], "tool_choice": "auto",
             "constrain": "boxes"}
            """, path =>
        {
            using var body = JsonFields.Parse(File.ReadAllBytes(path));
            Pfmvg.Cli.Serving.Chat.ChatRequest.Read(body.RootElement);
        }),
    };

    public static TheoryData<string> Names => [.. Readers.Keys];

    public void Dispose() => _folder.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_change_of_a_good_text_ends_in_a_value_or_a_sentence(string name)
    {
        var (file, text, read) = Readers[name];
        var path = _folder.In(file);
        File.WriteAllText(path, text);
        if (name != "index") read(path); // as it is, it is read; the index's shards are not here
        Prop.ForAll(JsonMutation.Several, changes =>
        {
            File.WriteAllBytes(path, JsonMutation.Apply(text, changes));
            try
            {
                read(path);
            }
            catch (InputException wrong)
            {
                Assert.DoesNotContain("System.", wrong.Message, StringComparison.Ordinal);
                Assert.DoesNotContain("Exception", wrong.Message, StringComparison.Ordinal);
                Assert.EndsWith(".", wrong.Message, StringComparison.Ordinal);
                Assert.True(wrong.Message.Contains(file, StringComparison.Ordinal)
                    || wrong.Message.Contains("image folder", StringComparison.Ordinal), wrong.Message); // that one is named instead
            }
            catch (ApiError)
            {
                // The client gets it as an answer.
            }
        }).Check(Times(400));
    }

    [Fact]
    public void A_text_is_let_through_if_the_systems_reader_takes_it_and_everything_in_it_can_be_used() =>
        Prop.ForAll(JsonMutation.Several, changes =>
        {
            var bytes = JsonMutation.Apply(Coco, changes);
            using var document = JsonText.Parse(bytes, out var fault);
            Assert.Equal(IsUsable(bytes), document is not null);
            Assert.Equal(document is null, fault is not null);
        }).Check(Times(3000));

    // The same changes each time.
    private static Config Times(int count) => Config.QuickThrowOnFailure.WithMaxTest(count)
        .WithReplay(FSharpOption<Replay>.Some(new Replay(new Rnd(20261127, 3), FSharpOption<int>.None)));

    private static bool IsUsable(byte[] bytes)
    {
        try
        {
            using var document = JsonDocument.Parse(bytes, new JsonDocumentOptions { MaxDepth = 64, AllowDuplicateProperties = false });
            return All(document.RootElement).All(value => value.ValueKind != JsonValueKind.Number || double.IsFinite(value.GetDouble()))
                && All(document.RootElement).All(value => value.ValueKind != JsonValueKind.String || value.GetString() is not null);
        }
        catch (Exception unusable) when (unusable is JsonException or InvalidOperationException)
        {
            return false;
        }
    }

    private static IEnumerable<JsonElement> All(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Array => value.EnumerateArray().SelectMany(All).Prepend(value),
        JsonValueKind.Object => value.EnumerateObject().SelectMany(member => member.Name.Length >= 0 ? All(member.Value) : [])
            .Prepend(value),
        _ => [value],
    };

    private static void Shown(RunInfo info)
    {
        _ = (info.Describe(true), Units.Duration(TimeSpan.FromSeconds(info.Seconds)), string.Join(' ', info.Command));
        _ = info.Model?.Describe();
        foreach (var file in info.Weights.Concat(info.Data)) _ = (file.Path.Length, Units.Bytes(file.Bytes), file.Sha256.Length);
        foreach (var (name, value) in info.Environment) _ = (name.Length, value.Length);
    }

    private static void ReadScores(string path)
    {
        var runs = Path.Combine(Path.GetDirectoryName(path)!, "runs");
        var file = new RunFile("/w", 1, DateTimeOffset.UnixEpoch, "00");
        foreach (var part in (string[])["stage2", "eval-test"])
            new RunInfo { Weights = [file] }.Write(Path.Combine(runs, part, "run.json"));
        File.Copy(path, Path.Combine(runs, "eval-test", "scores.json"), overwrite: true);
        CardScores.Tables(RunFolder.Open(Path.Combine(runs, "stage2")), file);
    }
}
