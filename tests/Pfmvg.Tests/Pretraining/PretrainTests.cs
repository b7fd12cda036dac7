using Pfmvg.Configuration;
using Pfmvg.Models;
using Pfmvg.Models.Building;
using Pfmvg.Models.Language;
using Pfmvg.Pretraining;
using Pfmvg.Pretraining.Scenes;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Pretraining;

[Collection(nameof(Alone))]
public class PretrainTests
{
    private static readonly PfmvgConfiguration Small = new()
    {
        Seed = 5,
        Model = new ModelSettings
        {
            ImageSize = 56,
            Vision = new VisionSettings { PatchSize = 14, Width = 32, Depth = 1, Heads = 2, MlpHidden = 64 },
            Language = new LanguageSettings { Vocabulary = 0, HiddenSize = 32, Layers = 2, Heads = 2, IntermediateSize = 64 },
            Lora = new LoraSettings { Rank = 2 },
        },
        Pretrain = new PretrainSettings
        {
            Steps = 6,
            Pictures = 3,
            HeldOut = 3,
            WarmupSteps = 2,
            LogEvery = 2,
            EvaluateEvery = 6,
            SaveEvery = 3,
        },
    };

    [Fact]
    public void An_interrupted_run_ends_like_an_uninterrupted_one_and_makes_a_base_that_loads()
    {
        using var folder = new TemporaryFolder();
        var (whole, parts) = (folder.In("whole"), folder.In("parts"));
        Train(whole, CancellationToken.None);
        using (var stop = new CancellationTokenSource())
            Assert.ThrowsAny<OperationCanceledException>(
                () => Train(parts, stop.Token, progress => { if (progress.Step == 2) stop.Cancel(); }));
        Train(parts, CancellationToken.None);
        foreach (var file in new[] { "eva_vit_tiny.pth", "minigptv2_checkpoint.pth", "llama-tiny/model.safetensors",
            "llama-tiny/config.json", "llama-tiny/tokenizer.model" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(whole, file)), File.ReadAllBytes(Path.Combine(parts, file)));
        Assert.Equal([2, 4, 6], File.ReadLines(Path.Combine(parts, "pretrain.jsonl"))
            .Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("step").GetInt32()));

        var language = LlamaConfig.FromHuggingFace(Path.Combine(whole, "llama-tiny"));
        Assert.Equal(LlamaTokenizer.Load(Path.Combine(whole, "llama-tiny", "tokenizer.model")).VocabularySize, language.VocabularySize);
        var (model, files) = ModelBuilder.Load(
            new GroundingConfig(new EvaConfig(56, 14, 32, 1, 2, 64), 4, language, new LoraConfig(2, 4, 0, ["q_proj", "v_proj"])),
            new WeightPaths(Path.Combine(whole, "eva_vit_tiny.pth"), Path.Combine(whole, "llama-tiny"),
                Path.Combine(whole, "minigptv2_checkpoint.pth")),
            ScalarType.Float32, CPU, 1,
            cancel: TestContext.Current.CancellationToken);
        using (model) Assert.All(files, file => Assert.Empty(file.Report.Unexpected));
    }

    [Fact]
    public void A_state_of_another_configuration_is_refused()
    {
        using var folder = new TemporaryFolder();
        using (var stop = new CancellationTokenSource())
            Assert.ThrowsAny<OperationCanceledException>(() => Train(folder.Path, stop.Token, _ => stop.Cancel()));
        var other = Small with { Seed = 6 };
        Assert.Contains("another configuration",
            Assert.Throws<InputException>(() => PretrainRun.Open(folder.Path, other, other.Pretrain!)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Questions_that_share_a_row_have_the_loss_of_one_row_each()
    {
        using var folder = new TemporaryFolder();
        TinyTokenizer.Write(folder.In("tokenizer.model"));
        var tokenizer = LlamaTokenizer.Load(folder.In("tokenizer.model"));
        var config = ConfiguredModel.Sizes(Small.Model, tokenizer.VocabularySize);
        var settings = new PretrainSettings { Pictures = 4, Phrases = 4, CaptionShare = 1 };
        using var worker = new PretrainWorker(config, tokenizer, settings, 1);
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var (packed, _) = worker.Accumulate(3, 0, 4, backward: false);

        var questions = new SceneQuestions(tokenizer, config.VisualTokens);
        var (sum, tokens) = (0.0, 0L);
        for (var i = 0; i < settings.Pictures; i++)
        {
            var scene = SceneSampler.Sample(3, "training", i, 56, 4);
            var random = new CounterRandom(3, "questions", i);
            var caption = random.NextDouble() < settings.CaptionShare;
            var planes = new float[3 * 56 * 56];
            Pfmvg.Imaging.ImageTransform.Normalise(scene.Pixels, 1, planes);
            var visual = worker.Model.Project(worker.Model.EncodeImages(tensor(planes, [1, 3, 56, 56])));
            foreach (var question in questions.Ask(scene, settings.Phrases, caption, random, random))
            {
                long[] ids = [.. questions.Prefix, .. question.Prompt, .. question.Answer];
                long[] targets = [.. Enumerable.Repeat(-100L, ids.Length - question.Answer.Length), .. question.Answer];
                var pass = new DecoderPass(worker.Model.Language.RotaryAt(arange(ids.Length)));
                var hidden = worker.Model.Language.call(worker.Model.Embed(tensor(ids, [1, ids.Length]), visual), pass);
                var (loss, count) = worker.Model.AnswerLoss(hidden, tensor(targets, [1, ids.Length]));
                (sum, tokens) = (sum + loss.item<float>(), tokens + count);
            }
        }

        Assert.Equal(sum / tokens, packed, 1e-4);
    }

    [Fact, Trait("Category", "Slow")]
    public void Workers_survive_constant_collections()
    {
        using var folder = new TemporaryFolder();
        var done = false;
        var collector = new Thread(() =>
        {
            // Temporary scalars are collected with the youngest generation. Without a pause the workers would hardly run.
            while (!Volatile.Read(ref done))
            {
                GC.Collect(0);
                Thread.SpinWait(5000);
            }
        });
        collector.Start();
        try
        {
            Train(folder.Path, CancellationToken.None, settings: Small.Pretrain! with
            {
                Steps = 150,
                EvaluateEvery = 150,
                SaveEvery = 1000,
            });
        }
        finally
        {
            Volatile.Write(ref done, true);
            collector.Join();
        }
    }

    private static void Train(string folder, CancellationToken cancel, Action<PretrainProgress>? watch = null,
        PretrainSettings? settings = null)
    {
        using var run = PretrainRun.Open(folder, Small with { Pretrain = settings ?? Small.Pretrain }, settings ?? Small.Pretrain!);
        run.Train(watch ?? (_ => { }), cancel);
    }
}
