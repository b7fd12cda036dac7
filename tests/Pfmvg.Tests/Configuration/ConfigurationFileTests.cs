using Pfmvg.Configuration;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Configuration;

public class ConfigurationFileTests
{
    private static PfmvgConfiguration Parse(string yaml, params string[] overrides) => ConfigurationFile.Parse(yaml, "a.yaml", overrides);

    private static string Error(string yaml, params string[] overrides) =>
        Assert.Throws<InputException>(() => Parse(yaml, overrides)).Message;

    [Theory]
    [InlineData("")]
    [InlineData("# only a comment\n")]
    [InlineData("---\n")]
    [InlineData("{}")]
    public void An_empty_file_is_the_papers_configuration(string yaml) =>
        Assert.Empty(ConfigurationFile.Differences(new PfmvgConfiguration(), Parse(yaml)));

    [Fact]
    public void The_shipped_7b_configuration_is_the_papers()
    {
        var configuration = ConfigurationFile.Load(Path.Combine(Fixtures.Repository, "configs", "pfmvg-7b.yaml"), []);
        Assert.Equal((3, 2, 1e-4, 8e-5), (configuration.Stage1.Epochs, configuration.Stage1.BatchSize, configuration.Stage1.InitLr,
            configuration.Stage1.MinLr));
        Assert.Equal((50, 4, 3e-5, 1e-5), (configuration.Stage2.Epochs, configuration.Stage2.BatchSize, configuration.Stage2.InitLr,
            configuration.Stage2.MinLr));
        Assert.Equal((0.05, ImageMode.RandomCrop, 448),
            (configuration.Stage1.WeightDecay, configuration.Stage1.Image, configuration.Model.ImageSize));
        Assert.Equal(["stage1.checkpoint_every: 0 -> 1000"], ConfigurationFile.Differences(new PfmvgConfiguration(), configuration));
    }

    [Fact]
    public void Every_shipped_configuration_reads_and_writes_back_the_same()
    {
        foreach (var file in Directory.GetFiles(Path.Combine(Fixtures.Repository, "configs"), "*.yaml", SearchOption.AllDirectories))
        {
            var configuration = ConfigurationFile.Load(
                file, ["data.roots.mimic-cxr='/data/MIMIC CXR: it''s \"here\"'", "weights.vision='null'"]);
            var yaml = ConfigurationFile.ToYaml(configuration);
            var again = Parse(yaml);
            Assert.Empty(ConfigurationFile.Differences(configuration, again));
            Assert.Equal(yaml, ConfigurationFile.ToYaml(again));
            Assert.Equal("/data/MIMIC CXR: it's \"here\"", again.Data.Roots["mimic-cxr"]);
            Assert.Equal("null", again.Weights.Vision);
        }
    }

    [Fact]
    public void What_a_section_does_not_mention_keeps_its_value()
    {
        var configuration = Parse("stage2: { epochs: 7 }\nphantom: {}\nweights:\n  start:\n");
        Assert.Equal((7, 4, SampleTask.Refer), (configuration.Stage2.Epochs, configuration.Stage2.BatchSize, configuration.Stage2.Task));
        Assert.Equal(60, configuration.Phantom!.Patients);
        Assert.Null(configuration.Weights.Start);
    }

    [Fact]
    public void Overrides_win_over_the_file_and_the_last_one_wins()
    {
        var configuration = Parse("stage2:\n  init_lr: 2e-5\n", "stage2.init_lr=1e-4", "stage2.epochs=3", "stage2.epochs=9",
            "phantom.patients=20", "model.lora.targets=[q_proj, k_proj]", "weights.start=null", "data.roots.roco=/a=b");
        Assert.Equal((1e-4, 9), (configuration.Stage2.InitLr, configuration.Stage2.Epochs));
        Assert.Equal(20, configuration.Phantom!.Patients);
        Assert.Equal(["q_proj", "k_proj"], configuration.Model.Lora.Targets);
        Assert.Null(configuration.Weights.Start);
        Assert.Equal("/a=b", configuration.Data.Roots["roco"]);
    }

