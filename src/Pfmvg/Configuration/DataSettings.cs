using System.ComponentModel.DataAnnotations;
using Pfmvg.Imaging;

namespace Pfmvg.Configuration;

/// <summary>Prepared data.</summary>
public sealed record DataSettings
{
    /// <summary>Folder that `pfmvg data prepare` wrote.</summary>
    public string Folder { get; init; } = "data/prepared";

    /// <summary>Image folder of a data set by its name, where it is no longer where it was when it was prepared.</summary>
    public IReadOnlyDictionary<string, string> Roots { get; init; } = new Dictionary<string, string>();

    /// <summary>The data sets whose phrases are taught and asked, by their names; empty: all that are prepared.</summary>
    public IReadOnlyList<string> PhraseSets { get; init; } = [];

    /// <summary>
    /// How the values of a DICOM picture become gray: by its window, by its full range, or equalised as MIMIC-CXR-JPG's (histogram).
    /// </summary>
    public DicomGray Dicom { get; init; } = DicomGray.Window;

    /// <summary>A picture whose compressed data end early, which leaves a part of it gray: warn of it and use it, or refuse it.</summary>
    public TruncatedPictures TruncatedPictures { get; init; } = TruncatedPictures.Warn;

    /// <summary>Threads that decode pictures ahead of the model; 0 is one per core.</summary>
    [Range(0, 4096)] public int Workers { get; init; }

    /// <summary>Leave a sample with a broken picture out of training, count and list it, instead of stopping.</summary>
    public bool SkipBroken { get; init; }

    /// <summary>
    /// Folder for resized pictures, so that later epochs need not decode again; null for none. Random crops are never
    /// kept.
    /// </summary>
    public string? Cache { get; init; }

    /// <summary>
    /// Folder for the frozen vision tower's features of whole pictures, so that no epoch encodes them again; null for
    /// none. Those of random crops are never kept.
    /// </summary>
    public string? FeatureCache { get; init; }

    /// <summary>Most gigabytes in <see cref="FeatureCache"/>; beyond that, the files unread for the longest time are removed.</summary>
    [Range(0.001, 1e6)] public double FeatureCacheGb { get; init; } = 20;
}
