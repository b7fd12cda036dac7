using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Data.Loading;
using Pfmvg.Imaging;
using Pfmvg.Models;
using Pfmvg.Models.Language;
using Pfmvg.Runs;
using static TorchSharp.torch;

namespace Pfmvg.Exporting;

/// <summary>How the model that was loaded from an export answers beside the one that was exported.</summary>
/// <param name="Prompts">Prompts that both were given.</param>
/// <param name="Positions">Positions of the sequences whose logits were compared.</param>
/// <param name="Largest">Largest difference of a logit.</param>
/// <param name="Scale">Largest logit.</param>
/// <param name="Bound">Largest difference that is allowed.</param>
/// <param name="ChangedAnswers">Prompts to which greedy decoding gives another answer.</param>
internal sealed record ExportComparison(int Prompts, long Positions, double Largest, double Scale, double Bound, int ChangedAnswers)
{
    /// <summary>The difference is within its bound.</summary>
    public bool Passed => Largest <= Bound; // NaN does not pass
}

/// <summary>
/// Asks a model fixed prompts about a synthetic picture: logits at every position of prompt and answer, and greedy answers.
/// </summary>
internal static class ExportCheck
{
    // Shares of the largest logit. Equal tensors give equal logits on a CPU, on a GPU up to the order of sums. A merged matrix is another
    // order of sums; in bfloat16, which keeps 8 bits, every weight is rounded once more.
    private const double SameTensors = 1e-6, MergedExactly = 1e-4, MergedRounded = 0.05;

    // Plain phrases of findings; the answer makes the positions of an answer count, too.
    private static readonly string[] Phrases =
        ["left pleural effusion", "small right apical pneumothorax", "cardiomegaly", "opacity in the left lower lobe"];

    private const string Answer = "{<12><30><58><71>}</s>";

    /// <summary>What a model says.</summary>
    /// <param name="Logits">(T, W) of each prompt with its answer, float32 on the CPU.</param>
    /// <param name="Answers">The greedy answers.</param>
    internal sealed record Sayings(IReadOnlyList<Tensor> Logits, IReadOnlyList<string> Answers) : IDisposable
    {
        public void Dispose()
        {
            foreach (var logits in Logits) logits.Dispose();
        }
    }

    /// <summary>Asks a model.</summary>
    public static Sayings Ask(GroundingSetup setup, CancellationToken cancel)
    {
        var settings = setup.Configuration.Eval with
        {
            Beams = 1, Temperature = 0, TopP = 1, Retries = 0, MaxNewTokens = Math.Min(setup.Configuration.Eval.MaxNewTokens, 32),
            Constrain = AnswerConstraint.None,
        };
        var answers = new ModelAnswers(setup.Model, setup.Builder, settings);
        var picture = new VisionInput(Picture(setup.Model.Config.Vision.ImageSize));
        var logits = new List<Tensor>();
        foreach (var phrase in Phrases)
        {
            cancel.ThrowIfCancellationRequested();
            logits.Add(Logits(setup.Model, picture, [.. answers.Prompt(phrase), .. setup.Builder.Tokenizer.Encode(Answer)]));
        }

        var said = answers.Answer([.. Phrases.Select(Question)], (_, _) => picture, cancel: cancel);
        return new Sayings(logits, [.. said.Select(answer => answer.Answer ?? "")]);
    }

    /// <summary>Sets two models side by side.</summary>
    /// <param name="exported">What the model said that was exported.</param>
    /// <param name="loaded">What the model says that was loaded from the export.</param>
    /// <param name="merged">Whether the adapters are merged in the export.</param>
    /// <param name="rounded">Whether weights were rounded to bfloat16 after they were merged.</param>
    public static ExportComparison Compare(Sayings exported, Sayings loaded, bool merged, bool rounded)
    {
        using var scope = NewDisposeScope();
        double largest = 0, scale = 0;
        foreach (var (before, after) in exported.Logits.Zip(loaded.Logits))
        {
            var difference = before.sub(after).abs().max().item<float>();
            largest = double.IsNaN(difference) ? double.NaN : Math.Max(largest, difference);
            scale = Math.Max(scale, before.abs().max().item<float>());
        }

        var share = !merged ? SameTensors : rounded ? MergedRounded : MergedExactly;
        return new ExportComparison(Phrases.Length, exported.Logits.Sum(one => one.shape[0]), largest, scale, share * scale,
            exported.Answers.Zip(loaded.Answers).Count(pair => pair.First != pair.Second));
    }

    private static Tensor Logits(GroundingModel model, VisionInput picture, IReadOnlyList<int> ids)
    {
        using var quiet = no_grad();
        using var scope = NewDisposeScope();
        var visual = model.Project(VisionInput.Encode(model, [picture]));
        var embeddings = model.Embed(tensor([.. ids.Select(id => (long)id)], device: model.Device).unsqueeze(0), visual);
        var pass = new DecoderPass(model.Language.RotaryAt(arange(ids.Count, device: model.Device)));
        return model.Language.Logits(model.Language.call(embeddings, pass))[0].cpu().MoveToOuterDisposeScope();
    }

    private static Sample Question(string phrase, int index) => new()
    {
        Id = $"{index}", Task = SampleTask.Refer, Image = "synthetic", Width = 1, Height = 1, Text = phrase, Source = "export",
    };

    /// <summary>Two dark fields on a gradient with a bright spot: something to look at, and nobody's picture.</summary>
    private static DecodedImage Picture(int size)
    {
        var pixels = new byte[size * size];
        for (var y = 0; y < size; y++)
        {
            for (var x = 0; x < size; x++)
            {
                var (across, down) = ((x + 0.5) / size, (y + 0.5) / size);
                var value = 90 + 110 * down;
                foreach (var middle in (double[])[0.3, 0.7])
                    if (Math.Pow((across - middle) / 0.16, 2) + Math.Pow((down - 0.5) / 0.35, 2) < 1) value -= 80;
                if (Math.Pow(across - 0.68, 2) + Math.Pow(down - 0.62, 2) < 0.006) value += 70;
                pixels[y * size + x] = (byte)value;
            }
        }

        return new DecodedImage(size, size, 1, pixels);
    }
}
