using System.Text;
using Pfmvg.Imaging;

namespace Pfmvg.Tests.Imaging.Dicom;

/// <summary>What the files of the fixture do not show.</summary>
public class DicomPictureTests
{
    [Fact]
    public void Bytes_in_big_endian_words_change_places_in_pairs()
    {
        var set = DicomBytes.Picture(1, 3, allocated: 8, bigEndian: true).Add(0x00281050, "DS", "128").Add(0x00281051, "DS", "256")
            .Add(0x7fe00010, "OW", [20, 10, 0, 30]);
        Assert.Equal([10, 20, 30], Pixels(set.File()));
        var cut = DicomBytes.Picture(1, 3, allocated: 8, bigEndian: true).Add(0x7fe00010, "OW", [20, 10, 0]);
        AssertRefused(cut.File(), "(7FE0,0010)");
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_bare_data_set_is_known_by_its_first_elements(bool bigEndian)
    {
        var image = ImageFile.Decode(DicomBytes.Picture(1, 2, bigEndian: bigEndian).Window(2048, 4096).Pixels(0, 4095).Bytes, "picture");
        Assert.Equal([0, 255], image.Pixels.ToArray());
        Assert.Contains("has no meta group", image.Note, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("MONOCHROME2", "IDENTITY", false), InlineData("MONOCHROME2", "INVERSE", true)]
    [InlineData("MONOCHROME1", "IDENTITY", true), InlineData("MONOCHROME1", "INVERSE", true)]
    public void A_picture_is_inverted_once(string photometric, string shape, bool inverted)
    {
        var file = DicomBytes.Picture(1, 2, photometric: photometric).Window(2048, 4096).Add(0x20500020, "CS", shape)
            .Pixels(0, 4095).File();
        var image = ImageFile.Decode(file, "x.dcm");
        Assert.Equal(inverted ? [255, 0] : [0, 255], image.Pixels.ToArray());
        Assert.Equal(photometric == "MONOCHROME2" && inverted,
            image.Note?.Contains("Presentation LUT Shape", StringComparison.Ordinal) ?? false);
    }

    [Fact]
    public void Padding_between_its_limits_is_black_and_no_part_of_the_range()
    {
        var file = DicomBytes.Picture(1, 5, photometric: "MONOCHROME1").Add(0x00280120, "US", 4000).Add(0x00280121, "US", 4095)
            .Pixels(4000, 4095, 4050, 100, 300).File();
        foreach (var mode in Enum.GetValues<DicomGray>())
            Assert.Equal([0, 0, 0, 255, 0], ImageFile.Decode(file, "x.dcm", dicom: mode).Pixels.ToArray());
    }

    [Fact]
    public void A_file_without_window_says_that_it_was_stretched_and_only_in_that_mode()
    {
        var file = DicomBytes.Picture(1, 2).Add(0x00281050, "DS", "40").Pixels(7, 9).File();
        const string stretched = "the DICOM file has no window, so its values were stretched from lowest to highest";
        Assert.Equal(stretched, ImageFile.Decode(file, "x.dcm").Note);
        Assert.Null(ImageFile.Decode(file, "x.dcm", dicom: DicomGray.Full).Note);
        Assert.Null(ImageFile.Decode(DicomBytes.Picture(1, 2).Window(40, 80).Pixels(7, 9).File(), "x.dcm").Note);
    }

    [Fact]
    public void Pixels_that_are_not_square_are_said()
    {
        Assert.Contains("Pixel Aspect Ratio", Note("2\\1"), StringComparison.Ordinal);
        Assert.Null(Note("1\\1"));

        static string? Note(string ratio)
        {
            var set = new DicomBytes().Add(0x00080060, "CS", "DX").Add(0x00280002, "US", 1).Add(0x00280004, "CS", "MONOCHROME2")
                .Add(0x00280010, "US", 1).Add(0x00280011, "US", 1).Add(0x00280034, "IS", ratio).Add(0x00280100, "US", 16)
                .Add(0x00280101, "US", 12).Add(0x00280102, "US", 11).Add(0x00280103, "US", 0);
            return ImageFile.Decode(set.Window(40, 80).Pixels(7).File(), "x.dcm").Note;
        }
    }

    [Fact]
    public void An_offset_table_may_name_every_fragment_and_nothing_else()
    {
        byte[] header = [1, 0, 0, 0, 64, .. new byte[59]], packed = [3, 1, 2, 3, 4, 0];
        Assert.Equal([1, 2, 3, 4], Pixels(File(0, 72)));
        Assert.Equal([1, 2, 3, 4], Pixels(File(0)));
        Assert.Equal([1, 2, 3, 4], Pixels(File()));
        AssertRefused(File(8), "(7FE0,0010)");
        AssertRefused(File(0, 70), "(7FE0,0010)");

        byte[] File(params int[] offsets)
        {
            var set = DicomBytes.Picture(2, 2, allocated: 8).Window(128, 256);
            byte[] table = [.. offsets.SelectMany(offset => set.Number(offset, 4))];
            return set.Add(0x7fe00010, "OB", [], DicomBytes.Open).Item((uint)table.Length, table).Item(64, header).Item(6, packed)
                .EndSequence().File(DicomBytes.RunLengths);
        }
    }

    [Theory, InlineData(8, 70, true), InlineData(8, 71, false), InlineData(16, 70, false)]
    public void The_extended_offset_table_must_fit_the_one_fragment(int bytes, int length, bool fits)
    {
        byte[] frame = [1, 0, 0, 0, 64, .. new byte[59], 3, 1, 2, 3, 4, 0];
        var file = DicomBytes.Picture(2, 2, allocated: 8).Window(128, 256).Add(0x7fe00001, "OV", new byte[bytes])
            .Add(0x7fe00002, "OV", [(byte)length, .. new byte[7]]).Add(0x7fe00010, "OB", [], DicomBytes.Open).Item(0, [])
            .Item((uint)frame.Length, frame).EndSequence().File(DicomBytes.RunLengths);
        if (fits) Assert.Equal([1, 2, 3, 4], Pixels(file));
        else AssertRefused(file, "Extended Offset Table");
    }

    [Theory, InlineData(0x00080096, true), InlineData(0x00090010, false)]
    public void Only_the_standards_own_sequences_are_looked_into_when_their_length_is_known(int tag, bool refused)
    {
        byte[] item = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
        var sequence = new DicomBytes().Item((uint)item.Length, item).Bytes;
        var set = new DicomBytes().Add((uint)tag, "SQ", sequence)
            .Raw(DicomBytes.Picture(1, 2).Window(2048, 4096).Pixels(0, 4095).Bytes[10..]);
        if (refused) AssertRefused(set.File(), "(0201,0403)");
        else Assert.Equal([0, 255], Pixels(set.File()));
    }

    [Fact]
    public void Sequences_are_read_to_a_limit_of_depth_and_without_running_out_of_stack()
    {
        Assert.Equal([0, 255], Pixels(Nested(20)));
        AssertRefused(Nested(3_000), "(0040,A730)");
        AssertRefused(Nested(10_000), "(0040,A730)");

        static byte[] Nested(int depth)
        {
            var set = DicomBytes.Picture(1, 2).Window(2048, 4096);
            for (var i = 0; i < depth; i++) set.Add(0x0040a730, "SQ", [], DicomBytes.Open).Item(DicomBytes.Open, []);
            for (var i = 0; i < depth; i++) set.EndItem().EndSequence();
            return set.Pixels(0, 4095).File();
        }
    }

    [Fact]
    public void A_small_deflated_file_takes_no_more_memory_than_a_picture()
    {
        const int bytes = 200 << 20;
        var element = DicomBytes.Picture(2, 2).Add(0x00291001, "OB", new byte[bytes]).Pixels(1, 2, 3, 4).File(DicomBytes.Deflated);
        AssertRefused(element, "(0029,1001)");
        var pixels = DicomBytes.Picture(60_000, 60_000, allocated: 8).Add(0x7fe00010, "OB", new byte[bytes], 3_600_000_000);
        AssertRefused(pixels.File(DicomBytes.Deflated), "(7FE0,0010)");
    }

    [Fact]
    public void A_deflated_file_that_ends_after_its_meta_group_is_refused()
    {
        var file = new DicomBytes().File(DicomBytes.Deflated);
        AssertRefused(file[..(file.AsSpan().IndexOf(Encoding.ASCII.GetBytes(DicomBytes.Deflated)) + DicomBytes.Deflated.Length)],
            "is deflated, but no data follow");
    }

    [Theory, InlineData(false), InlineData(true)]
    public void A_deflated_picture_is_the_same_picture(bool window)
    {
        var set = DicomBytes.Picture(20, 30);
        if (window) set.Window(1000, 700);
        set.Pixels([.. Enumerable.Range(0, 600).Select(i => i * 6)]);
        Assert.Equal(Pixels(set.File()), Pixels(set.File(DicomBytes.Deflated)));
    }

    [Fact]
    public void An_element_that_stands_twice_is_refused_wherever_the_second_one_is()
    {
        AssertRefused(DicomBytes.Picture(1, 2).Window(40, 80).Add(0x00280010, "US", 2).Pixels(7, 9).File(),
            "(0028,0010) Rows stands twice");
        AssertRefused(DicomBytes.Picture(1, 2).Pixels(7, 9).Add(0x00281050, "DS", "40").File(), "(0028,1050)");
    }

    [Fact]
    public void Thousands_of_elements_and_zeros_behind_the_pixels_do_not_matter()
    {
        var set = DicomBytes.Picture(1, 2).Window(2048, 4096);
        for (var element = 0; element < 20_000; element++) set.Add(0x00291000 + (uint)element, "LO", "");
        Assert.Equal([0, 255], Pixels(set.Pixels(0, 4095).Raw(new byte[300]).File()));
    }

    private static byte[] Pixels(byte[] file) => ImageFile.Decode(file, "x.dcm").Pixels.ToArray();

    private static void AssertRefused(byte[] file, string part)
    {
        foreach (var mode in Enum.GetValues<DicomGray>())
            Assert.Contains(part,
                Assert.Throws<InputException>(() => ImageFile.Decode(file, "x.dcm", dicom: mode)).Message, StringComparison.Ordinal);
    }
}
