using Pfmvg.Geometry;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>A finding that can be seen in a picture.</summary>
internal sealed record BoxedFinding(BoxedPicture Picture, Finding Finding, string Phrase, IReadOnlyList<Box> Boxes);

/// <summary>The lists of the sets of boxes beside MS-CXR.</summary>
internal static class BoxSetFiles
{
    public static void Write(
        string root, IReadOnlyList<BoxedPicture> pictures, IReadOnlyDictionary<string, IReadOnlyList<IReadOnlyList<Box>>> boxes)
    {
        foreach (var set in pictures.GroupBy(picture => (picture.Set, picture.Home)))
        {
            Action<string, List<(BoxedPicture Picture, List<BoxedFinding> Findings)>> write = set.Key.Set switch
            {
                PhantomSets.PadChestGr => PadChestGrFiles.Write,
                PhantomSets.VinDr => VinDrFiles.Write,
                PhantomSets.ImaGenome => ImaGenomeFiles.Write,
                PhantomSets.NihBoxes => NihBoxFiles.Write,
                PhantomSets.Own => OwnFiles.Write,
                _ => throw new ArgumentOutOfRangeException(nameof(pictures)),
            };
            write(Path.Combine(root, set.Key.Home), [.. set.Select(picture => (picture, Findings(picture, boxes[picture.Image.Id])))]);
        }
    }

    private static List<BoxedFinding> Findings(BoxedPicture picture, IReadOnlyList<IReadOnlyList<Box>> boxes)
    {
        var phrases = PhraseWriter.Phrases(picture.Image.Picture);
        return [.. picture.Image.Picture.Findings.Select((finding, i) => new BoxedFinding(picture, finding, phrases[i], boxes[i]))
            .Where(finding => finding.Boxes.Count > 0)];
    }
}
