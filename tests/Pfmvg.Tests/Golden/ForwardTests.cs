using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Pfmvg.Models;
using Pfmvg.Models.Language;
using Pfmvg.Tests.Support;
using Pfmvg.Text;
using Pfmvg.Training;
using static Pfmvg.Tests.Support.Fixtures;
using static TorchSharp.torch;

namespace Pfmvg.Tests.Golden;

[Trait("Category", "Golden")]
public sealed class ForwardTests(ReferenceModel reference) : IClassFixture<ReferenceModel>
{
    private readonly GroundingModel _model = reference.Model;
    private static readonly JsonNode Tokens = Json("forward", "tokens.json");

    [Fact]
    public void Position_embedding_is_resized_as_torch_does()
    {
        using var scope = NewDisposeScope();
        Close(_model.get_parameter("visual_encoder.pos_embed")!, "pos_embed_interpolated");
    }

    [Fact]
    public void Every_vision_activation_matches()
    {
        using var scope = NewDisposeScope();
        var images = Npy("forward", "images.npy").ToTestDevice();
        var seen = new List<string>();
        var tokens = _model.VisionTower.Run(images, (block, output) =>
        {
            var name = block < 0 ? "vit_patch_embed" : $"vit_block{block}";
            Close(output, name);
            seen.Add(name);
        });
        Close(tokens, "vit_out");
        Close(_model.NormalizeTokens(tokens), "ln_vision_out");
        var features = _model.EncodeImages(images);
        Close(features, "concat4");
        Close(_model.Project(features), "projected");
        Assert.Equal(Directory.GetFiles(Fixtures.Path("forward"), "vit_block*.npy").Length + 1, seen.Count);
    }

    [Fact]
    public void Segments_and_answers_are_tokenized_as_listed()
    {
        foreach (var sample in Tokens["samples"]!.AsArray())
        {
            foreach (var segment in sample!["segments"]!.AsArray())
                Assert.Equal(Ints(segment!["ids"]!), reference.Tokenizer.Encode(segment["text"]!.GetValue<string>()));
            Assert.Equal(Ints(sample["answer_ids"]!), reference.Tokenizer.Encode(sample["answer_text"]!.GetValue<string>()));
        }
    }

    [Fact]
    public void Embeddings_hidden_states_logits_and_loss_match()
    {
        using var scope = NewDisposeScope();
        var mask = Npy("forward", "attention_mask.npy");
        var (ids, targets, ownMask) = reference.Pad(Rows(), (int)mask.shape[1]);
        AssertClose(mask, ownMask, 0, "attention_mask");
        AssertClose(Npy("forward", "targets.npy"), targets, 0, "targets");

        var embeddings = _model.Embed(ids, Visual());
        Close(embeddings, "inputs_embeds");
        Close(embeddings, "hidden_0");
        var layers = _model.Language.Layers.Count;
        var pass = new DecoderPass(_model.Language.RotaryAt(arange(ids.shape[1], device: TestDevice.Here)), ReferenceModel.EagerMask(mask));
        var hidden = _model.Language.Run(embeddings, pass, (layer, output) =>
        {
            if (layer + 1 < layers) Close(output, $"hidden_{layer + 1}");
        });
        Close(hidden, $"hidden_{layers}");
        Close(_model.Language.Logits(hidden), "logits");
        var (sum, count) = _model.AnswerLoss(hidden, targets);
        var expected = Json("forward", "loss.json");
        Assert.Equal(expected["loss"]!.GetValue<double>(), sum.item<float>() / (double)count, Tolerance("loss"));
        Assert.Equal(expected["loss_float64"]!.GetValue<double>(), sum.item<float>() / (double)count, Tolerance("loss"));

        // "reduction none" of the original: each row over all its positions but the last, ignored ones counted as 0.
        var perRow = expected["loss_per_sample_reduction_none"]!.AsArray().Select(v => v!.GetValue<double>()).ToArray();
        for (var row = 0; row < perRow.Length; row++)
        {
            var (rowSum, _) = _model.AnswerLoss(hidden.narrow(0, row, 1), targets.narrow(0, row, 1));
            Assert.Equal(perRow[row], rowSum.item<float>() / (double)(targets.shape[1] - 1), Tolerance("loss"));
        }
    }

    [Fact]
    public void Real_positions_do_not_depend_on_padding()
    {
        using var scope = NewDisposeScope();
        var (ids, targets, mask) = reference.Pad(Rows(), Rows().Max(r => r.Ids.Count));
        var hidden = _model.Language.call(_model.Embed(ids, Visual()), Pass(ids));
        var real = mask.to(ScalarType.Bool);
        AssertClose(Npy("forward", "logits.npy").narrow(1, 0, ids.shape[1])[real], _model.Language.Logits(hidden).cpu()[real],
            Tolerance("logits"), "logits");
        var (sum, count) = _model.AnswerLoss(hidden, targets);
        Assert.Equal(Json("forward", "loss.json")["loss"]!.GetValue<double>(), sum.item<float>() / (double)count, Tolerance("loss"));
    }

