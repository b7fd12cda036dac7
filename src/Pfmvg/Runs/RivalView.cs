using Pfmvg.Answering;
using Pfmvg.Configuration;
using Pfmvg.Evaluation.Predictions;
using Pfmvg.Imaging;
using Pfmvg.Rivals;
using Pfmvg.Text;
using static TorchSharp.torch;

namespace Pfmvg.Runs;

/// <summary>A picture as a rival looks at it.</summary>
/// <param name="Gray">All of it, in the 8 bits that the rival sees.</param>
/// <param name="IsDeep">It has more than 8 bits, or is DICOM.</param>
/// <param name="Picture">What goes into the model.</param>
/// <param name="Place">Where the model's grid lies.</param>
internal sealed record RivalView(DecodedImage Gray, bool IsDeep, RivalPicture Picture, MapPlace Place)
{
    /// <summary>The two sizes of the preparation.</summary>
    /// <exception cref="InputException">The crop is larger than what it is cut from.</exception>
    public static (int Resize, int Crop) Sizes(RivalSettings? settings, Rival rival)
    {
        settings ??= new RivalSettings();
        var crop = settings.Crop > 0 ? settings.Crop : BioVil.PublishedCrop(rival);
        return crop <= settings.Resize ? (settings.Resize, crop) : throw new InputException(
            $"rival.resize is {settings.Resize}, but {BioVilFiles.Name(rival)} crops to {crop}; set rival.crop to {settings.Resize} "
            + "or less, too.");
    }

    /// <summary>Reads and prepares a picture.</summary>
    /// <exception cref="InputException">It cannot be read, is of one value, or too small.</exception>
    public static RivalView Of(string path, (int Resize, int Crop) sizes, bool smooth, TruncationGuard guard, DecodeBuffer buffer)
    {
        var decoded = guard.Judge(ImageFile.DecodeFullRange(path, buffer), path);
        var gray = RivalPicture.ToGray(decoded, path);
        var place = SimilarityMap.Place(gray.Width, gray.Height, sizes.Resize, sizes.Crop, smooth);
        if (Math.Min(gray.Width, gray.Height) < 2 || place.Side < 1)
            throw new InputException(
                $"{path}: the picture of {gray.Width} x {gray.Height} pixels is too small to be cropped; leave it out.");
        return new RivalView(gray, !decoded.Wide.IsEmpty, RivalPicture.FromGray(gray, sizes.Resize, sizes.Crop, path), place);
    }

    /// <summary>A picture with nothing on it, as the model would see it: middle gray, although no file of one value is read.</summary>
    public static RivalView Blank(int crop)
    {
        var blank = ControlQuestions.BlankPicture(crop);
        return new RivalView(blank, false, new RivalPicture(blank.Pixels.ToArray(), crop), new MapPlace(0, 0, crop));
    }

    /// <summary>The maps of phrases on the picture, which is encoded once for all of them.</summary>
    /// <param name="model">The rival.</param>
    /// <param name="phrases">(P, J), normalised.</param>
    /// <param name="path">Names the picture in errors.</param>
    /// <exception cref="InputException">The weights lead beyond all numbers.</exception>
    public IReadOnlyList<PhraseMap> Maps(BioVil model, Tensor phrases, string path)
    {
        using var scope = NewDisposeScope();
        var maps = BioVil.Maps(model.Encode(Picture), phrases);
        return maps.All(map => Array.TrueForAll(map.Values, float.IsFinite) && double.IsFinite(map.GlobalSimilarity)) ? maps
            : throw new InputException($"{model.Files.Image}: the weights lead to values beyond all numbers for {path}; "
                + "fetch the image model and its text folder again.");
    }

    /// <summary>Says once how deep pictures are seen.</summary>
    public static void TellDeep(int deep, Rival rival, ISessionDisplay display)
    {
        if (deep > 0)
            display.Tell($"{deep} picture{(deep == 1 ? "" : "s")} with more than 8 bits, or in DICOM: {BioVilFiles.Name(rival)} "
                + "sees the full range of their values, spread over 8 bits; our own model reads such pictures otherwise.");
    }

    /// <summary>Refuses phrases that the text model does not read, and says how many are empty.</summary>
    /// <param name="phrases">Each with what names it in messages; null for the only one.</param>
    /// <param name="model">The rival.</param>
    /// <param name="display">Gets the note.</param>
    public static void CheckPhrases(IReadOnlyList<(string? Name, string Phrase)> phrases, BioVil model, ISessionDisplay display)
    {
        foreach (var (name, phrase) in phrases)
        {
            if (PhraseLimit.Problem(phrase) is { } tooLong)
                throw new InputException($"{name ?? "the phrase"}: {tooLong}; write what to find in fewer words, or leave it out.");
            try
            {
                _ = model.Text.Tokens(phrase);
            }
            catch (InputException cause) when (name is not null)
            {
                throw new InputException($"{name}: {cause.Message}", cause);
            }
        }

        var empty = phrases.Count(asked => CxrBert.IsEmpty(asked.Phrase));
        if (empty > 0)
            display.Tell($"phrases that are empty, or marks only: {empty} of {phrases.Count}; {BioVilFiles.Name(model.Rival)} answers "
                + "them as [CLS] [SEP], without a word to look for, and our own model refuses them.");
    }
}
