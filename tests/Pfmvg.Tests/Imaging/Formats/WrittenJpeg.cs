using System.Numerics;

namespace Pfmvg.Tests.Imaging.Formats;

/// <summary>
/// Writes JPEG files from coefficients of chance, so that tests know where which bit stands: sequential or progressive, of any sampling,
/// with or without restart markers. Codes are of one length, a code being its symbol.
/// </summary>
internal sealed class WrittenJpeg
{
    private const int DcBits = 4, AcBits = 8;

    private readonly (int Across, int Down)[] _sampling;
    private readonly int[][][] _blocks; // component, block, coefficient in zigzag order
    private readonly int _width, _height, _restart;

    private List<byte> _file = [];
    private readonly List<int> _deferred = []; // correction bits of blocks that a run of ends covers
    private ulong _bits;
    private int _held, _endRun;

    public WrittenJpeg(int seed, int width, int height, (int Across, int Down)[] sampling, int restart = 0)
    {
        var random = new Random(seed);
        (_width, _height, _sampling, _restart) = (width, height, sampling, restart);
        _blocks = [.. sampling.Select(one => Enumerable.Range(0, UnitsAcross * one.Across * UnitsDown * one.Down).Select(_ =>
        {
            var block = new int[64];
            block[0] = random.Next(-300, 300);
            for (var k = 1; k < 64; k++) block[k] = random.Next(4) == 0 ? random.Next(-9, 10) : 0;
            return random.Next(5) == 0 ? [block[0], .. new int[63]] : block;
        }).ToArray())];
    }

    /// <summary>Where the compressed data of the first scan begin in the file written last, and where those of the last one end.</summary>
    public (int First, int End) Data { get; private set; }

    private int UnitsAcross => Ceiling(_width, 8 * _sampling.Max(one => one.Across));

    private int UnitsDown => Ceiling(_height, 8 * _sampling.Max(one => one.Down));

    /// <summary>One scan of all components.</summary>
    public byte[] Sequential()
    {
        Begin(0xc0);
        Scan([.. Enumerable.Range(0, _sampling.Length)], 0, 63, 0, 0, (c, block, before) => Whole(block, before));
        return End();
    }

    /// <summary>Scans in the order of libjpeg's own script: halved twice, then refined.</summary>
    public byte[] Progressive()
    {
        Begin(0xc2);
        int[] all = [.. Enumerable.Range(0, _sampling.Length)];
        Scan(all, 0, 0, 0, 1, (_, block, before) => Difference((block[0] >> 1) - (before[0] >> 1)));
        foreach (var c in all) Scan([c], 1, 5, 0, 2, (_, block, _) => First(block, 1, 5, 2));
        foreach (var c in all) Scan([c], 6, 63, 0, 2, (_, block, _) => First(block, 6, 63, 2));
        foreach (var c in all) Scan([c], 1, 63, 2, 1, (_, block, _) => Refine(block, 1, 63, 1));
        Scan(all, 0, 0, 1, 0, (_, block, _) => Put(block[0] & 1, 1));
        foreach (var c in all) Scan([c], 1, 63, 1, 0, (_, block, _) => Refine(block, 1, 63, 0));
        return End();
    }

    /// <summary>The beginning of a file with an end mark behind it.</summary>
    public static byte[] Cut(byte[] file, int length) => [.. file.AsSpan(0, length), 0xff, 0xd9];

    /// <summary>A header with so many scans of one component behind it, whose data are missing.</summary>
    public static byte[] Claim(byte process, int width, int height, int components, int scans, int bytes = 0)
    {
        List<byte> file = [0xff, 0xd8];
        Segment(file, process, [8, (byte)(height >> 8), (byte)height, (byte)(width >> 8), (byte)width, (byte)components,
            .. Enumerable.Range(1, components).SelectMany(id => new byte[] { (byte)id, 0x11, 0 })]);
        for (var i = 0; i < scans; i++) Segment(file, 0xda, [1, 1, 0, 1, 63, 0]);
        return [.. file, .. new byte[bytes], 0xff, 0xd9];
    }

    private static int Ceiling(int pixels, int size) => (pixels + size - 1) / size;

    private static void Segment(List<byte> file, int marker, byte[] content) =>
        file.AddRange([0xff, (byte)marker, (byte)((content.Length + 2) >> 8), (byte)(content.Length + 2), .. content]);

    private void Begin(byte process)
    {
        _file = [0xff, 0xd8];
        Segment(_file, 0xdb, [0, .. Enumerable.Repeat((byte)1, 64)]);
        Segment(_file, process, [8, (byte)(_height >> 8), (byte)_height, (byte)(_width >> 8), (byte)_width, (byte)_sampling.Length,
            .. _sampling.SelectMany((one, c) => new byte[] { (byte)(c + 1), (byte)(one.Across << 4 | one.Down), 0 })]);
        Segment(_file, 0xc4, [0x00, .. Lengths(DcBits, 12), .. Enumerable.Range(0, 12).Select(symbol => (byte)symbol)]);
        Segment(_file, 0xc4, [0x10, .. Lengths(AcBits, 255), .. Enumerable.Range(0, 255).Select(symbol => (byte)symbol)]);
        Segment(_file, 0xdd, [(byte)(_restart >> 8), (byte)_restart]);
        Data = (0, 0);

        static byte[] Lengths(int bits, int codes) => [.. Enumerable.Range(1, 16).Select(length => (byte)(length == bits ? codes : 0))];
    }