    public static TheoryData<string> Cases => [.. Json("forward", "cases.json").AsObject().Select(c => c.Key)];

    [Theory, MemberData(nameof(Cases))]
    public void Prompt_assembly_variations_match(string name)
    {
        using var scope = NewDisposeScope();
        var one = Json("forward", "cases.json")[name]!;
        var (samples, settings) = (one["samples"]!, one["settings"]!);
        Assert.True(one["error"] is null, "a case that the original rejects");
        var pictured = one["images"] is JsonArray;
        var builder = new SequenceBuilder(reference.Tokenizer, pictured ? reference.Config.VisualTokens : 0,
            settings["max_txt_len"]?.GetValue<int>() ?? 160, settings["max_context_len"]?.GetValue<int>() ?? 3800,
            settings["end_sym"]?.GetValue<string>() ?? "</s>");
        var chat = settings["chat_template"]?.GetValue<bool>() ?? true;
        var rows = (samples["conv_q"] ?? samples["instruction_input"])!.AsArray()
            .Zip((samples["conv_a"] ?? samples["answer"])!.AsArray(), (question, answer) =>
        {
            var separator = samples["connect_sym"]?[0]?.GetValue<string>();
            string[] questions = [.. Split(question!, separator).Select(q => chat ? $"[INST] {q} [/INST]" : q)];
            var answers = Split(answer!, separator);
            var first = pictured ? ReferenceModel.Segments(questions[0]) : new PromptSegments(questions[0], "");
            return builder.Conversation(first, answers[0], [.. questions.Zip(answers).Skip(1)]);
        }).ToList();

        var (ids, targets, mask) = reference.Pad(rows, one["seq_len"]!.GetValue<int>());
        AssertClose(Matrix(one["attention_mask"]!), mask, 0, "attention_mask");
        AssertClose(Matrix(one["targets"]!), targets, 0, "targets");
        var visual = one["images"] is JsonArray images
            ? Visual().index_select(0, tensor(images.Select(i => i!.GetValue<long>()).ToArray()).ToTestDevice()) : null;
        var hidden = _model.Language.call(_model.Embed(ids, visual), Pass(ids));
        var (sum, count) = _model.AnswerLoss(hidden, targets);
        Assert.Equal(one["loss"]!.GetValue<double>(), sum.item<float>() / (double)count, Tolerance("loss"));

        static string[] Split(JsonNode text, string? separator) =>
            separator is null ? [text.GetValue<string>()] : text.GetValue<string>().Split(separator);
    }

    public static TheoryData<string> Units =>
        [.. Support.Npy.ReadArchive(Fixtures.Path("forward", "units.npz")).Keys.Where(key => key.EndsWith(".in", StringComparison.Ordinal))
            .Select(key => key[..^3])];

    [Theory, MemberData(nameof(Units))]
    public void Single_operations_match(string name)
    {
        using var scope = NewDisposeScope();
        var units = Support.Npy.ReadArchive(Fixtures.Path("forward", "units.npz"));
        var input = units[$"{name}.in"].ToTestDevice();
        var output = name switch
        {
            "gelu" => nn.functional.gelu(input),
            "silu" => nn.functional.silu(input),
            _ => Module(ModuleName(name)).call(input),
        };
        AssertClose(units[$"{name}.out"], output, Tolerance($"units/{name}.out"), name);

        nn.Module<Tensor, Tensor> Module(string module) =>
            (nn.Module<Tensor, Tensor>)_model.named_modules().Single(m => m.name == module).module;

        // "vit_block0_norm1", "llama_layer0_input_layernorm", "lora_q_proj_layer0": the unit's name says which module it is.
        static string ModuleName(string unit) => Regex.Match(
            unit, @"^(?:vit_block(?<b>\d+)_(?<n>\w+)|llama_layer(?<l>\d+)_(?<m>\w+)|lora_(?<p>\w+)_layer(?<q>\d+))$")
            is { Success: true } match
            ? match.Groups["b"].Success ? $"visual_encoder.blocks.{match.Groups["b"]}.{match.Groups["n"]}"
            : match.Groups["l"].Success ? $"llama_model.model.layers.{match.Groups["l"]}.{match.Groups["m"]}"
            : $"llama_model.model.layers.{match.Groups["q"]}.self_attn.{match.Groups["p"]}"
            : unit;
    }

