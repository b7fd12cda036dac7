namespace Pfmvg;

/// <summary>
/// Wrong input: a file, setting or argument that the user can put right. The message is one whole sentence that names
/// the file, the place in it, what is wrong and what to do; the command line prints it alone and exits with 2.
/// </summary>
public sealed class InputException : Exception
{
    /// <summary>Creates the exception with the sentence for the user.</summary>
    public InputException(string message) : base(ForeignText.Message(message)) { }

    /// <summary>Creates the exception with the sentence for the user and what caused it, for a debugger only.</summary>
    public InputException(string message, Exception cause) : base(ForeignText.Message(message), cause) { }

    internal InputException(QuotingSentence message) : this(message.ToString()) { }

    internal InputException(QuotingSentence message, Exception cause) : this(message.ToString(), cause) { }
}
