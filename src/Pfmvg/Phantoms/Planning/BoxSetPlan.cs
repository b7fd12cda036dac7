using System.Globalization;
using Pfmvg.Configuration;

namespace Pfmvg.Phantoms.Planning;

/// <summary>A picture of a set of boxes beside MS-CXR, one a patient.</summary>
/// <param name="Set">The data set.</param>
/// <param name="Home">The data set's folder.</param>
/// <param name="Split">train, validation or test.</param>
/// <param name="Patient">The patient's number.</param>
/// <param name="Image">The picture.</param>
internal sealed record BoxedPicture(PhantomSets Set, string Home, string Split, int Patient, PlannedImage Image);

/// <summary>Decides which pictures the sets of boxes beside MS-CXR have.</summary>
internal static class BoxSetPlan
{
    /// <summary>The pictures of all sets that are asked for.</summary>
    public static List<BoxedPicture> Pictures(PhantomOptions options) =>
    [
        .. Of(options, PhantomSets.PadChestGr, "padchest-gr", 3, (split, name) => $"PadChest_GR/{name}.png"),
        .. Of(options, PhantomSets.VinDr, "vindr-cxr", 4, (split, name) =>
            $"{(split == "test" ? "test" : "train")}/{name}{(options.Format == PhantomFormat.Dicom ? ".dicom" : ".png")}"),
        .. Of(options, PhantomSets.NihBoxes, "nih-cxr14", 5, (split, name) => $"images_001/images/{name}.png"),
        .. Of(options, PhantomSets.ImaGenome, "chest-imagenome", 6, (_, name) => MimicPath(name, options.MimicEnding)),
        .. Of(options, PhantomSets.Own, "own", 7, (split, name) => $"pictures/{name}.png"),
    ];

    /// <summary>A path like MIMIC-CXR's; patient and study have numbers of their own, made of the name.</summary>
    private static string MimicPath(string name, string ending)
    {
        var number = 18_000_000 + (int)(ulong.Parse(name, NumberStyles.HexNumber, CultureInfo.InvariantCulture) % 1_999_999);
        return string.Create(CultureInfo.InvariantCulture, $"files/p{number / 1_000_000}/p{number}/s{number + 40_000_000}/{name}{ending}");
    }

    private static IEnumerable<BoxedPicture> Of(
        PhantomOptions options, PhantomSets set, string home, long patients, Func<string, string, string> path)
    {
        if (!options.Sets.HasFlag(set)) return [];
        return Enumerable.Range(0, options.Patients).Select(number =>
        {
            var split = (number % 10) switch { 4 => "validation", 8 or 9 => "test", _ => "train" };
            var picture = PhantomPicture.Sample(
                options.Seed, (patients << 32) + number, 0, options.ImageWidth, options.ImageHeight, (FindingClass)(number % 8));
            var name = ((ulong)picture.Random("name").NextBits()).ToString("x16", CultureInfo.InvariantCulture);
            if (set == PhantomSets.NihBoxes) // its boxes are of pictures of this size, and the name is patient and follow-up
                (picture, name) = (picture with { Width = 1024, Height = 1024 },
                    string.Create(CultureInfo.InvariantCulture, $"{number + 1:00000000}_000"));
            return new BoxedPicture(set, home, split, number, new PlannedImage(name, path(split, name), picture));
        });
    }
}
