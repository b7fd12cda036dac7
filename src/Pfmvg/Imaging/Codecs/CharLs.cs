using System.Runtime.InteropServices;

namespace Pfmvg.Imaging.Codecs;

/// <summary>The functions of CharLS's C interface that are used, as versions 2.1 and newer export them.</summary>
internal sealed unsafe class CharLs
{
    private static readonly Lazy<CharLs> Loaded = new(() => new CharLs(), LazyThreadSafetyMode.PublicationOnly);

    private CharLs()
    {
        VersionString = (delegate* unmanaged<byte*>)Library.Function("charls_get_version_string");
        Create = (delegate* unmanaged<nint>)Library.Function("charls_jpegls_decoder_create");
        Destroy = (delegate* unmanaged<nint, void>)Library.Function("charls_jpegls_decoder_destroy");
        SetSource = (delegate* unmanaged<nint, byte*, nuint, int>)Library.Function("charls_jpegls_decoder_set_source_buffer");
        ReadHeader = (delegate* unmanaged<nint, int>)Library.Function("charls_jpegls_decoder_read_header");
        GetFrame = (delegate* unmanaged<nint, Frame*, int>)Library.Function("charls_jpegls_decoder_get_frame_info");
        DecodeTo = (delegate* unmanaged<nint, byte*, nuint, uint, int>)Library.Function("charls_jpegls_decoder_decode_to_buffer");
    }

    /// <summary>The library; loaded when it is first asked for a function.</summary>
    public static CodecLibrary Library { get; } = new("JPEG-LS", ["libcharls.so.2", "libCharLS.so.2"], "libcharls2", "CharLS");

    /// <summary>The functions.</summary>
    /// <exception cref="StreamException">The library is missing or too old.</exception>
    public static CharLs Functions => Loaded.Value;

    /// <summary>Its version, such as 2.4.1.</summary>
    public string Version => Marshal.PtrToStringUTF8((nint)VersionString()) ?? "";

    public readonly delegate* unmanaged<byte*> VersionString;
    public readonly delegate* unmanaged<nint> Create;
    public readonly delegate* unmanaged<nint, void> Destroy;
    public readonly delegate* unmanaged<nint, byte*, nuint, int> SetSource;
    public readonly delegate* unmanaged<nint, int> ReadHeader;
    public readonly delegate* unmanaged<nint, Frame*, int> GetFrame;

    /// <summary>Decoder, buffer, its bytes, bytes from row to row (0: as many as a row has).</summary>
    public readonly delegate* unmanaged<nint, byte*, nuint, uint, int> DecodeTo;

    /// <summary>charls_frame_info.</summary>
    public readonly record struct Frame(uint Width, uint Height, int Precision, int Components);
}
