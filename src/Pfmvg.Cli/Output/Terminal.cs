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
    // Past the door, for what the program itself draws.
    private static TextWriter _output = Console.Out, _error = Console.Error;

    private readonly IAnsiConsole _results = Open(_output, Console.IsOutputRedirected, IsPlainOutput);
    private readonly IAnsiConsole _messages = Open(_error, Console.IsErrorRedirected, Console.IsErrorRedirected);
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
    /// question mark. From here on nothing reaches the terminal that it would obey, but for the program's own drawing, and a message
    /// that cannot be written harms nothing. Call before anything uses the console.
    /// </summary>
    public static void OpenOutput()
    {
        (_output, _error) = (Writer(1), Writer(2));
        Console.SetOut(new VisibleWriter(_output));
        Console.SetError(new VisibleWriter(_error));

        static TextWriter Writer(int handle) =>
            TextWriter.Synchronized(new StreamWriter(new StandardStream(handle), new UTF8Encoding(false)) { AutoFlush = true });
    }

    /// <summary>The console of this process.</summary>
    public static Terminal Standard { get; } = new();

    /// <summary>True when messages go to a terminal that can rewrite its last line.</summary>
    public bool IsLive { get; } = !Console.IsErrorRedirected && Communicator.StartedTogether() == 1;

    /// <summary>Columns of the terminal that results go to.</summary>
    public int Width => _results.Profile.Width;

    /// <summary>Prints a text as a result.</summary>
    public void Print(string text) => Result(() => Console.Out.WriteLine(text));

    /// <summary>Prints a whole document as a result, to its last line break and no further.</summary>
    public void PrintDocument(string text) => Result(() => Console.Out.Write(text));

    /// <summary>Prints a table or another drawing as a result.</summary>
    public void Print(IRenderable drawing) => Result(() => _results.Write(drawing));

    /// <summary>Prints a message line above the live line.</summary>
    public void Message(string text)
    {
        lock (_gate)
        {
            Clear();
            Console.Error.WriteLine(ForeignText.Message(text));
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
            text = ForeignText.Quote(text);
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
        if (_live.Length > 0) _error.Write("\r\e[K");
    }

    private void Draw() => _error.Write(_live);

    private static IAnsiConsole Open(TextWriter writer, bool redirected, bool plain)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new Place(writer, !redirected) });
        console.Pipeline.Attach(new VisibleDrawings());
        if (plain) console.Profile.Width = WidthOfAFile;
        return console;
    }

    private sealed class Place(TextWriter writer, bool isTerminal) : IAnsiConsoleOutput
    {
        private readonly AnsiConsoleOutput _size = new(writer);

        public TextWriter Writer => writer;
        public bool IsTerminal => isTerminal;
        public int Width => _size.Width;
        public int Height => _size.Height;

        public void SetEncoding(Encoding encoding) { } // always UTF-8
    }
}
