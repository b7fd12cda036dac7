using System.IO.Compression;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Pfmvg.Cli.Serving;

/// <summary>Reads the bodies of requests into memory, never onto a disk, and bounds them: each, and all that are read at a time.</summary>
internal sealed class RequestBody(ServerOptions options)
{
    private const int First = 64 << 10;
    private const int Together = 8; // largest bodies that may be in memory at a time

    private long _held;

    /// <summary>The content of a request, unpacked; disposing of it frees its share of the memory.</summary>
    public sealed class Content(RequestBody owner) : IDisposable
    {
        private long _taken;

        public ReadOnlyMemory<byte> Bytes { get; internal set; }

        internal void Take(long bytes)
        {
            _taken += bytes;
            if (Interlocked.Add(ref owner._held, bytes) > Together * owner.MostBytes)
                throw ApiError.Busy(429, "Too many large requests are being read at a time; send this one again later.", "busy",
                    TimeSpan.FromSeconds(2));
        }

        public void Dispose() => Interlocked.Add(ref owner._held, -Interlocked.Exchange(ref _taken, 0));
    }

    private long MostBytes => options.MostBytes;

    /// <summary>Reads a body.</summary>
    /// <exception cref="ApiError">It is too large, too slow, or packed in an unknown way.</exception>
    public async Task<Content> Read(HttpContext context)
    {
        var request = context.Request;
        if (request.ContentLength > MostBytes) throw TooLarge();
        // Counted here instead, so that the refusal is one that clients can read.
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit) limit.MaxRequestBodySize = null;
        using var time = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted);
        time.CancelAfter(options.Sending);
        var content = new Content(this);
        var packing = request.Headers.ContentEncoding.ToString().ToLowerInvariant();
        try
        {
            await using var stream = packing switch
            {
                "" or "identity" => request.Body,
                "gzip" or "x-gzip" => new GZipStream(request.Body, CompressionMode.Decompress),
                "deflate" => new ZLibStream(request.Body, CompressionMode.Decompress),
                "br" => new BrotliStream(request.Body, CompressionMode.Decompress),
                _ => throw new ApiError(415, "Content-Encoding: this server unpacks gzip, deflate and br; send one of them, or none."),
            };
            content.Bytes = await ReadAll(stream, packing.Length > 0 ? null : request.ContentLength, content, time.Token);
            return content;
        }
        catch (Exception failure)
        {
            content.Dispose();
            throw failure switch
            {
                OperationCanceledException when !context.RequestAborted.IsCancellationRequested =>
                    new ApiError(408, $"The request was not sent within {options.Sending.TotalSeconds:0} seconds.", null, "too_slow"),
                InvalidDataException or InvalidOperationException =>
                    new ApiError(400, $"The body is not packed as its Content-Encoding says ({packing})."),
                _ => failure,
            };
        }
    }

    private async Task<ReadOnlyMemory<byte>> ReadAll(Stream stream, long? expected, Content content, CancellationToken cancel)
    {
        var memory = Array.Empty<byte>();
        for (var length = 0; ;)
        {
            if (length == memory.Length)
            {
                if (length > MostBytes) throw TooLarge();
                // What is promised is taken only as far as it comes: memory is not to be had for a header. One more byte shows the end.
                var next = (int)Math.Min(Math.Max(First, 2L * length), Math.Min(expected ?? MostBytes, MostBytes) + 1);
                if (next <= length) throw TooLarge();
                content.Take(next - length);
                Array.Resize(ref memory, next);
            }

            var read = await stream.ReadAsync(memory.AsMemory(length), cancel);
            if (read == 0) return memory.AsMemory(0, length);
            length += read;
        }
    }

    private ApiError TooLarge() => new(413, $"The request is larger than this server takes ({MostBytes >> 20} MiB); send a smaller "
        + "picture, or start the server with a larger --max-megabytes.", null, "too_large");
}
