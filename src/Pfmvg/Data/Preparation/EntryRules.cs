using Pfmvg.Data.Files;
using Pfmvg.Imaging;
using Pfmvg.Text;

namespace Pfmvg.Data.Preparation;

/// <summary>What is wrong with an entry.</summary>
/// <param name="Kind">A stable name, as `pfmvg data check` lists it.</param>
/// <param name="Detail">A clause without patient text.</param>
/// <param name="OfPicture">The picture's file is at fault, not the list.</param>
/// <param name="Harmless">A warning: the entry can be used all the same.</param>
internal readonly record struct EntryProblem(string Kind, string Detail, bool OfPicture = false, bool Harmless = false);

/// <summary>
/// When an entry of a data set is wrong: one list of rules, so that what `data check` calls an error `data prepare` refuses, and
/// the reverse.
/// </summary>
internal static class EntryRules
{
    /// <summary>All that is wrong with an entry and its picture.</summary>
    /// <param name="listed">As listed.</param>
    /// <param name="picture">What is on the disk. Boxes of an absent picture are measured by the size that the list gives.</param>
    /// <param name="task">What its data set teaches.</param>
    /// <param name="truncated">Whether a picture that ends early is an error.</param>
    public static IEnumerable<EntryProblem> Problems(
        ListedSample listed, PictureFacts picture, SampleTask task, TruncatedPictures truncated)
    {
        if (listed.Problem is not null)
        {
            yield return new EntryProblem("malformed-entry", listed.Problem);
            yield break;
        }

        if (task == SampleTask.Refer && PhraseLimit.Problem(listed.Text) is { } tooLong)
            yield return new EntryProblem("phrase-long", tooLong);
        if (task == SampleTask.Refer && listed.Text.Length > 0 && !listed.Text.Any(char.IsLetterOrDigit))
            yield return new EntryProblem("phrase-emptied", "the phrase has no letter and no digit, so there is nothing to look for");
        if (picture.State == PictureState.Refused) yield return new EntryProblem("path-refused", picture.Problem!, OfPicture: true);
        if (picture.State == PictureState.Broken) yield return new EntryProblem("unreadable-picture", picture.Problem!, OfPicture: true);
        if (picture.EndsEarly is { } early)
            yield return new EntryProblem(Truncated, early, OfPicture: true, Harmless: truncated == TruncatedPictures.Warn);
        if (listed.Width is not { } width || listed.Height is not { } height)
        {
            if (listed.Boxes.Count > 0 && listed.ToPixels is null)
            {
                yield return new EntryProblem("size-missing", "the picture's size is missing or no positive number");
                yield break;
            }

            (width, height) = (picture.Width, picture.Height);
        }

        if (picture.State == PictureState.Good && (width != picture.Width || height != picture.Height))
        {
            var sizes = $"the picture has {picture.Width} x {picture.Height} pixels, its annotation says {width} x {height}"
                + (width == picture.Height && height == picture.Width ? ": width and height are exchanged" : "");
            var copy = !IsScaled(picture, width, height) ? "" : "; this seems to be a resized copy, and its boxes need the picture of the "
                + "original size, whose folder '--images' names";
            yield return listed.Boxes.Count == 0
                ? new EntryProblem(Resized, $"{sizes}; it carries no boxes, so it is used as it is", Harmless: true)
                : new EntryProblem("size-mismatch", $"{sizes}, so its boxes are in another coordinate space{copy}");
        }

        if (listed.ToPixels is not null)
        {
            if (picture.State != PictureState.Good) yield break; // only the picture tells its size
            (width, height) = (picture.Width, picture.Height);
        }

        foreach (var box in listed.BoxesIn(width, height)) // they belong to the size that their annotation claims
            if (BoxRules.FlawOfAnnotation(box, width, height) is var flaw and not Flaw.None)
                yield return new EntryProblem(BoxRules.Name(flaw), BoxRules.Problem(box, width, height)!);
    }

    /// <summary>What a picture is whose compressed data end early.</summary>
    public const string Truncated = "truncated-picture";

    /// <summary>What a picture without boxes is whose list has another size.</summary>
    public const string Resized = "resized-picture";

    /// <summary>Whether both sides are scaled by the same factor, up to a pixel.</summary>
    private static bool IsScaled(PictureFacts picture, int width, int height) =>
        Math.Abs((double)picture.Width * height - (double)picture.Height * width) <= Math.Max(width, height);

    /// <summary>Data sets with at most so many listed samples have every picture decoded unasked.</summary>
    public const int EveryPixelUpTo = 2000;

    /// <summary>Whether every picture of a data set is decoded unasked, which finds what headers and ends do not tell.</summary>
    public static bool EveryPixel(IDataSetReader reader) => reader.Read().Take(EveryPixelUpTo + 1).Count() <= EveryPixelUpTo;

    /// <summary>The formats that a data set's pictures were looked for in, as a clause; empty where its list names files exactly.</summary>
    public static string Sought(IDataSetReader reader) => reader.Source is "roco" or "imageclef-2022" or "own" ? ""
        : ", neither as JPEG or PNG nor as DICOM (.dcm, .dicom or no extension)";

    /// <summary>That a patient is in several splits of a data set, as a clause.</summary>
    public static string Crossing(IEnumerable<Split> splits) =>
        $"the patient is in {string.Join(" and ", splits.Order()).ToLowerInvariant()}";
}
