using System.ComponentModel.DataAnnotations;
using Pfmvg.Text;

namespace Pfmvg.Configuration;

/// <summary>Settings of the evaluation.</summary>
public sealed record EvalSettings
{
    /// <summary>Phrases decoded together.</summary>
    [Range(1, 1 << 16)] public int BatchSize { get; init; } = 8;

    /// <summary>Longest answer in tokens.</summary>
    [Range(1, 1 << 16)] public int MaxNewTokens { get; init; } = 64;

    /// <summary>Beams; 1 is greedy decoding.</summary>
    [Range(1, 64)] public int Beams { get; init; } = 1;

    /// <summary>Two begin-of-sequence tokens, as the original's generation has; training has one.</summary>
    public bool DoubleBos { get; init; } = true;

    /// <summary>Normalise phrases as BLIP's caption processor does. It must be the same as in training.</summary>
    public bool NormalizeText { get; init; } = true;

    /// <summary>What decoding is restricted to.</summary>
    public AnswerConstraint Constrain { get; init; } = AnswerConstraint.None;

    /// <summary>What answers: the text, as published, or the box head that stage 2 trained beside it.</summary>
    public AnswerForm Answer { get; init; }

    /// <summary>How the numbers of an answer are read.</summary>
    public BoxReading BoxReading { get; init; }

    /// <summary>
    /// Share of the questions that are phrases which name nothing in their picture, asked beside the split's and scored apart; 0 asks none.
    /// </summary>
    [Range(0.0, 0.9)] public double Negatives { get; init; }

    /// <summary>Which answer is taken.</summary>
    public AnswerChoice Decode { get; init; } = AnswerChoice.Greedy;

    /// <summary>Answers that are drawn to each phrase to choose one by them.</summary>
    [Range(2, 256)] public int Draws { get; init; } = 16;

    /// <summary>Divides the logits before a token is drawn; 0 draws none and takes the most likely.</summary>
    [Range(0.0, 100.0)] public double Temperature { get; init; }

    /// <summary>Tokens are drawn from the fewest most likely ones that together have this probability.</summary>
    [Range(0.0, 1.0, MinimumIsExclusive = true)] public double TopP { get; init; } = 1;

    /// <summary>How often an answer is drawn again while it holds no sound box.</summary>
    [Range(0, 100)] public int Retries { get; init; }

    /// <summary>Compute the common beginning of the prompts about one picture, with the picture, once for all of them.</summary>
    public bool SharePrefix { get; init; } = true;

    /// <summary>Whether tokens after the prompt go through the fused step where it fits; it rounds otherwise than the modules.</summary>
    public FusedStep FusedStep { get; init; } = FusedStep.Auto;

    /// <summary>
    /// Which checkpoint answers where the folder of a training stands for a model; a file that is named is taken as it is.
    /// </summary>
    public CheckpointChoice Checkpoint { get; init; } = CheckpointChoice.Last;
}

/// <summary>What answers a phrase.</summary>
public enum AnswerForm
{
    /// <summary>The text that follows the prompt, as published.</summary>
    Text,

    /// <summary>The box head: one box for each phrase, in pixels and not in hundredths, without a confidence.</summary>
    BoxHead,
}

/// <summary>Which checkpoint of a training is taken.</summary>
public enum CheckpointChoice
{
    /// <summary>The one that it ended with, as published.</summary>
    Last,

    /// <summary>The best one by validation: most weighted IoU, or least loss where the stage learns no boxes.</summary>
    Best,
}

/// <summary>Whether tokens after the prompt go through the fused step.</summary>
public enum FusedStep
{
    /// <summary>Where it fits: on a processor with AVX-512, AVX2 or NEON, with most sizes and up to 64 rows.</summary>
    Auto,

    /// <summary>Never, so that processors differ less in their rounding.</summary>
    Off,
}

/// <summary>Which answer is taken.</summary>
public enum AnswerChoice
{
    /// <summary>The most likely token each time, as published; or by beams, or drawn with a temperature, where that is set.</summary>
    Greedy,

    /// <summary>The box with the largest expected IoU under the model's own distribution, of which answers are drawn.</summary>
    ExpectedIou,
}

/// <summary>What decoding is restricted to.</summary>
public enum AnswerConstraint
{
    /// <summary>Nothing, as published.</summary>
    None,

    /// <summary>
    /// Well-formed boxes: `{&lt;x1&gt;&lt;y1&gt;&lt;x2&gt;&lt;y2&gt;}` with ordered corners, several joined by
    /// `&lt;delim&gt;`.
    /// </summary>
    Boxes,
}
