using System.Globalization;
using System.Text;
using Pfmvg.Phantoms.Planning;

namespace Pfmvg.Phantoms.Files;

/// <summary>NIH ChestX-ray14's `BBox_List_2017.csv`, with the stray columns of its header.</summary>
internal static class NihBoxFiles
{
    public static void Write(string folder, List<(BoxedPicture Picture, List<BoxedFinding> Findings)> pictures)
    {
        var lines = new StringBuilder("Image Index,Finding Label,Bbox [x,y,w,h],,,\n");
        foreach (var finding in pictures.SelectMany(picture => picture.Findings))
            foreach (var box in finding.Boxes)
                lines.Append(CultureInfo.InvariantCulture, $"{finding.Picture.Image.Id}.png,{Finding.NameOf(finding.Finding.Class)},")
                    .Append(CultureInfo.InvariantCulture, $"{box.Left},{box.Top},{box.Width},{box.Height},,,\n");
        AtomicFile.WriteText(Path.Combine(folder, "BBox_List_2017.csv"), lines.ToString());
    }
}