    [Fact]
    public void Rotary_embedding_matches()
    {
        using var scope = NewDisposeScope();
        var units = Support.Npy.ReadArchive(Fixtures.Path("forward", "units.npz"));
        var rotary = _model.Language.RotaryAt(units["rope.position_ids"].ToTestDevice());
        AssertClose(units["rope.q_out"], rotary.Rotate(units["rope.q_in"].ToTestDevice()), Tolerance("units/rope.q_out"), "rope q");
        AssertClose(units["rope.k_out"], rotary.Rotate(units["rope.k_in"].ToTestDevice()), Tolerance("units/rope.k_out"), "rope k");
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Gradients_match(bool recompute)
    {
        using var scope = NewDisposeScope();
        using var model = reference.Load(ReferenceModel.Paths);
        Backward(model, recompute);
        var expected = Support.Npy.ReadArchive(Fixtures.Path("forward", "grads.npz"));
        AssertSameTensors(expected, model.Trainables().ToDictionary(t => t.Name, t => t.Parameter.grad!), "grads");
    }

    [Theory, InlineData(false), InlineData(true)]
    public void Five_optimizer_steps_match(bool recompute)
    {
        using var scope = NewDisposeScope();
        using var model = reference.Load(ReferenceModel.Paths);
        var train = Json("forward", "train.json");
        var betas = train["betas"]!.AsArray();
        using var optimizer = new AdamW(model.Trainables(), betas[0]!.GetValue<double>(), betas[1]!.GetValue<double>(),
            train["weight_decay"]!.GetValue<double>(), train["eps"]!.GetValue<double>());
        foreach (var (name, parameter) in model.Trainables())
            Assert.Equal(Names(train["group_weight_decay"]!).Contains(name), AdamW.Decays(name, parameter));

        var eachStep = Support.Npy.ReadArchive(Fixtures.Path("forward", "params_each_step.npz"));
        var losses = train["loss_before_each_step"]!.AsArray();
        for (var step = 0; step < losses.Count; step++)
        {
            Assert.Equal(losses[step]!.GetValue<double>(), Backward(model, recompute), Tolerance("loss"));
            optimizer.Step(train["lr"]![step]!.GetValue<double>());
            foreach (var (key, expected) in eachStep.Where(p => p.Key.EndsWith($"/step{step + 1}", StringComparison.Ordinal)))
            {
                var name = ParameterNames.FromPeft(key[..key.LastIndexOf('/')]);
                AssertClose(expected, model.get_parameter(name)!, Tolerance("params_after_5_steps"), key);
            }
        }

        var parameters = model.Trainables().ToDictionary(t => t.Name, t => (Tensor)t.Parameter);
        AssertSameTensors(Support.Npy.ReadArchive(Fixtures.Path("forward", "params_after_5_steps.npz")), parameters,
            "params_after_5_steps");
        Assert.Equal(train["loss_after_5_steps"]!.GetValue<double>(), Backward(model, recompute), Tolerance("loss"));
        AssertSameTensors(Support.Npy.ReadArchive(Fixtures.Path("forward", "grads_after_5_steps.npz")),
            model.Trainables().ToDictionary(t => t.Name, t => t.Parameter.grad!), "grads_after_5_steps");

        var mask = Npy("forward", "attention_mask.npy");
        var (ids, _, _) = reference.Pad(Rows(), (int)mask.shape[1]);
        var pass = new DecoderPass(model.Language.RotaryAt(arange(ids.shape[1], device: TestDevice.Here)), ReferenceModel.EagerMask(mask));
        var visual = model.Project(model.EncodeImages(Npy("forward", "images.npy")));
        Close(model.Language.Logits(model.Language.call(model.Embed(ids, visual), pass)), "logits_after_5_steps");

        HashSet<string> Names(JsonNode group) => [.. group.AsArray().Select(n => ParameterNames.FromPeft(n!.GetValue<string>()))];
    }

    private double Backward(GroundingModel model, bool recompute)
    {
        using var scope = NewDisposeScope();
        var (ids, targets, _) = reference.Pad(Rows(), Rows().Max(r => r.Ids.Count));
        var tokens = Rows().Sum(r => r.Targets.Count(t => t != SequenceBuilder.NoTarget));
        return Backpropagation.Accumulate(model, new MicroBatch(ids, targets, model.EncodeImages(Npy("forward", "images.npy"))),
            1.0 / tokens, recompute) / tokens;
    }

    private List<TokenSequence> Rows()
    {
        var builder = new SequenceBuilder(reference.Tokenizer, reference.Config.VisualTokens);
        return [.. Tokens["samples"]!.AsArray()
            .Select(s => builder.Training(ReferenceModel.Segments(s!["prompt"]!.GetValue<string>()), s["answer"]!.GetValue<string>()))];
    }

    private DecoderPass Pass(Tensor ids) => new(_model.Language.RotaryAt(arange(ids.shape[1], device: TestDevice.Here)));

    private Tensor Visual() => _model.Project(_model.EncodeImages(Npy("forward", "images.npy")));

    private static void AssertSameTensors(Dictionary<string, Tensor> expected, Dictionary<string, Tensor> actual, string quantity)
    {
        Assert.Equal(expected.Count, actual.Count);
        foreach (var (key, value) in expected)
            AssertClose(value, actual[ParameterNames.FromPeft(key)], Tolerance(quantity), $"{quantity} {key}");
    }

    private static void Close(Tensor actual, string quantity) =>
        AssertClose(Npy("forward", $"{quantity}.npy"), actual, Tolerance(quantity), quantity);

    private static int[] Ints(JsonNode array) => [.. array.AsArray().Select(i => i!.GetValue<int>())];

    private static Tensor Matrix(JsonNode rows) =>
        stack([.. rows.AsArray().Select(row => tensor(row!.AsArray().Select(v => v!.GetValue<long>()).ToArray()))]);
}
