using System.Text;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>A picture and its caption.</summary>
internal sealed record CaptionedImage(string Split, PlannedImage Image, string Caption);

/// <summary>The caption files of ROCO (v1) and of ImageCLEFmedical 2022.</summary>
internal static class CaptionFiles
{
    /// <summary>
    /// Writes `captions.txt` beside each `images` folder, as in `data/[split]/radiology`, and the mirror's CSV with the same captions.
    /// </summary>
    public static void WriteRoco(string folder, IReadOnlyList<CaptionedImage> images)
    {
        foreach (var split in images.GroupBy(image => (image.Split, Folder: ParentOfImages(image))))
        {
            var home = Path.Combine(folder, split.Key.Folder);
            var lines = new StringBuilder();
            foreach (var image in split) lines.Append(image.Image.Id).Append("\t ").Append(image.Caption).Append('\n');
            AtomicFile.WriteText(Path.Combine(home, "captions.txt"), lines.ToString());
            var name = split.Key.Split switch { "validation" => "valdata.csv", var other => other + "data.csv" };
            DelimitedText.Write(Path.Combine(home, name), ',', ["id", "name", "caption"],
                split.Select(image => new[] { image.Image.Id, image.Image.Id + ".jpg", image.Caption }));
        }

        static string ParentOfImages(CaptionedImage image) =>
            image.Image.Path[..image.Image.Path.IndexOf("/images/", StringComparison.Ordinal)];
    }

    /// <summary>Writes `caption_prediction_[split].csv`, separated by tabs, beside the folder of each split's pictures.</summary>
    public static void WriteImageClef(string folder, IReadOnlyList<CaptionedImage> images)
    {
        foreach (var split in images.GroupBy(image => image.Split))
        {
            DelimitedText.Write(Path.Combine(folder, $"caption_prediction_{split.Key}.csv"), '\t', ["ID", "caption"],
                split.Select(image => new[] { image.Image.Id, image.Caption }));
        }
    }
}
