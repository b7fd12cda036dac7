using Pfmvg.Rivals;

namespace Pfmvg.Cli.Options;

/// <summary>Whom `--model` names, in every command that trains or asks one.</summary>
internal static class ModelNames
{
    /// <summary>Our own model.</summary>
    public const string Ours = "pfmvg";

    /// <summary>The plain network that everyone can train.</summary>
    public const string Cnn = "cnn";

    /// <summary>The rivals from the files that a user brings.</summary>
    public const string BioVil = "biovil", BioVilT = "biovil-t";

    /// <summary>The rival of a name; null for another model.</summary>
    public static Rival? RivalOf(string? name) => name switch { BioVil => Rival.BioVil, BioVilT => Rival.BioVilT, _ => null };

    /// <summary>The configuration that a model has when none is given.</summary>
    public static string Configuration(bool isCnn) => isCnn ? "cnn.yaml" : "tiny.yaml";
}
