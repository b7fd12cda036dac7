using System.Threading.Channels;

namespace Pfmvg.Cli.Serving.Chat;

/// <summary>The text of an answer while it grows: the answering thread tells it, a stream reads it when it can.</summary>
internal sealed class TextGrowth
{
    // Who reads slowly misses steps in between, not text: each one holds all that came before it.
    private readonly Channel<string> _texts = Channel.CreateBounded<string>(new BoundedChannelOptions(1)
    {
        FullMode = BoundedChannelFullMode.DropOldest,
        SingleReader = true,
    });

    public ChannelReader<string> Reader => _texts.Reader;

    public void Tell(string text) => _texts.Writer.TryWrite(text);
}
