using Pfmvg.Data;
using Pfmvg.Models;
using Pfmvg.Runs;
using Pfmvg.Runs.Records;
using Pfmvg.Tests.Support;
using Pfmvg.Weights.Torch;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Runs;

/// <summary>What a start file lacks or has too much is told by every command that loads it.</summary>
public sealed class StartWeightsTests(TrainingWorkspace workspace) : IClassFixture<TrainingWorkspace>
{
    private static readonly Dictionary<string, Action<Session>> Commands = new()
    {
        ["train"] = session => TrainingRun.Execute(session, new TrainingOptions { Stage = 1 }),
        ["dry run"] = session => TrainingRehearsal.Execute(session, new TrainingOptions { Stage = 1 }),
        ["eval"] = session => EvaluationRun.Execute(session, new EvaluationOptions { Split = Split.Test, FromBase = true }),
        ["predict"] = session =>
        {
            var data = GroundingSetup.OpenData(session.Configuration);
            var sample = data.Read(SampleTask.Refer, Split.Test)[0];
            PredictionRun.Execute(session, [new PredictionCase("1", data.ImagePath(sample), sample.Text)], fromBase: true);
        },
    };

    public static TheoryData<string> Names => [.. Commands.Keys];

    [Theory, MemberData(nameof(Names))]
    public void A_start_file_that_fills_only_a_part_is_loaded_with_a_warning(string command)
    {
        var recorded = Start(command, name => ParameterNames.IsProjector(name), []);
        Commands[command](recorded.Session);
        const string Warning = "fills 2 of 12 tensors; at their start stay ln_vision, and q_proj, v_proj of layers 0-1 (10 tensors)";
        Assert.Contains(recorded.Lines, line => line.Contains(Warning, StringComparison.Ordinal));
    }

    [Theory, MemberData(nameof(Names))]
    public void A_start_file_with_a_tensor_too_much_is_refused_or_passes_by_a_setting(string command)
    {
        const string Extra = "llama_model.base_model.model.model.layers.0.self_attn.o_proj.lora_A.weight";
        Assert.Contains(Extra, Assert.Throws<InputException>(
            () => Commands[command](Start(command + " strict", _ => true, [Extra]).Session)).Message, StringComparison.Ordinal);
        var recorded = Start(command + " lax", _ => true, [Extra], "weights.ignore_unplaced=true");
        Commands[command](recorded.Session);
        Assert.Contains(recorded.Lines, line => line.Contains($"are left out ({Extra})", StringComparison.Ordinal));
    }

    [Fact]
    public void A_checkpoint_is_used_with_the_scale_that_its_run_was_trained_with()
    {
        workspace.Train("scale", changes: ["stage1.epochs=1", "stage1.warmup_steps=1"]);
        var run = workspace.Run("scale").Path;
        foreach (var from in new[] { run, GroundingSetup.Trained(run) })
        {
            var message = Assert.Throws<InputException>(
                () => PhraseGrounder.Open(workspace.Configuration("scale", "model.lora.alpha=8"), from)).Message;
            Assert.Contains("model.lora.alpha: 16 -> 8", message, StringComparison.Ordinal);
            PhraseGrounder.Open(workspace.Configuration("scale", "model.lora.dropout=0"), from).Dispose();
        }
    }

    [Fact]
    public void A_run_keeps_the_numbers_that_it_took_from_config_json_and_continues_with_them()
    {
        using var own = new TrainingWorkspace();
        var config = Path.Combine(GroundingSetup.Paths(own.Configuration("theta")).Language, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("10000", "500000", StringComparison.Ordinal));
        string[] changes = ["stage1.epochs=1", "stage1.warmup_steps=1"];
        Assert.ThrowsAny<OperationCanceledException>(() => own.Train("theta", changes: changes, lastStep: 2));
        Assert.Contains("rope_theta: 500000", File.ReadAllText(own.Run("theta").ConfigurationPath), StringComparison.Ordinal);
        Assert.Contains(own.Train("theta", ExistingRun.Resume, changes),
            line => line.Contains("rope_theta 500000", StringComparison.Ordinal));
        var message = Assert.Throws<InputException>(
            () => own.Train("theta", ExistingRun.Resume, ["model.language.rope_theta=10000", .. changes])).Message;
        Assert.Contains("model.language.rope_theta is 10000", message, StringComparison.Ordinal);
    }

    private RecordedSession Start(string command, Func<string, bool> isKept, string[] extra, params string[] settings)
    {
        var path = Path.Combine(workspace.Path, $"{command} start.pth");
        var configuration = workspace.Configuration(command.Replace(' ', '-'), ["stage1.epochs=1", "stage1.warmup_steps=1",
            "eval.max_new_tokens=4", $"weights.start={path}", .. settings]);
        using var scope = NewDisposeScope();
        var fresh = configuration with { Weights = configuration.Weights with { Start = null } };
        using (var setup = GroundingSetup.Load(fresh, 0, 16, null))
            TorchPickle.Write(path, new Dictionary<string, object>
            {
                ["model"] = setup.Model.named_parameters()
                    .Where(p => (ParameterNames.IsTrainable(p.name) || ParameterNames.IsVisionNorm(p.name)) && isKept(p.name))
                    .Select(p => KeyValuePair.Create(p.name, p.parameter.detach()))
                    .Concat(extra.Select(name => KeyValuePair.Create(name, ones(2, 2)))).ToDictionary(),
            });
        return new RecordedSession(configuration);
    }
}
