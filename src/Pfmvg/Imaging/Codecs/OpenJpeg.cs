using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Pfmvg.Imaging.Codecs;

/// <summary>
/// The functions and structures of OpenJPEG that are used, as versions 2.4 and 2.5 export them. No message handler is set, so the
/// library prints nothing.
/// </summary>
internal sealed unsafe class OpenJpeg
{
    private static readonly Lazy<OpenJpeg> Loaded = new(() => new OpenJpeg(), LazyThreadSafetyMode.PublicationOnly);

    private OpenJpeg()
    {
        VersionString = (delegate* unmanaged<byte*>)Library.Function("opj_version");
        CreateDecoder = (delegate* unmanaged<int, nint>)Library.Function("opj_create_decompress");
        DestroyDecoder = (delegate* unmanaged<nint, void>)Library.Function("opj_destroy_codec");
        SetDefaults = (delegate* unmanaged<byte*, void>)Library.Function("opj_set_default_decoder_parameters");
        SetUp = (delegate* unmanaged<nint, byte*, int>)Library.Function("opj_setup_decoder");
        CreateStream = (delegate* unmanaged<nuint, int, nint>)Library.Function("opj_stream_create");
        DestroyStream = (delegate* unmanaged<nint, void>)Library.Function("opj_stream_destroy");
        SetRead = (delegate* unmanaged<nint, delegate* unmanaged<byte*, nuint, Source*, nuint>, void>)Library.Function(
            "opj_stream_set_read_function");
        SetSkip = (delegate* unmanaged<nint, delegate* unmanaged<long, Source*, long>, void>)Library.Function(
            "opj_stream_set_skip_function");
        SetSeek = (delegate* unmanaged<nint, delegate* unmanaged<long, Source*, int>, void>)Library.Function(
            "opj_stream_set_seek_function");
        SetSource = (delegate* unmanaged<nint, Source*, nint, void>)Library.Function("opj_stream_set_user_data");
        SetSourceLength = (delegate* unmanaged<nint, ulong, void>)Library.Function("opj_stream_set_user_data_length");
        ReadHeader = (delegate* unmanaged<nint, nint, Image**, int>)Library.Function("opj_read_header");
        Decode = (delegate* unmanaged<nint, nint, Image*, int>)Library.Function("opj_decode");
        DestroyImage = (delegate* unmanaged<Image*, void>)Library.Function("opj_image_destroy");
        if (Library.TryFunction("opj_decoder_set_strict_mode", out var strict)) SetStrict = (delegate* unmanaged<nint, int, int>)strict;
    }

    /// <summary>The library; loaded when it is first asked for a function.</summary>
    public static CodecLibrary Library { get; } = new("JPEG 2000", ["libopenjp2.so.7"], "libopenjp2-7", "openjpeg2");

    /// <summary>The functions.</summary>
    /// <exception cref="StreamException">The library is missing or too old.</exception>
    public static OpenJpeg Functions => Loaded.Value;

    /// <summary>Its version, such as 2.5.0.</summary>
    public string Version => Marshal.PtrToStringUTF8((nint)VersionString()) ?? "";

    /// <summary>Whether it decodes High-Throughput JPEG 2000, as 2.5 and newer do.</summary>
    public bool DecodesHighThroughput => !System.Version.TryParse(Version, out var version) || version >= new Version(2, 5);

    public readonly delegate* unmanaged<byte*> VersionString;
    public readonly delegate* unmanaged<int, nint> CreateDecoder;
    public readonly delegate* unmanaged<nint, void> DestroyDecoder, DestroyStream;
    public readonly delegate* unmanaged<byte*, void> SetDefaults;
    public readonly delegate* unmanaged<nint, byte*, int> SetUp;
    public readonly delegate* unmanaged<nuint, int, nint> CreateStream;
    public readonly delegate* unmanaged<nint, delegate* unmanaged<byte*, nuint, Source*, nuint>, void> SetRead;
    public readonly delegate* unmanaged<nint, delegate* unmanaged<long, Source*, long>, void> SetSkip;
    public readonly delegate* unmanaged<nint, delegate* unmanaged<long, Source*, int>, void> SetSeek;
    public readonly delegate* unmanaged<nint, Source*, nint, void> SetSource;
    public readonly delegate* unmanaged<nint, ulong, void> SetSourceLength;
    public readonly delegate* unmanaged<nint, nint, Image**, int> ReadHeader;
    public readonly delegate* unmanaged<nint, nint, Image*, int> Decode;
    public readonly delegate* unmanaged<Image*, void> DestroyImage;

    /// <summary>Makes a stream that ends too early an error; null before 2.5.</summary>
    public readonly delegate* unmanaged<nint, int, int> SetStrict;

    /// <summary>OPJ_CODEC_J2K: a codestream without boxes.</summary>
    public const int Codestream = 0;

    /// <summary>Bytes for an opj_dparameters_t, which has 8,252 and is only passed on.</summary>
    public const int ParameterBytes = 1 << 14;

    /// <summary>Makes an input stream of the library that reads this memory; 0 where memory is short.</summary>
    public nint Open(Source* source)
    {
        var stream = CreateStream((nuint)Math.Min(source->Length, 1 << 20), 1);
        if (stream == 0) return 0;
        SetRead(stream, &Read);
        SetSkip(stream, &Skip);
        SetSeek(stream, &Seek);
        SetSource(stream, source, 0);
        SetSourceLength(stream, (ulong)source->Length);
        return stream;
    }

    [UnmanagedCallersOnly]
    private static nuint Read(byte* buffer, nuint bytes, Source* source)
    {
        var count = Math.Min(bytes, (nuint)(source->Length - source->At));
        if (count == 0) return nuint.MaxValue; // the end
        Unsafe.CopyBlockUnaligned(buffer, source->Bytes + source->At, (uint)count);
        source->At += (long)count;
        return count;
    }

    [UnmanagedCallersOnly]
    private static long Skip(long bytes, Source* source)
    {
        var count = Math.Clamp(bytes, -source->At, source->Length - source->At);
        if (count == 0 && bytes != 0) return -1; // the end
        source->At += count;
        return count;
    }

    [UnmanagedCallersOnly]
    private static int Seek(long position, Source* source)
    {
        if (position < 0 || position > source->Length) return 0;
        source->At = position;
        return 1;
    }

    /// <summary>Memory that the library reads as a stream.</summary>
    public struct Source
    {
        public byte* Bytes;
        public long Length, At;
    }

    /// <summary>opj_image_t.</summary>
    public readonly record struct Image(uint X0, uint Y0, uint X1, uint Y1, uint ComponentCount, int ColorSpace, nint Components,
        nint Profile, uint ProfileLength);

    /// <summary>opj_image_comp_t; the values are 32-bit integers.</summary>
    public readonly record struct Component(uint StepX, uint StepY, uint Width, uint Height, uint X0, uint Y0, uint Precision, uint Depth,
        uint Signed, uint Resolutions, uint Factor, nint Values, ushort Alpha);
}
