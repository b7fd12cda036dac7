namespace Pfmvg.Text;

/// <summary>Lengths in tokens that benchmarks and plans assume.</summary>
internal static class TypicalLengths
{
    /// <summary>A prompt without the picture's tokens. With 256 of those and a box answer, a sample has 330 positions.</summary>
    public const int Prompt = 62;

    /// <summary>An answer with one box.</summary>
    public const int Box = 12;

    /// <summary>A caption.</summary>
    public const int Caption = 60;

    /// <summary>Vocabulary where the configuration leaves it to a tokenizer that is not there.</summary>
    public const int Vocabulary = 512;
}
