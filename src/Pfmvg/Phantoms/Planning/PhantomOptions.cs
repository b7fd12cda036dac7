using Pfmvg.Configuration;

namespace Pfmvg.Phantoms.Planning;

/// <summary>The data sets a phantom study can imitate, each in a folder of its own.</summary>
[Flags]
public enum PhantomSets
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>`ms-cxr`: phrases and boxes, JSON and CSV; its pictures lie in MIMIC-CXR's folder.</summary>
    MsCxr = 1,

    /// <summary>`mimic-cxr-jpg`, or `mimic-cxr` as DICOM: pictures, tables and reports.</summary>
    MimicCxr = 2,

    /// <summary>`roco`: captions.</summary>
    Roco = 4,

    /// <summary>`imageclef-2022`: captions, some pictures shared with ROCO.</summary>
    ImageClef = 8,

    /// <summary>`padchest-gr`: reports' sentences with boxes, normal ones without.</summary>
    PadChestGr = 16,

    /// <summary>`vindr-cxr`: boxes of three readers.</summary>
    VinDr = 32,

    /// <summary>`nih-cxr14`: boxes of pictures of 1024 x 1024 pixels.</summary>
    NihBoxes = 64,

    /// <summary>`chest-imagenome`: scene graphs and gold boxes, with pictures in `files`.</summary>
    ImaGenome = 128,

    /// <summary>`own`: a list of one's own, `samples.jsonl`, with pictures beside it.</summary>
    Own = 256,

    /// <summary>`chest-imagenome`: the regions of the anatomy of MS-CXR's pictures, in place of pictures and findings of its own.</summary>
    Anatomy = 512,

    /// <summary>The four of the paper.</summary>
    All = MsCxr | MimicCxr | Roco | ImageClef,
}

/// <summary>What <see cref="PhantomStudy.Write"/> writes.</summary>
public sealed record PhantomOptions
{
    /// <summary>The same seed and options give the same bytes.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Patients of MS-CXR, each with one to three studies. MIMIC-CXR has half as many more.</summary>
    public int Patients { get; init; } = 60;

    /// <summary>Typical width of a picture in pixels; pictures differ in size, and some are landscape.</summary>
    public int ImageWidth { get; init; } = 320;

    /// <summary>Typical height of a picture in pixels. MIMIC-CXR's own are about 2544 x 3056.</summary>
    public int ImageHeight { get; init; } = 384;

    /// <summary>The format of the pictures of MIMIC-CXR, which MS-CXR and Chest ImaGenome have, too, and of VinDr-CXR.</summary>
    public PhantomFormat Format { get; init; } = PhantomFormat.Usual;

    /// <summary>The folder of MIMIC-CXR's pictures and tables, named after the edition.</summary>
    internal string MimicFolder => Format == PhantomFormat.Dicom ? "mimic-cxr" : "mimic-cxr-jpg";

    /// <summary>What the study's notice says of format and anatomy, so that studies of two formats are not taken for one another.</summary>
    internal string FormatMark => (Format == PhantomFormat.Dicom ? ", DICOM" : "") + (Sets.HasFlag(PhantomSets.Anatomy) ? ", anatomy" : "");

    /// <summary>The ending of MIMIC-CXR's pictures.</summary>
    internal string MimicEnding => Format == PhantomFormat.Dicom ? ".dcm" : ".jpg";

    /// <summary>The data sets to write.</summary>
    public PhantomSets Sets { get; init; } = PhantomSets.All;

    /// <summary>Radiology pictures of ROCO; null for two per patient.</summary>
    public int? RocoPictures { get; init; }

    /// <summary>Pictures of ImageCLEF, a fifth of them ROCO's; null for one per patient.</summary>
    public int? ImageClefPictures { get; init; }

    /// <summary>Plant one of each known defect and list them in `planted-defects.json`.</summary>
    public bool Defects { get; init; }

    /// <summary>Threads that draw; 0 for one per core. The result does not depend on it.</summary>
    public int Workers { get; init; }
}

/// <summary>Pictures drawn so far.</summary>
public readonly record struct PhantomProgress(int Done, int Total);

/// <summary>What was written.</summary>
public sealed record PhantomSummary
{
    /// <summary>Patients of MS-CXR.</summary>
    public required int Patients { get; init; }

    /// <summary>Pictures drawn, over all data sets.</summary>
    public required int Pictures { get; init; }

    /// <summary>Annotated pictures of MS-CXR.</summary>
    public required int AnnotatedPictures { get; init; }

    /// <summary>Phrases of MS-CXR by finding class.</summary>
    public required IReadOnlyDictionary<string, int> Phrases { get; init; }

    /// <summary>Boxes of MS-CXR: a phrase has one or two.</summary>
    public required int Boxes { get; init; }

    /// <summary>Defects planted.</summary>
    public required int Defects { get; init; }
}
