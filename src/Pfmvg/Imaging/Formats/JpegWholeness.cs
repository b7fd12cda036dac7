namespace Pfmvg.Imaging.Formats;

/// <summary>
/// Whether the compressed data of a JPEG hold all of its blocks. libjpeg fills what is missing with gray and says nothing where an end
/// mark follows, so the codes are counted here: nothing is transformed.
/// </summary>
internal ref struct JpegWholeness
{
    private const int Dc = 0, Ac = 1;

    private readonly JpegFrame _frame;
    private readonly HuffmanTable?[][] _tables;
    private readonly ulong[][] _nonzero; // of a progressive picture, which coefficients of each block are not zero so far
    private readonly int[][] _missing;   // bits of each coefficient that no scan has brought; -1 before the first one
    private BitReader _bits;
    private int _endRun; // blocks that end where they begin

    private JpegWholeness(JpegFrame frame, HuffmanTable?[][] tables)
    {
        (_frame, _tables) = (frame, tables);
        _missing = [.. frame.Components.Select(_ => Enumerable.Repeat(-1, 64).ToArray())];
        _nonzero = [.. frame.Components.Select(one => frame.IsProgressive
            ? new ulong[frame.Units.Across * one.Across * frame.Units.Down * one.Down] : [])];
    }

    /// <summary>What is missing or broken, as a clause; null where nothing is, or where the coding is another than Huffman's.</summary>
    /// <param name="file">The whole file, within <see cref="JpegBudget"/>.</param>
    public static string? Problem(ReadOnlySpan<byte> file)
    {
        HuffmanTable?[][] tables = [new HuffmanTable?[4], new HuffmanTable?[4]];
        var segments = new JpegSegments(file);
        JpegWholeness whole = default;
        var (isOpen, restart) = (false, 0);
        while (segments.MoveNext() && segments.IsWhole && segments.Marker != JpegSegments.EndOfImage)
        {
            var content = segments.Content;
            if (segments.Marker == JpegSegments.HuffmanTables && !GrayJpeg.ReadHuffman(content, tables[Dc], tables[Ac]))
                return "the picture is damaged (its code tables are broken)";
            if (segments.Marker == JpegSegments.RestartInterval && content.Length == 2) restart = content[0] << 8 | content[1];
            if (segments.IsFrame && !isOpen)
            {
                if (segments.Marker is < 0xc0 or > 0xc2 || JpegFrame.Of(segments) is not { } frame) return null;
                whole = new JpegWholeness(frame, tables);
                isOpen = true;
            }

            if (segments.Marker != JpegSegments.StartOfScan) continue;
            if (!isOpen) return null;
            if (whole.Scan(content, file[segments.End..], restart) is { } problem) return problem;
            segments.SkipScan();
        }

        return isOpen ? whole.MissingScans() : null;
    }

    private readonly string? MissingScans()
    {
        var isMissing = false;
        foreach (var (i, bits) in _missing.Index()) // colour without detail is an encoder's choice, gray without it is none
            isMissing |= bits[0] != 0 || Array.Exists(bits, left => left > 0) || (i == 0 && Array.TrueForAll(bits[1..], left => left < 0));
        return isMissing ? "the picture ends early (scans are missing that bring its details)" : null;
    }

    /// <summary>Reads the codes of a scan; null when it is whole.</summary>
    private string? Scan(ReadOnlySpan<byte> header, ReadOnlySpan<byte> data, int restart)
    {
        const string broken = "the picture is damaged (the header of a scan is broken)";
        if (_frame.ComponentsOf(header) is not { } places) return broken;
        var (first, last, high, low) = (header[^3], header[^2], header[^1] >> 4, header[^1] & 15);
        var isSequential = !_frame.IsProgressive;
        if (isSequential) (first, last, high, low) = (0, 63, 0, 0);
        if (last > 63 || first > last || first > 0 && places.Length > 1 || !isSequential && first == 0 && last > 0) return broken;
        var parts = new Part[places.Length];
        foreach (var (i, place) in places.Index())
        {
            var (dc, ac) = (_tables[Dc][header[2 + 2 * i] >> 4 & 3], _tables[Ac][header[2 + 2 * i] & 3]);
            if (first == 0 && high == 0 && dc is null || last > 0 && ac is null)
                return "the picture is damaged (a scan has no code table)";
            parts[i] = new Part(place, dc, ac);
        }

        _bits = new BitReader(data);
        _endRun = 0;
        var isAlone = places.Length == 1;
        var (across, down) = isAlone ? _frame.BlocksOf(_frame.Components[places[0]]) : _frame.Units;
        var left = restart;
        for (var y = 0; y < down; y++)
        {
            for (var x = 0; x < across; x++)
            {
                var isRight = true;
                if (restart > 0 && left-- == 0) (isRight, _endRun, left) = (_bits.Restart() || _bits.SkipToRestart(), 0, restart - 1);
                if (isRight && isAlone) isRight = Block(parts[0], x, y, first, last, high, low, isSequential);
                else if (isRight) isRight = Unit(parts, x, y, first, last, high, low, isSequential);
                if (!isRight || _bits.Overrun) return At(y * _frame.Height / down);
            }
        }

        foreach (var place in places) _missing[place].AsSpan(first, last - first + 1).Fill(low);
        return null;
    }

    private readonly string At(int row) => _bits.Overrun && !_bits.IsAtRestart
        ? $"the picture ends early (its compressed data end at row {row:N0} of {_frame.Height:N0})"
        : $"the picture is damaged (its compressed data are broken at row {row:N0} of {_frame.Height:N0})";

    private bool Unit(Part[] parts, int x, int y, int first, int last, int high, int low, bool isSequential)
    {
        foreach (var part in parts)
        {
            var (across, down) = (_frame.Components[part.Place].Across, _frame.Components[part.Place].Down);
            for (var row = 0; row < down; row++)
                for (var column = 0; column < across; column++)
                    if (!Block(part, x * across + column, y * down + row, first, last, high, low, isSequential)) return false;
        }

        return true;
    }

    private bool Block(Part part, int x, int y, int first, int last, int high, int low, bool isSequential)
    {
        if (first == 0 && high == 0 && !Difference(part.Dc!)) return false;
        if (isSequential) return Sequential(part.Ac!);
        if (first == 0) return high == 0 || Bit() >= 0;
        ref var nonzero = ref _nonzero[part.Place][y * _frame.Units.Across * _frame.Components[part.Place].Across + x];
        return high == 0 ? Detail(part.Ac!, ref nonzero, first, last) : Refine(part.Ac!, ref nonzero, first, last);
    }

    private bool Difference(HuffmanTable table)
    {
        _bits.Fill();
        var size = table.Symbol(ref _bits);
        if (size is < 0 or > 15) return false;
        _bits.Skip(size);
        return true;
    }

    private bool Sequential(HuffmanTable table)
    {
        for (var k = 1; k < 64; k++)
        {
            _bits.Fill();
            var symbol = table.Symbol(ref _bits);
            if (symbol < 0) return false;
            if ((symbol & 15) == 0 && symbol != 0xf0) return true; // end of block
            _bits.Skip(symbol & 15);
            k += symbol >> 4;
            if (k > 63 && symbol != 0xf0) return false;
        }

        return true;
    }

    private bool Detail(HuffmanTable table, ref ulong nonzero, int first, int last)
    {
        if (_endRun > 0)
        {
            _endRun--;
            return true;
        }

        for (var k = first; k <= last; k++)
        {
            _bits.Fill();
            var symbol = table.Symbol(ref _bits);
            if (symbol < 0) return false;
            var (run, size) = (symbol >> 4, symbol & 15);
            if (size == 0 && run < 15)
            {
                _endRun = (1 << run) - 1 + Bits(run);
                return true;
            }

            _bits.Skip(size);
            k += run;
            if (size > 0 && k > last) return false;
            if (size > 0) nonzero |= 1UL << k;
        }

        return true;
    }

    private bool Refine(HuffmanTable table, ref ulong nonzero, int first, int last)
    {
        var k = first;
        if (_endRun == 0)
        {
            for (; k <= last; k++)
            {
                _bits.Fill();
                var symbol = table.Symbol(ref _bits);
                if (symbol < 0) return false;
                var (run, size) = (symbol >> 4, symbol & 15);
                if (size == 0 && run < 15)
                {
                    _endRun = (1 << run) + Bits(run);
                    break;
                }

                if (size > 0) _bits.Skip(1); // the sign: no other value is new
                for (; k <= last; k++)
                {
                    if ((nonzero >> k & 1) != 0) _ = Bit();
                    else if (--run < 0) break;
                }

                if (size > 0 && k <= last) nonzero |= 1UL << k;
            }
        }

        if (_endRun == 0) return true;
        for (; k <= last; k++)
            if ((nonzero >> k & 1) != 0) _ = Bit();
        _endRun--;
        return true;
    }

    private int Bit() => Bits(1);

    private int Bits(int count)
    {
        if (count == 0) return 0;
        _bits.Fill();
        var value = _bits.Peek(count);
        _bits.Skip(count);
        return value;
    }

    /// <summary>A component of a scan with its code tables.</summary>
    private readonly record struct Part(int Place, HuffmanTable? Dc, HuffmanTable? Ac);
}
