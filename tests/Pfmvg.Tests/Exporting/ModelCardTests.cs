using System.Text.Json.Nodes;
using Pfmvg.Data;
using Pfmvg.Evaluation.Reports;
using Pfmvg.Evaluation.Scoring;
using Pfmvg.Exporting;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Runs;
using Pfmvg.Tests.Support;
using Pfmvg.Tests.Weights;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Tests.Exporting;

/// <summary>A run of our own goes out: with its own settings, and with a card that says what it is and names nobody.</summary>
public sealed class ModelCardTests(ModelCardTests.TrainedRun trained) : IClassFixture<ModelCardTests.TrainedRun>
{
    [Fact]
    public void A_finished_run_needs_nothing_but_its_folder()
    {
        var output = trained.In("adapter");
        var result = Shell.RunPfmvg("export", "--from", trained.Run.Path, "--format", "peft", "--out", output, "--base-model", "some/llama",
            "--verify");
        Assert.True(result.ExitCode == 0, $"{result}");
        Assert.Contains("largest difference of a logit 0 (", result.Output, StringComparison.Ordinal);
        var settings = JsonNode.Parse(File.ReadAllText(Path.Combine(output, "adapter_config.json")))!;
        Assert.Equal(("some/llama", 2, 16, 0.1), ((string)settings["base_model_name_or_path"]!, (int)settings["r"]!,
            (int)settings["lora_alpha"]!, (double)settings["lora_dropout"]!));
        using var checkpoint = WeightFile.Open(trained.Checkpoint);
        using var adapter = WeightFile.Open(Path.Combine(output, "adapter_model.safetensors"));
        foreach (var name in adapter.Tensors.Keys)
        {
            using var scope = TorchSharp.torch.NewDisposeScope();
            TestTensors.AssertSame(checkpoint.Read($"model.llama_model.{name["base_model.model.".Length..]}"), adapter.Read(name), name);
        }

        var all = checkpoint.Tensors.Keys.Select(Pfmvg.Training.Checkpoint.ToModel).OfType<string>();
        Assert.Equal(all.Count(name => name.Contains("lora_")), adapter.Tensors.Count);
    }

    [Fact]
    public void The_card_tells_run_data_scores_and_hashes_but_no_place_and_no_patient()
    {
        var card = Card(ExportFormat.Peft, "card");
        var info = RunInfo.Read(trained.Run.InfoPath);
        Assert.Contains($"Run `card/stage1`, step {info.Steps} of {info.Steps}", card, StringComparison.Ordinal);
        Assert.Contains("| `stage1.init_lr` | `0.004` |", card, StringComparison.Ordinal);
        Assert.Contains($"training samples of this stage: {info.Counts["training_samples"]}", card, StringComparison.Ordinal);
        Assert.Contains("- roco: ", card, StringComparison.Ordinal);
        Assert.All(info.Weights, file => Assert.Contains(file.Sha256, card, StringComparison.Ordinal));
        var own = RunFile.HashAll([trained.Checkpoint], null, TestContext.Current.CancellationToken)[0];
        Assert.Contains(own.Sha256, card, StringComparison.Ordinal);

        // The table of the evaluation that asked these tensors, not that of the one that asked the base alone.
        Assert.Contains("eval-test-own: ", card, StringComparison.Ordinal);
        Assert.DoesNotContain("eval-test-base", card, StringComparison.Ordinal);
        Assert.Contains($"| weighted | {trained.Scores.Weighted.Count} | {trained.Scores.Weighted[Metric.Iou].Value:0.000} [", card,
            StringComparison.Ordinal);
        Assert.Contains(trained.Scores.Protocol.MultiBox, card, StringComparison.Ordinal);
        Assert.Contains("Phantom scores are not clinical scores", card, StringComparison.Ordinal);

        Assert.DoesNotContain(trained.Path, card, StringComparison.Ordinal);
        Assert.All(trained.Secrets, secret => Assert.DoesNotContain(secret, card, StringComparison.Ordinal));
    }

