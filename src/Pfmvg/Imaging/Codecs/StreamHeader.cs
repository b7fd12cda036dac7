namespace Pfmvg.Imaging.Codecs;

/// <summary>What a compressed pixel stream says of itself.</summary>
/// <param name="Width">Pixels per row.</param>
/// <param name="Height">Rows.</param>
/// <param name="Components">Samples per pixel; 1 is gray.</param>
/// <param name="Precision">Bits per sample.</param>
/// <param name="Signed">Whether the samples have a sign.</param>
internal readonly record struct StreamHeader(int Width, int Height, int Components, int Precision, bool Signed);

/// <summary>A compressed stream that cannot be decoded; the message is the part of a sentence that names what is wrong.</summary>
internal sealed class StreamException(string what, Exception? cause = null) : Exception(what, cause);
