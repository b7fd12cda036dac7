using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Pfmvg.Weights;
using Pfmvg.Weights.Loading;

namespace Pfmvg.Rivals;

/// <summary>Rivals whose public checkpoints can be asked.</summary>
internal enum Rival
{
    /// <summary>BioViL (Boecking et al., ECCV 2022).</summary>
    BioVil,

    /// <summary>BioViL-T (Bannur et al., CVPR 2023), asked about one picture.</summary>
    BioVilT,
}

/// <summary>What a user brings of a rival: the image model, and the folder of the text model beside or below it.</summary>
/// <param name="Image">The image model's file.</param>
/// <param name="Text">The text model's folder.</param>
/// <param name="Note">Whether the image model is the published one.</param>
internal sealed record BioVilFiles(string Image, string Text, string Note)
{
    private const int MostFiles = 1000;

    private static readonly Dictionary<string, string> Published = new()
    {
        ["02ce6ee460f72efd599295f440dbb453"] = "biovil_image_resnet50_proj_size_128.pt",
        ["a83080e2f23aa584a4f2b24c39b1bb64"] = "biovil_t_image_model_proj_size_128.pt",
    };

    /// <summary>The name under which a rival's image model was published.</summary>
    public static string PublishedName(Rival rival) => rival == Rival.BioVil ? Published.Values.First() : Published.Values.Last();

    /// <summary>The rival's name on the command line and in print.</summary>
    public static string Name(Rival rival) => rival == Rival.BioVil ? "BioViL" : "BioViL-T";

    /// <summary>Finds the files by what is in them.</summary>
    /// <exception cref="InputException">There is no folder, no such file, several of them, or another model's.</exception>
    public static BioVilFiles Find(string folder, Rival rival)
    {
        if (!Directory.Exists(folder))
            throw Refusal.ForFile(folder, "is no folder", $"name the folder with {Name(rival)}'s image model (.pt) and its text folder");
        List<string> folders;
        try
        {
            folders = [folder, .. Directory.EnumerateDirectories(folder, "*", SearchOption.AllDirectories).Take(MostFiles).Order()];
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw FileFault.At(folder, cause);
        }

        var text = folders.Where(IsTextFolder).ToList();
        var images = folders.Except(text).SelectMany(Directory.EnumerateFiles)
            .Where(path => Path.GetExtension(path).ToLowerInvariant() is ".pt" or ".pth" or ".bin" or ".ckpt" or ".safetensors")
            .Take(MostFiles).Order(StringComparer.Ordinal).Select(path => (Path: path, Kind: KindOf(path))).ToList();
        var wanted = images.Where(image => image.Kind == rival).ToList();
        if (wanted.Count == 0) throw NoImage(folder, rival, images.ConvertAll(image => (image.Path, image.Kind)));
        if (wanted.Count > 1)
            throw Refusal.ForFile(folder, $"has {wanted.Count} image models of {Name(rival)} ({Path.GetFileName(wanted[0].Path)}, "
                + $"{Path.GetFileName(wanted[1].Path)})", "keep one of them there");
        if (text.Count > 1) text = Only(text, rival);
        if (text.Count != 1)
            throw Refusal.ForFile(folder, text.Count == 0 ? "has no text folder (config.json, vocab.txt and pytorch_model.bin or "
                + "model.safetensors) in it" : $"has {text.Count} text folders", "put "
                + (rival == Rival.BioVil ? "BiomedVLP-CXR-BERT-specialized" : "BiomedVLP-BioViL-T") + " there, and no other");
        return new BioVilFiles(wanted[0].Path, text[0], Recognise(wanted[0].Path, rival));
    }

    /// <summary>Which rival's image model a file has; null for none.</summary>
    public static Rival? KindOf(ITensorFile file) =>
        !BioVilImage.IsIn(file) ? null : BioVilImage.IsTemporal(file) ? Rival.BioVilT : Rival.BioVil;

    /// <summary>A line for people who look into a file: what it is of a rival; null for none.</summary>
    public static string? Describe(ITensorFile file) =>
        OtherRival(file) is { } other ? $"{file.Path}: a checkpoint of {other}, which is not supported."
        : KindOf(file) is { } rival && File.Exists(file.Path) ? Recognise(file.Path, rival)
        : CxrBert.IsIn(file) ? $"{file.Path}: a text model of BioViL or BioViL-T." : null;

    private static bool IsTextFolder(string folder) =>
        File.Exists(Path.Combine(folder, "config.json")) && File.Exists(Path.Combine(folder, "vocab.txt"));

    // Both rivals' folders may lie in one; their published names tell them apart.
    private static List<string> Only(List<string> folders, Rival rival)
    {
        var named = folders.FindAll(
            folder => rival == Rival.BioVilT == Path.GetFileName(folder).Contains("BioViL-T", StringComparison.Ordinal));
        return named.Count == 1 ? named : folders;
    }

    private static Rival? KindOf(string path)
    {
        using var file = WeightFile.Open(path);
        if (OtherRival(file) is { } other)
            throw Refusal.ForFile(path, $"is a checkpoint of {other}, which is not supported", "give BioViL's or BioViL-T's files");
        return KindOf(file);
    }

    /// <summary>The name of a rival that is not supported; null for none.</summary>
    public static string? OtherRival(ITensorFile file)
    {
        var names = file.Tensors.Keys;
        return names.Any(name => name.StartsWith("gloria.", StringComparison.Ordinal)) ? "GLoRIA"
            : names.Any(name => name.Contains("disease_embedding_layer", StringComparison.Ordinal)
                || name.Contains("res_features.", StringComparison.Ordinal)) ? "MedKLIP" : null;
    }

    private static InputException NoImage(string folder, Rival rival, List<(string Path, Rival? Kind)> found)
    {
        if (found.Find(image => image.Kind is not null) is { Path: not null } other)
            return Refusal.ForFile(other.Path, rival == Rival.BioVilT
                    ? "is an image model of BioViL, not of BioViL-T: it lacks encoder.backbone_to_vit.weight "
                        + "and encoder.missing_previous_emb"
                    : "is an image model of BioViL-T, not of BioViL: it has encoder.backbone_to_vit.weight",
                $"use --model {(rival == Rival.BioVilT ? "biovil" : "biovil-t")}, or give {Name(rival)}'s file");
        return Refusal.ForFile(folder, $"has no image model of {Name(rival)}"
            + (found.Count == 0 ? "" : $" ({Path.GetFileName(found[0].Path)} is none)"),
            $"put {PublishedName(rival)} there");
    }

    [SuppressMessage("Security", "CA5351", Justification = "The hash that the authors published; it recognises, and protects nothing.")]
    private static string Recognise(string path, Rival rival)
    {
        string hash;
        InputFile.Require(path);
        using (var stream = File.OpenRead(path)) hash = Convert.ToHexStringLower(MD5.HashData(stream));
        return Published.TryGetValue(hash, out var name) ? $"{path}: the published {name} (MD5 {hash})."
            : $"{path}: an image model of {Name(rival)}, but not the published file (MD5 {hash}).";
    }
}
