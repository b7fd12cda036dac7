namespace Pfmvg.Imaging.Dicom;

/// <summary>
/// From stored values to 8 bits: modality, then window or table, then rounding, then the inversion of MONOCHROME1. Every value is worked
/// out once, so that a pixel costs one look into a table. The elements are checked whether the mode needs them or not: a file is right
/// or wrong for every mode alike.
/// </summary>
internal sealed class GrayScale
{
    private readonly PixelLayout _layout;
    private readonly LookupTable? _modality, _voi;
    private readonly double _slope, _intercept;
    private readonly Window? _window;
    private readonly (int Lowest, int Highest)? _padding;
    private readonly bool _inverted;
    private readonly List<string> _notes = [];

    private GrayScale(DataSet set, PixelLayout layout, PictureName picture)
    {
        _layout = layout;
        _modality = LookupTable.Read(set, Tag.ModalityTables, layout.Signed, picture);
        (_slope, _intercept) = (set.Number(Tag.Slope, Vr.DS) ?? 1, set.Number(Tag.Intercept, Vr.DS) ?? 0);
        if (_slope == 0) throw picture.Broken(Tag.Slope, "is 0, so that all values would be equal");
        double one = Scaled(0), other = Scaled(layout.Codes - 1);
        if (!double.IsFinite(1e6 * Math.Abs(one - other)) || (_modality is null && one == other))
            throw picture.Broken(Tag.Slope, $"and {Tag.Intercept} lead to numbers beyond all measure");
        _voi = LookupTable.Read(set, Tag.VoiTables, layout.Signed, picture);
        _window = Window.Read(set, picture);
        _padding = Padding(set, layout);
        var (photometric, shape) = (set.Text(Tag.Photometric) == "MONOCHROME1", set.Text(Tag.PresentationShape));
        _inverted = photometric || shape == "INVERSE"; // both say the same, so it is done once
        if (!photometric && _inverted) _notes.Add(DicomNotes.Inverse);
        if (_voi is not null && _window is not null) _notes.Add(DicomNotes.TableAndWindow);
        if (set.Text(Tag.AspectRatio) is { Length: > 0 } && !IsSquare(set.Value(Tag.AspectRatio))) _notes.Add(DicomNotes.AspectRatio);
    }

    public static GrayScale Read(DataSet set, PixelLayout layout, PictureName picture) => new(set, layout, picture);

    /// <summary>Whether <see cref="Levels"/> must know which values the picture has.</summary>
    public bool NeedsCounts(DicomGray mode) => mode != DicomGray.Window || (_voi is null && _window is null);

    /// <summary>What a reader of the scores should know.</summary>
    public IEnumerable<string> Notes(DicomGray mode) =>
        mode == DicomGray.Window && NeedsCounts(mode) ? _notes.Append(DicomNotes.NoWindow) : _notes;

    /// <summary>The 8-bit level of every code.</summary>
    /// <param name="mode">How levels are made.</param>
    /// <param name="counts">How many pixels have each code; empty when they are not needed.</param>
    public byte[] Levels(DicomGray mode, ReadOnlySpan<long> counts)
    {
        var (lowest, highest) = Range(counts);
        var levels = new byte[_layout.Codes];
        for (var code = 0; code < levels.Length; code++)
        {
            var x = Modality(code);
            var part = highest > lowest ? (x - lowest) / (highest - lowest) : 0;
            var level = mode == DicomGray.Histogram
                    ? Math.Floor(Math.Round(highest > lowest ? (x - lowest) * 255 / (highest - lowest) : 0, 9))
                : Math.Floor((NeedsCounts(mode) ? part : _voi is { } table ?
                    table.At(x) / ((1 << table.Bits) - 1.0) : _window!.At(x)) * 255 + 0.5);
            var shown = (byte)Math.Clamp(level, 0, 255);
            levels[code] = _inverted ? (byte)(255 - shown) : shown;
        }

        if (mode == DicomGray.Histogram) Equalise(levels, counts);
        for (var code = 0; code < levels.Length; code++)
            if (IsPadding(code)) levels[code] = 0;
        return levels;
    }

    /// <summary>
    /// The value of every code after the modality step as a whole number from 0, the picture's lowest: the full depth. Inverted where the
    /// file says so; padding is 0.
    /// </summary>
    /// <param name="counts">How many pixels have each code.</param>
    public ushort[] Values(ReadOnlySpan<long> counts)
    {
        var (lowest, highest) = Range(counts);
        var step = _modality is null ? Math.Abs(_slope) : 1;
        var values = new ushort[_layout.Codes];
        for (var code = 0; code < values.Length; code++)
        {
            if (IsPadding(code)) continue;
            var x = Math.Clamp(Modality(code), lowest, highest);
            values[code] = (ushort)Math.Round((_inverted ? highest - x : x - lowest) / step);
        }

        return values;
    }