    [Fact]
    public void A_checkpoint_in_a_run_brings_the_runs_settings_and_its_own_step()
    {
        var earlier = Directory.GetFiles(trained.Run.Checkpoints, "step-*").Order(StringComparer.Ordinal).First();
        Assert.NotEqual(trained.Checkpoint, earlier);
        var card = Card(ExportFormat.Peft, "earlier", earlier);
        Assert.Contains($"step `{Path.GetFileNameWithoutExtension(earlier)}` of ", card, StringComparison.Ordinal);
        Assert.Contains("PFMVG has scored no answers of these tensors. Phantom scores are not clinical scores", card,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Settings_that_the_tensors_were_not_trained_with_are_refused_by_name()
    {
        var options = Options(ExportFormat.Peft, "other");
        var refused = Assert.Throws<InputException>(() =>
            ExportWorkspace.Run(options, trained.Workspace.Configuration("card", "model.lora.alpha=32")));
        Assert.Contains(
            "was trained with other settings of the model (model.lora.alpha: 16 -> 32)", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_base_that_has_changed_since_the_training_is_not_merged()
    {
        var configuration = trained.Workspace.Configuration("card");
        var copy = Directory.CreateDirectory(trained.In("changed", "llama")).FullName;
        foreach (var file in Directory.GetFiles(GroundingSetup.Paths(configuration).Language))
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        var weights = Path.Combine(copy, "model.safetensors");
        using (var stream = new FileStream(weights, FileMode.Open))
        {
            stream.Seek(-1, SeekOrigin.End);
            var last = stream.ReadByte();
            stream.Seek(-1, SeekOrigin.End);
            stream.WriteByte((byte)(last ^ 1));
        }

        var refused = Assert.Throws<InputException>(() => ExportWorkspace.Run(Options(ExportFormat.Hf, "merged-changed"),
            configuration with { Weights = configuration.Weights with { Language = copy } }));
        Assert.Contains($"{weights}: has changed since", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unfinished_training_is_refused_but_its_checkpoints_are_not()
    {
        Assert.Throws<OperationCanceledException>(() => trained.Workspace.Train("unfinished", lastStep: 3));
        var run = trained.Workspace.Run("unfinished");
        var refused = Assert.Throws<InputException>(() => ExportSource.Find(run.Path));
        Assert.Contains("the training there is not finished (interrupted at step 3", refused.Message, StringComparison.Ordinal);
        var checkpoint = Pfmvg.Training.Checkpoint.List(run.Checkpoints)[0].Path;
        Assert.Equal(checkpoint, ExportSource.Find(checkpoint).File);

        using (var stream = new FileStream(checkpoint, FileMode.Open))
        {
            stream.Seek(-1, SeekOrigin.End);
            stream.WriteByte(1);
        }

        Assert.Contains("is damaged", Assert.Throws<InputException>(() => ExportSource.Find(checkpoint)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_merged_run_passes_its_check()
    {
        var options = Options(ExportFormat.Hf, "merged") with { Verify = true };
        Assert.True(ExportWorkspace.Run(options, trained.Workspace.Configuration("card")).Comparison!.Passed);
    }

    private ExportOptions Options(ExportFormat format, string name, string? from = null) =>
        new() { From = from ?? trained.Run.Path, Format = format, Output = trained.In(name) };

    private string Card(ExportFormat format, string name, string? from = null)
    {
        ExportWorkspace.Run(Options(format, name, from), trained.Workspace.Configuration("card"));
        return File.ReadAllText(trained.In(name, "README.md"));
    }

    /// <summary>A short training on phantoms, scored once with its own tensors and once without.</summary>
    public sealed class TrainedRun : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public TrainedRun()
        {
            Workspace.Train("card");
            var configuration = Workspace.Configuration("card", "eval.max_new_tokens=4");
            Scores = Score(new EvaluationOptions { Split = Split.Test, From = Run.Path, Part = "eval-test-own" });
            Score(new EvaluationOptions { Split = Split.Test, FromBase = true, Part = "eval-test-base" });
            var samples = GroundingSetup.OpenData(configuration).Read(SampleTask.Refer, Split.Test);
            Secrets = [.. samples.SelectMany(sample => new[] { sample.Id, sample.Image, sample.Patient, sample.Study, sample.Text })
                .OfType<string>().Distinct()];

            ScoreTable Score(EvaluationOptions options)
            {
                var result = EvaluationRun.Execute(new RecordedSession(configuration).Session, options);
                var table = Scorer.Score(result.Predictions, new ScoringOptions { Synthetic = true });
                ScoreReport.WriteAll(result.Folder.Path, table, new ReportOptions { IncludeImages = false });
                return table;
            }
        }

        public TrainingWorkspace Workspace { get; } = new();

        public RunFolder Run => Workspace.Run("card");

        public string Checkpoint => Run.In(RunInfo.Read(Run.InfoPath).Result!);

        public ScoreTable Scores { get; }

        /// <summary>What leads to patients, and what was said about them.</summary>
        public IReadOnlyList<string> Secrets { get; }

        public string Path => Workspace.Path;

        public string In(params string[] parts) => _folder.In(parts);

        public void Dispose()
        {
            Workspace.Dispose();
            _folder.Dispose();
        }
    }
}
