using System.Text;
using Pfmvg.Distributed;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Pfmvg.Cli.Output;

/// <summary>
/// The program's output. Results go to standard output, messages and progress to standard error. There a terminal shows progress
/// as one live line, and a file gets plain lines.
/// </summary>
internal sealed class Terminal
{
    private const int WidthOfAFile = 200;

    private readonly Lock _gate = new();
    private readonly IAnsiConsole _results = Open(Console.Out, IsPlainOutput);
    private readonly IAnsiConsole _messages = Open(Console.Error, Console.IsErrorRedirected);
    private string _live = "";

    private Terminal() { }

    /// <summary>
    /// True when results go to a file, a pipe or a launcher such as mpirun, whose terminal is not real: they are then printed as
    /// whole lines, without drawing.
    /// </summary>
    public static bool IsPlainOutput => Console.IsOutputRedirected || Communicator.StartedTogether() > 1;

    /// <summary>
    /// Treats the terminal of a launcher such as mpirun as a dumb one. Otherwise .NET switches its keypad on, and results begin with
    /// an escape sequence. Call before anything uses the console.
    /// </summary>
    public static void ForgetPretendedTerminal()
    {
        if (Communicator.StartedTogether() > 1) Environment.SetEnvironmentVariable("TERM", "dumb");
    }

    /// <summary>
    /// Writes UTF-8 whatever the locale is: JSON and CSV are UTF-8 by definition, and a letter that a locale lacks would become a
    /// question mark. Call before anything uses the console.
    /// </summary>
    public static void WriteUtf8()
    {
        Console.SetOut(Writer(Console.OpenStandardOutput()));
        Console.SetError(Writer(Console.OpenStandardError()));

        static StreamWriter Writer(Stream stream) => new(stream, new UTF8Encoding(false)) { AutoFlush = true };
    }

    /// <summary>The console of this process.</summary>
    public static Terminal Standard { get; } = new();

    /// <summary>True when messages go to a terminal that can rewrite its last line.</summary>
    public bool IsLive { get; } = !Console.IsErrorRedirected && Communicator.StartedTogether() == 1;

    /// <summary>Columns of the terminal that results go to.</summary>
    public int Width => _results.Profile.Width;

    /// <summary>Prints a text as a result.</summary>
    public void Print(string text) => Result(() => Console.Out.WriteLine(Visible(text)));

    /// <summary>Prints a whole document as a result, to its last line break and no further.</summary>
    public void PrintDocument(string text) => Result(() => Console.Out.Write(Visible(text)));

    /// <summary>
    /// A text whose control and direction characters are written out, since names in files may hold them: a terminal would obey.
    /// </summary>
    internal static string Visible(string text) => !text.Any(IsHidden) ? text
        : string.Concat(text.Select(c => IsHidden(c) ? $"\\u{(int)c:x4}" : c.ToString()));

    private static bool IsHidden(char c) => char.IsControl(c) && c is not ('\n' or '\r' or '\t')
        || c is '\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');

    /// <summary>Prints a table or another drawing as a result.</summary>
    public void Print(IRenderable drawing) => Result(() => _results.Write(drawing));

    /// <summary>Prints a message line above the live line.</summary>
    public void Message(string text)
    {
        lock (_gate)
        {
            Clear();
            Console.Error.WriteLine(Visible(text));
            Draw();
        }
    }

    /// <summary>Sets the live line; an empty text removes it. Does nothing without a terminal.</summary>
    public void Live(string text)
    {
        lock (_gate)
        {
            if (!IsLive) return;
            Clear();
            var width = Math.Max(_messages.Profile.Width - 1, 20);
            _live = text.Length <= width ? text : text[..width];
            Draw();
        }
    }

    private void Result(Action write)
    {
        lock (_gate)
        {
            Clear();
            write();
            Draw();
        }
    }

    private void Clear()
    {
        if (_live.Length > 0) Console.Error.Write("\r\e[K");
    }

    private void Draw() => Console.Error.Write(_live);

    private static IAnsiConsole Open(TextWriter writer, bool redirected)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (redirected) console.Profile.Width = WidthOfAFile;
        return console;
    }
}