    [Fact]
    public void All_errors_are_listed_at_once_each_with_its_place()
    {
        var message = Error(
            "name: ../up\nseed: 1.5\nstage1:\n  epochs: 0\n  lr: 3\n  min_lr: .inf\n  image: crop\n" +
            "model:\n  lora: { dropout: 1, targets: [w] }\n  vision: 4\neval: { double_bos: yes }",
            "stage2.init_lr=fast", "device=gpu");
        const string Keys = "task, epochs, batch_size, accumulate, init_lr, min_lr, warmup_start_lr, warmup_steps, warmup_scope, "
            + "weight_decay, beta1, beta2, lora_b_lr_factor, clip_norm, max_answer_tokens, image, crop_scale_min, crop_share, "
            + "train_vision, vision_lr_factor, normalize_text, caption_words, multi_box, box_writing, box_head, box_head_weight, "
            + "loss_mean, coordinate_loss, negatives, repeat, tasks, group_by_length, share_pictures, recompute, nan_tolerance, "
            + "checkpoint_every, keep_last, log_every, "
            + "validate, patience, start";
        const string Targets = "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj";
        Assert.Equal(
            $"""
            a.yaml has 12 errors:
              name (line 1) must be a text of the form [A-Za-z0-9][A-Za-z0-9._-]*, not "../up".
              seed (line 2) must be a whole number of at least 0, not "1.5".
              stage1.epochs (line 4) must be a whole number of at least 1 and at most 1000000, not "0".
              stage1.lr (line 5) is not a setting; the settings of stage1 are: {Keys}.
              stage1.min_lr (line 6) must be a number of at least 0 and at most 10, not ".inf".
              stage1.image (line 7) must be resize or random_crop, not "crop".
              model.lora.dropout (line 9) must be a number of at least 0 and below 1, not "1".
              model.lora.targets (line 9) must be a list like [a, b] of different values: texts out of {Targets}.
              model.vision (line 10) must be a section of `key: value` lines.
              eval.double_bos (line 11) must be true or false, not "yes".
              stage2.init_lr (--set stage2.init_lr=fast) must be a number above 0 and at most 10, not "fast".
              device (--set device=gpu) must be auto or cpu or cuda, not "gpu".
            """.ReplaceLineEndings("\n"), message);
    }

    [Theory]
    [InlineData("model:\n  image_size: 100",
        "a.yaml: model.image_size (line 2) is 100, which is not a multiple of model.vision.patch_size 14.")]
    [InlineData("stage2: { box_head: true }\neval: { answer: box_head, decode: expected_iou }",
        "a.yaml: eval.answer (line 2) is box_head, which always answers with one box and writes no text, but eval.decode is set; "
        + "set one of them back.")]
    [InlineData("stage2: { image: resize, crop_share: 0.5 }",
        "a.yaml: stage2.crop_share (line 1) is 0.5, but stage2.image: resize crops nothing; set image to random_crop, or leave the "
        + "share out.")]
    [InlineData("stage1: { coordinate_loss: 2 }",
        "a.yaml: stage1.coordinate_loss (line 1) is 2, but stage1.task caption teaches no coordinates; set it to 0.")]
    [InlineData("stage2: { box_head_weight: 2 }",
        "a.yaml: stage2.box_head_weight (line 1) is 2, but stage2.box_head is false, so there is no head to weigh.")]
    [InlineData("eval: { decode: expected_iou, beams: 4 }",
        "a.yaml: eval.decode (line 1) is expected_iou, which draws answers, but eval.beams is 4; set one of them back.")]
    [InlineData("eval: { decode: expected_iou, temperature: 1, top_p: 0.9 }",
        "a.yaml: eval.decode (line 1) is expected_iou, which needs draws from the whole distribution, but eval.top_p is 0.9; "
        + "set it back to 1.")]
    [InlineData("eval: { decode: expected_iou, temperature: 1, retries: 2 }",
        "a.yaml: eval.decode (line 1) is expected_iou, which has drawn many answers already, but eval.retries is 2; set it back to 0.")]
    [InlineData("eval: { draws: 24 }",
        "a.yaml: eval.draws (line 1) is 24, but without eval.decode: expected_iou no answers are drawn to choose by.")]
    [InlineData("model: { concat: 3 }", "a.yaml: model.concat (line 1) is 3, which does not divide the picture's 32 x 32 = 1024 patches.")]
    [InlineData("model: { vision: { heads: 15 } }",
        "a.yaml: model.vision.heads (line 1) is 15, which does not divide model.vision.width 1408.")]
    [InlineData("model: { language: { hidden_size: 4100 } }",
        "a.yaml: model.language.heads (line 1) is 32, which does not divide model.language.hidden_size 4100.")]
    [InlineData("model: { language: { hidden_size: 96 } }",
        "a.yaml: model.language.heads (line 1) gives a head size of 3, but the rotary embedding needs an even one.")]
    [InlineData("stage2: { train_vision: true }", "a.yaml: stage2.train_vision (line 1) is true, but precision is bf16, in which a step's "
        + "change of the vision tower would be rounded away; set precision to float32.")]
    [InlineData("stage1: { vision_lr_factor: 0.5 }",
        "a.yaml: stage1.vision_lr_factor (line 1) is 0.5, but stage1.train_vision is false, so "
        + "the vision tower does not learn.")]
    [InlineData("stage1: { min_lr: 1e-3 }", "a.yaml: stage1.min_lr (line 1) is 0.001, above stage1.init_lr 0.0001.")]
    public void Settings_that_contradict_each_other_are_refused(string yaml, string expected) => Assert.Equal(expected, Error(yaml));

