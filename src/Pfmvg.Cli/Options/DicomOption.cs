using System.CommandLine;
using Pfmvg.Imaging;

namespace Pfmvg.Cli.Options;

/// <summary>`--dicom`, for the commands that have no configuration: what `data.dicom` is for the others.</summary>
internal sealed class DicomOption
{
    private readonly Option<string> _rule = new Option<string>("--dicom")
    {
        Description = "How the values of DICOM pictures become gray: by the file's 'window', by their 'full' range, or equalised "
            + "('histogram') as MIMIC-CXR-JPG's; the same as data.dicom of a configuration.",
        DefaultValueFactory = _ => "window",
    }.AcceptOnlyFromAmong("window", "full", "histogram");

    public DicomOption AddTo(Command command)
    {
        command.Add(_rule);
        return this;
    }

    public DicomGray Read(ParseResult parsed) => Enum.Parse<DicomGray>(parsed.GetValue(_rule)!, ignoreCase: true);
}
