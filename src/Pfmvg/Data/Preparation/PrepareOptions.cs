using System.Text.Json.Serialization;
using Pfmvg.Configuration;
using Pfmvg.Data.Sets;
using Pfmvg.Imaging;

namespace Pfmvg.Data.Preparation;

/// <summary>Where the split of MS-CXR comes from.</summary>
public enum SplitRule
{
    /// <summary>7:1:2 of the patients at random, as published.</summary>
    Ratio,

    /// <summary>The split of MS-CXR 1.1.0.</summary>
    Official,

    /// <summary>The user's own list.</summary>
    List,
}

/// <summary>What to do with a sample that is there but wrong: a box outside its picture, a broken picture, another size.</summary>
public enum BadSamples
{
    /// <summary>Stop with an error that names the first one.</summary>
    Fail,

    /// <summary>Leave it out, count it and list it.</summary>
    Skip,
}

/// <summary>What <see cref="DataPreparation"/> does.</summary>
public sealed record PrepareOptions
{
    /// <summary>The folder that the manifests are written to.</summary>
    public required string Output { get; init; }

    /// <summary>The data sets.</summary>
    public required DataSources Sources { get; init; }

    /// <summary>Seed of the random split.</summary>
    public long Seed { get; init; } = 42;

    /// <summary>Where the split of MS-CXR comes from.</summary>
    public SplitRule Split { get; init; } = SplitRule.Ratio;

    /// <summary>
    /// Refuse patients in several parts of a list's official split also where <see cref="Split"/> does not use it: the user has
    /// chosen no split, and may take that one later.
    /// </summary>
    [JsonIgnore] public bool OfficialMustHold { get; init; }

    /// <summary>The user's list, for <see cref="SplitRule.List"/>.</summary>
    public string? SplitFile { get; init; }

    /// <summary>
    /// One sample per phrase with all its boxes, which training and scoring take apart as their settings say; or one per box.
    /// </summary>
    public MultiBox MultiBox { get; init; } = MultiBox.PerPhrase;

    /// <summary>Leave out phrases without a box, which training cannot teach.</summary>
    public bool OnlyWithBoxes { get; init; }

    /// <summary>How DICOM values become gray where pictures are decoded to find out whether they can be.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public DicomGray Dicom { get; init; }

    /// <summary>Whether a picture whose compressed data end early is an error.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)] public TruncatedPictures TruncatedPictures { get; init; }

    /// <summary>What to do with wrong samples.</summary>
    public BadSamples Bad { get; init; } = BadSamples.Fail;

    /// <summary>Keep patients of MS-CXR's validation and test in the captions of MIMIC-CXR; by default they are left out.</summary>
    public bool AllowLeak { get; init; }

    /// <summary>Keep pictures that occur in more than one place of ROCO and ImageCLEF; by default the first one is kept.</summary>
    public bool KeepDuplicates { get; init; }

    /// <summary>Take MIMIC-CXR's lateral and unnamed views, too, not only the frontal ones (AP and PA).</summary>
    public bool AllViews { get; init; }

    /// <summary>Hash every picture's file. Needed to find duplicates between caption sets; costs reading every file once.</summary>
    public bool Hash { get; init; } = true;
}

/// <summary>How far a preparation is.</summary>
/// <param name="Source">The data set at hand.</param>
/// <param name="Done">Samples seen of it.</param>
public sealed record PrepareProgress(string Source, long Done)
{
    /// <summary>There are no more.</summary>
    public bool IsLast { get; init; }
}

/// <summary>What became of one data set's samples.</summary>
public sealed record SourceCounts
{
    /// <summary>Listed by the data set.</summary>
    public long Listed { get; set; }

    /// <summary>Written to manifests.</summary>
    public long Kept { get; set; }

    /// <summary>Left out: the picture is not on the disk.</summary>
    public long Missing { get; set; }

    /// <summary>The first missing picture whose name is there with other capitals or accents.</summary>
    [JsonIgnore] internal string? Alike { get; set; }

    /// <summary>Left out: wrong, see <see cref="BadSamples"/>.</summary>
    public long Bad { get; set; }

    /// <summary>Left out: there is no text.</summary>
    public long WithoutText { get; set; }

    /// <summary>Left out: the view is not frontal.</summary>
    public long OtherView { get; set; }

    /// <summary>Left out: the patient is in MS-CXR's validation or test.</summary>
    public long Leak { get; set; }

    /// <summary>Left out: the same picture occurs before.</summary>
    public long Duplicate { get; set; }

    /// <summary>Left out: it has no split.</summary>
    public long Unassigned { get; set; }

    /// <summary>Some of what was left out, with the reason; patient numbers are hidden.</summary>
    public List<string> Examples { get; init; } = [];
}

/// <summary>What a preparation wrote.</summary>
/// <param name="Samples">Samples by manifest file name.</param>
/// <param name="Sources">What became of each data set's samples.</param>
/// <param name="Notes">What a user should know about the result.</param>
public sealed record PrepareReport(
    IReadOnlyDictionary<string, long> Samples, IReadOnlyDictionary<string, SourceCounts> Sources, IReadOnlyList<string> Notes)
{
    /// <summary>Whether the training split has phrases without a box, which training cannot teach.</summary>
    public bool TeachesNoBox { get; init; }
}
