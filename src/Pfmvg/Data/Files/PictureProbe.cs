using System.Security.Cryptography;
using Pfmvg.Imaging;
using Pfmvg.Imaging.Dicom;

namespace Pfmvg.Data.Files;

/// <summary>The state of a listed picture.</summary>
internal enum PictureState
{
    /// <summary>A picture that can be used, as far as it was examined.</summary>
    Good,

    /// <summary>There is no such file.</summary>
    Missing,

    /// <summary>The path leaves the image folder.</summary>
    Refused,

    /// <summary>The file is no picture, or damaged.</summary>
    Broken,
}

/// <summary>How closely a picture is examined.</summary>
internal enum PictureDepth
{
    /// <summary>Its header and its end.</summary>
    Header,

    /// <summary>Also the hash of its file.</summary>
    Hash,

    /// <summary>Also every pixel.</summary>
    Pixels,
}

/// <summary>What was found on the disk for a listed picture.</summary>
/// <param name="State">Whether it can be used.</param>
/// <param name="Width">Pixels per row; 0 when it cannot be used.</param>
/// <param name="Height">Rows; 0 when it cannot be used.</param>
/// <param name="Sha256">Hash of the file in lower-case hex; null when it was not asked for or the picture cannot be used.</param>
/// <param name="Problem">Why the picture cannot be used, and what to do; null when it can or is missing.</param>
/// <param name="Note">
/// What decoding changed; null when nothing, or when the pixels were not decoded. Of a missing picture, which one may be meant.
/// </param>
/// <param name="Dicom">Whether the file is DICOM.</param>
/// <param name="EndsEarly">As <see cref="DecodedImage.EndsEarly"/>; null also where the pixels were not decoded.</param>
internal sealed record PictureFacts(PictureState State, int Width = 0, int Height = 0, string? Sha256 = null, string? Problem = null,
    string? Note = null, bool Dicom = false, string? EndsEarly = null);

/// <summary>Examines pictures on the disk.</summary>
internal static class PictureProbe
{
    /// <summary>Examines one picture. Never throws, whatever the file or its path is.</summary>
    public static PictureFacts Examine(ImageRoot root, string image, PictureDepth depth, DicomGray dicom, DecodeBuffer buffer)
    {
        var path = root.Resolve(image, out var problem);
        if (problem is not null) return new PictureFacts(PictureState.Refused, Problem: $"{problem}; put the path right");
        if (!File.Exists(path))
            return new PictureFacts(PictureState.Missing, Note: root.Alike(path) is not { } other ? null
                : $"there is {other}, whose name differs in capitals, spaces or the form of its accents; rename one of the two");
        try
        {
            if (depth == PictureDepth.Header) return Facts(ImageFile.Check(path, buffer, dicom), null);
            var content = ImageFile.ReadFile(path, buffer);
            var hash = Convert.ToHexStringLower(SHA256.HashData(content));
            if (depth == PictureDepth.Hash) return Facts(ImageFile.Check(content, path, dicom), hash);
            var picture = ImageFile.Decode(content, path, buffer, dicom);
            return new PictureFacts(PictureState.Good, picture.Width, picture.Height, hash, Note: picture.Note,
                Dicom: DicomPicture.Is(content), EndsEarly: picture.EndsEarly);
        }
        catch (InputException e)
        {
            return new PictureFacts(PictureState.Broken, Problem: e.Message[(Privacy.Mask(path).Length + 2)..].TrimEnd('.'));
        }

        static PictureFacts Facts(ImageHeader header, string? hash) => new(
            PictureState.Good, header.Width, header.Height, hash, Note: header.Note, Dicom: header.Format == "DICOM",
            EndsEarly: header.EndsEarly);
    }
}