    private byte[] End() => [.. _file, 0xff, 0xd9];

    private delegate void Encode(int component, int[] block, int[] before);

    private void Scan(int[] components, int first, int last, int high, int low, Encode encode)
    {
        Segment(_file, 0xda, [(byte)components.Length, .. components.SelectMany(c => new byte[] { (byte)(c + 1), 0 }),
            (byte)first, (byte)last, (byte)(high << 4 | low)]);
        if (Data.First == 0) Data = (_file.Count, 0);
        var (most, mostDown) = (_sampling.Max(one => one.Across), _sampling.Max(one => one.Down));
        var alone = components.Length == 1 ? _sampling[components[0]] : default;
        var (across, down) = components.Length > 1 ? (UnitsAcross, UnitsDown)
            : (Ceiling(_width * alone.Across, 8 * most), Ceiling(_height * alone.Down, 8 * mostDown));
        var before = components.ToDictionary(c => c, _ => new int[64]);
        for (var unit = 0; unit < across * down; unit++)
        {
            if (_restart > 0 && unit > 0 && unit % _restart == 0)
            {
                Flush();
                _file.AddRange([0xff, (byte)(0xd0 + (unit / _restart - 1) % 8)]);
                foreach (var c in components) before[c] = new int[64];
            }

            foreach (var c in components)
            {
                var (wide, tall) = components.Length > 1 ? _sampling[c] : (1, 1);
                for (var i = 0; i < wide * tall; i++)
                {
                    var (x, y) = (unit % across * wide + i % wide, unit / across * tall + i / wide);
                    var block = _blocks[c][y * UnitsAcross * _sampling[c].Across + x];
                    encode(c, block, before[c]);
                    before[c] = block;
                }
            }
        }

        Flush();
        Data = (Data.First, _file.Count);
    }

    private void Whole(int[] block, int[] before)
    {
        Difference(block[0] - before[0]);
        var run = 0;
        for (var k = 1; k < 64; k++)
        {
            if (block[k] == 0)
            {
                run++;
                continue;
            }

            for (; run > 15; run -= 16) Put(0xf0, AcBits);
            Value(run, block[k]);
            run = 0;
        }

        if (run > 0) Put(0, AcBits);
    }

    private void Difference(int value)
    {
        var size = Size(value);
        Put(size, DcBits);
        Put(value < 0 ? value - 1 : value, size);
    }

    private void Value(int run, int value)
    {
        var size = Size(value);
        Put(run << 4 | size, AcBits);
        Put(value < 0 ? value - 1 : value, size);
    }

    private void First(int[] block, int first, int last, int low)
    {
        var run = 0;
        for (var k = first; k <= last; k++)
        {
            var value = Math.Sign(block[k]) * (Math.Abs(block[k]) >> low);
            if (value == 0)
            {
                run++;
                continue;
            }

            EndRun();
            for (; run > 15; run -= 16) Put(0xf0, AcBits);
            Value(run, value);
            run = 0;
        }

        if (run > 0) _endRun++;
    }

    private void Refine(int[] block, int first, int last, int low)
    {
        int Level(int k) => Math.Abs(block[k]) >> low;
        var newest = Enumerable.Range(first, last - first + 1).LastOrDefault(k => Level(k) == 1);
        var (run, corrections) = (0, new List<int>());
        for (var k = first; k <= last; k++)
        {
            if (Level(k) == 0)
            {
                run++;
                continue;
            }

            while (run > 15 && k <= newest)
            {
                EndRun();
                Put(0xf0, AcBits);
                run -= 16;
                Correct(corrections);
            }

            if (Level(k) > 1)
            {
                corrections.Add(Level(k) & 1);
                continue;
            }

            EndRun();
            Put(run << 4 | 1, AcBits);
            Put(block[k] < 0 ? 0 : 1, 1);
            Correct(corrections);
            run = 0;
        }

        if (run == 0 && corrections.Count == 0) return;
        _endRun++;
        _deferred.AddRange(corrections);
    }

    private void Correct(List<int> corrections)
    {
        foreach (var bit in corrections) Put(bit, 1);
        corrections.Clear();
    }

    private void EndRun()
    {
        if (_endRun == 0) return;
        var size = BitOperations.Log2((uint)_endRun);
        Put(size << 4, AcBits);
        Put(_endRun, size);
        _endRun = 0;
        Correct(_deferred);
    }

    private static int Size(int value) => value == 0 ? 0 : BitOperations.Log2((uint)Math.Abs(value)) + 1;

    /// <summary>Appends the lowest bits of a value.</summary>
    private void Put(int value, int count)
    {
        _bits = _bits << count | (uint)value & ((1u << count) - 1);
        for (_held += count; _held >= 8; _held -= 8) Byte((byte)(_bits >> (_held - 8)));
    }

    private void Flush()
    {
        EndRun();
        if (_held > 0) Put((1 << (8 - _held)) - 1, 8 - _held);
    }

    private void Byte(byte value)
    {
        _file.Add(value);
        if (value == 0xff) _file.Add(0);
    }
}
