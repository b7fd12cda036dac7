using System.Text;
using Spectre.Console.Rendering;

namespace Pfmvg.Cli.Output;

/// <summary>
/// The last door before the terminal: whatever the program writes (results, messages, help), nothing in it that a terminal would obey
/// passes. Only the program's own drawing goes past it.
/// </summary>
/// <param name="inner">Where the text goes.</param>
internal sealed class VisibleWriter(TextWriter inner) : TextWriter
{
    public override Encoding Encoding => inner.Encoding;

    public override void Write(char value) => Write([value]);

    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    public override void Write(ReadOnlySpan<char> buffer) => Write(buffer.ToString());

    public override void Write(string? value) => inner.Write(ForeignText.Escape(value ?? ""));

    public override void WriteLine(string? value) => Write(value + "\n"); // one piece, which no other process can cut in two

    public override void Flush() => inner.Flush();
}

/// <summary>The same for tables and other drawings: their texts are made visible, their colours stay.</summary>
internal sealed class VisibleDrawings : IRenderHook
{
    public IEnumerable<IRenderable> Process(RenderOptions options, IEnumerable<IRenderable> renderables) =>
        renderables.Select(drawing => new Visible(drawing));

    private sealed class Visible(IRenderable inner) : IRenderable
    {
        public Measurement Measure(RenderOptions options, int maxWidth) => inner.Measure(options, maxWidth);

        public IEnumerable<Segment> Render(RenderOptions options, int maxWidth) => inner.Render(options, maxWidth).Select(segment =>
            segment.IsControlCode || segment.IsLineBreak || ForeignText.Escape(segment.Text) is var text && text == segment.Text
                ? segment : new Segment(ForeignText.Escape(segment.Text), segment.Style));
    }
}
