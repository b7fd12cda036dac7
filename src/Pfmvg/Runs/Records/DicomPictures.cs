using Pfmvg.Configuration;
using Pfmvg.Data;
using Pfmvg.Imaging;

namespace Pfmvg.Runs.Records;

/// <summary>What a run says of DICOM pictures among its samples.</summary>
/// <param name="Rule">The rule by which their values become gray.</param>
/// <param name="Clause">What the user reads.</param>
internal sealed record DicomPictures(string Rule, string Clause)
{
    /// <summary>Null where no picture is DICOM: then the rule changes nothing.</summary>
    public static DicomPictures? Among(IEnumerable<Sample> samples, PfmvgConfiguration configuration) => Of(
        samples.Where(sample => sample.Dicom).DistinctBy(sample => (sample.Source, sample.Image)).LongCount(), configuration);

    /// <summary>The same for a number of DICOM pictures.</summary>
    public static DicomPictures? Of(long count, PfmvgConfiguration configuration)
    {
        var rule = configuration.Data.Dicom.Word();
        return count == 0 ? null
            : new DicomPictures(rule,
                $"{Units.Count(count)} {(count == 1 ? "picture is" : "pictures are")} DICOM, gray by data.dicom={rule}");
    }
}