    /// <summary>OpenCV's equalizeHist: the lowest level that occurs becomes 0, the highest 255, in its single precision.</summary>
    private void Equalise(byte[] levels, ReadOnlySpan<long> counts)
    {
        Span<long> histogram = stackalloc long[256];
        histogram.Clear();
        for (var code = 0; code < levels.Length; code++)
            if (!IsPadding(code)) histogram[levels[code]] += counts[code];
        var first = histogram.IndexOfAnyExcept(0);
        if (first < 0) return;
        var above = 0L;
        for (var i = first + 1; i < 256; i++) above += histogram[i];
        if (above == 0) return; // one level only, which stays
        var scale = 255f / above;
        Span<byte> equalised = stackalloc byte[256];
        equalised.Clear();
        var sum = 0L;
        for (var i = first + 1; i < 256; i++)
        {
            sum += histogram[i];
            equalised[i] = (byte)Math.Clamp(MathF.Round(sum * scale), 0, 255); // half to even
        }

        for (var code = 0; code < levels.Length; code++) levels[code] = equalised[levels[code]];
    }

    /// <summary>Lowest and highest value of the picture itself, after the modality step.</summary>
    private (double Lowest, double Highest) Range(ReadOnlySpan<long> counts)
    {
        var (lowest, highest) = (double.PositiveInfinity, double.NegativeInfinity);
        for (var code = 0; code < counts.Length; code++)
        {
            if (counts[code] == 0 || IsPadding(code)) continue;
            var x = Modality(code);
            (lowest, highest) = (Math.Min(lowest, x), Math.Max(highest, x));
        }

        return highest >= lowest ? (lowest, highest) : default;
    }

    private double Modality(int code) => _modality?.At(_layout.Value(code)) ?? Scaled(code);

    private double Scaled(int code) => _layout.Value(code) * _slope + _intercept;

    private bool IsPadding(int code) => _padding is var (lowest, highest) && _layout.Value(code) is var value
        && value >= lowest && value <= highest;

    private static (int, int)? Padding(DataSet set, PixelLayout layout)
    {
        if (set.Integer(Tag.Padding) is not { } value) return null;
        var limit = set.Integer(Tag.PaddingLimit) ?? value;
        if (layout.Signed) (value, limit) = ((short)value, (short)limit); // they may be written without a sign
        return (Math.Min(value, limit), Math.Max(value, limit));
    }

    /// <summary>Whether both numbers of the ratio are the same text; anything else is worth the note.</summary>
    private static bool IsSquare(ReadOnlySpan<byte> ratio)
    {
        var middle = ratio.IndexOf((byte)'\\');
        return middle > 0 && ratio[..middle].Trim(" \0"u8).SequenceEqual(ratio[(middle + 1)..].Trim(" \0"u8));
    }

    /// <summary>A window (PS3.3, C.11.2.1); its output is from 0 to 1.</summary>
    private sealed record Window(double Center, double Width, string Function)
    {
        public static Window? Read(DataSet set, PictureName picture)
        {
            var (center, width, function) = (set.Number(Tag.WindowCenter, Vr.DS),
                set.Number(Tag.WindowWidth, Vr.DS), set.Text(Tag.VoiFunction));
            if (function is not ("" or "LINEAR" or "LINEAR_EXACT" or "SIGMOID"))
                throw picture.Refuse(Tag.VoiFunction, "is none of LINEAR, LINEAR_EXACT and SIGMOID", "export it with one of these");
            if (width is { } w && (w <= 0 || (w < 1 && function is "" or "LINEAR" && w < 1)))
                throw picture.Broken(Tag.WindowWidth, function is "LINEAR_EXACT" or "SIGMOID" ? "is not above 0" : "is below 1");
            return center is { } c && width is { } known ? new Window(c, known, function) : null;
        }

        public double At(double x) => Function switch
        {
            "SIGMOID" => 1 / (1 + Math.Exp(-4 * (x - Center) / Width)),
            "LINEAR_EXACT" => x <= Center - Width / 2 ? 0 : x > Center + Width / 2 ? 1 : (x - Center) / Width + 0.5,
            _ => x <= Center - 0.5 - (Width - 1) / 2 ? 0 : x > Center - 0.5 + (Width - 1) / 2 ? 1
                : (x - (Center - 0.5)) / (Width - 1) + 0.5,
        };
    }
}

/// <summary>What decoding a DICOM file can say: fixed sentences, so that they can be counted and hold nothing of the file.</summary>
internal static class DicomNotes
{
    public const string NoWindow = "the DICOM file has no window, so its values were stretched from lowest to highest";
    public const string TableAndWindow = "the DICOM file has a VOI LUT and a window; the table was used";
    public const string AspectRatio = "the DICOM file's pixels are not square (Pixel Aspect Ratio); boxes are in stored pixels";
    public const string Inverse = "the DICOM file is MONOCHROME2 with Presentation LUT Shape INVERSE; it was inverted";
    public const string OtherEncoding = "the DICOM file is not encoded as its Transfer Syntax UID says; it was read as it is";
    public const string NoMeta = "the DICOM file has no meta group; its encoding was told by its first element";
}