    [Theory]
    [InlineData("a: [1")]
    [InlineData("name: x\nname: y")]
    [InlineData("name: *other")]
    [InlineData("a: &x 1\nb: *x")]
    [InlineData("name: a\n---\nname: b")]
    [InlineData("- 1")]
    [InlineData("just text")]
    [InlineData("? [a]\n: 1")]
    [InlineData("name:")]
    [InlineData("data: { roots: [a] }")]
    [InlineData("data: { folder: '' }")]
    [InlineData("stage1: null")]
    public void A_text_that_is_no_configuration_is_refused_in_a_sentence(string yaml) =>
        Assert.Contains("a.yaml", Error(yaml), StringComparison.Ordinal);

    [Theory]
    [InlineData("epochs")]
    [InlineData("=3")]
    [InlineData("stage1..epochs=3")]
    [InlineData("stage1.epochs")]
    [InlineData("stage1.epochs=[")]
    [InlineData("stage1.epochs=")]
    public void A_malformed_override_is_refused(string text) => Assert.Contains($"--set {text}", Error("", text), StringComparison.Ordinal);

    [Fact]
    public void Hostile_nesting_does_not_exhaust_the_stack() =>
        Assert.Contains("nested deeper", Error(new string('[', 500_000)), StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_absent_a_folder_or_no_text_is_refused()
    {
        var folder = Directory.CreateTempSubdirectory();
        var file = Path.Combine(folder.FullName, "c.yaml");
        Assert.Contains("does not exist", Assert.Throws<InputException>(() => ConfigurationFile.Load(file, [])).Message,
            StringComparison.Ordinal);
        Assert.Contains("folder", Assert.Throws<InputException>(() => ConfigurationFile.Load(folder.FullName, [])).Message,
            StringComparison.Ordinal);
        File.WriteAllBytes(file, [0x61, 0x80, 0xff]);
        Assert.Contains("UTF-8", Assert.Throws<InputException>(() => ConfigurationFile.Load(file, [])).Message, StringComparison.Ordinal);
        folder.Delete(true);
    }

    [Fact]
    public void Differences_name_every_setting_that_changed() => Assert.Equal(
        ["seed: 42 -> 1", "stage2.image: random_crop -> resize", "phantom.seed: not given -> 7", "phantom.patients: not given -> 60",
            "phantom.base: not given -> random", "phantom.anatomy: not given -> false", "phantom.format: not given -> usual"],
        ConfigurationFile.Differences(new PfmvgConfiguration(), Parse("seed: 1\nphantom: {}\nstage2: { image: resize }")));

    [Fact]
    public void Relative_paths_start_from_the_workspace()
    {
        var configuration = new PfmvgConfiguration { Workspace = "/w/x" };
        Assert.Equal("/w/x/data/prepared", configuration.Resolve(configuration.Data.Folder));
        Assert.Equal("/abs", configuration.Resolve("/abs"));
        Assert.Equal(Path.Combine(Directory.GetCurrentDirectory(), "runs"), new PfmvgConfiguration().Resolve("runs"));
    }
}
