using Pfmvg.Configuration;
using Pfmvg.Imaging;
using Pfmvg.Phantoms;
using Pfmvg.Phantoms.Files;
using Pfmvg.Phantoms.Planning;
using Pfmvg.Tests.Support;

namespace Pfmvg.Tests.Phantoms;

public sealed class DicomWriterTests
{
    [Theory, InlineData(false), InlineData(true)]
    public void The_window_gives_the_drawn_gray_values_back_exactly(bool inverted)
    {
        using var folder = new TemporaryFolder();
        byte[] gray = [.. Enumerable.Range(0, 259).Select(i => (byte)(i * 97))]; // every level, an odd number of pixels
        DicomWriter.Write(folder.In("x"), new PhantomImage(37, 7, gray, []), "x", inverted);
        var header = ImageFile.ReadHeader(folder.In("x"));
        Assert.Equal(("DICOM", 37, 7), (header.Format, header.Width, header.Height));
        var read = ImageFile.Decode(folder.In("x"));
        Assert.Null(read.Note);
        Assert.Equal(gray, read.Pixels.ToArray());
    }

    [Fact]
    public void A_study_as_DICOM_differs_from_the_usual_one_in_the_format_of_its_pictures_alone()
    {
        using var folder = new TemporaryFolder();
        var options = new PhantomOptions
        {
            Seed = 5,
            Patients = 4,
            ImageWidth = 96,
            ImageHeight = 112,
            Sets = PhantomSets.MsCxr | PhantomSets.VinDr | PhantomSets.ImaGenome | PhantomSets.PadChestGr | PhantomSets.Roco,
        };
        PhantomStudy.Write(folder.In("usual"), options, cancellationToken: TestContext.Current.CancellationToken);
        PhantomStudy.Write(folder.In("dicom"), options with { Format = PhantomFormat.Dicom },
            cancellationToken: TestContext.Current.CancellationToken);
        string[] usual = Files("usual"), dicom = Files("dicom");
        Assert.Equal(usual.Select(Renamed).Order(StringComparer.Ordinal), dicom.Order(StringComparer.Ordinal));
        foreach (var path in usual.Where(path => Path.GetFileName(path) != "README.txt"))
        {
            var (one, other) = (folder.In("usual", path), folder.In("dicom", Renamed(path)));
            if (Path.GetExtension(other) is not (".dcm" or ".dicom")) Assert.Equal(File.ReadAllBytes(one), File.ReadAllBytes(other));
            else if (path.EndsWith(".png", StringComparison.Ordinal))
                Assert.True(ImageFile.Decode(one).Pixels.SequenceEqual(ImageFile.Decode(other).Pixels));
            else Assert.Equal(ImageFile.ReadHeader(one) with { Format = "DICOM" }, ImageFile.ReadHeader(other));
        }

        string[] Files(string study) => [.. Directory.GetFiles(folder.In(study), "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(folder.In(study), path))];

        static string Renamed(string path) => path.StartsWith("vindr-cxr/", StringComparison.Ordinal) ? path.Replace(".png", ".dicom")
            : path.StartsWith("mimic-cxr-jpg/", StringComparison.Ordinal)
                ? path.Replace("mimic-cxr-jpg/", "mimic-cxr/").Replace(".jpg", ".dcm")
            : path.StartsWith("chest-imagenome/", StringComparison.Ordinal) ? path.Replace(".jpg", ".dcm") : path;
    }
}
