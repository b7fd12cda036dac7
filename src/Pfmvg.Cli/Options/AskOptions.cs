using System.CommandLine;
using Pfmvg.Asking;

namespace Pfmvg.Cli.Options;

/// <summary>Who is asked behind a server, and whether pictures may leave this machine for it.</summary>
internal sealed class AskOptions
{
    private readonly Option<string?> _server = new("--ask")
    {
        Description = "With --split: ask a model behind this OpenAI-compatible server instead of our own: its base address, such as "
            + "http://127.0.0.1:8000/v1. Settings: ask.* (prompt, size of the picture, ...). No weights are needed.",
        HelpName = "URL",
    };

    private readonly Option<string?> _model = new("--model")
    {
        Description = "With --split, who is asked: pfmvg, our own model (default); cnn, the plain network (`pfmvg train --model cnn`); or "
            + "biovil or biovil-t, from the files in --from. With --ask: the model's name, as the server knows it.",
        HelpName = "NAME",
    };

    private readonly Option<bool> _remote = new("--allow-remote")
    {
        Description = "With --ask: pictures and phrases may be sent to another machine.",
    };

    public AskOptions AddTo(Command command)
    {
        foreach (var option in (Option[])[_server, _model, _remote]) command.Add(option);
        return this;
    }

    /// <summary>The server and the model that are to be asked; null when none is.</summary>
    /// <exception cref="InputException">An option cannot take effect, or lacks something.</exception>
    public (ServerAddress Server, string Model)? Read(ParseResult parsed)
    {
        if (parsed.GetValue(_server) is not { } address)
        {
            parsed.Refuse("belongs to --ask, which names a server; add it, or leave this out", _remote);
            if (parsed.GetValue(_model) is not (null or ModelNames.Ours or ModelNames.Cnn or ModelNames.BioVil or ModelNames.BioVilT))
                throw new InputException($"--model {parsed.GetValue(_model)}: without --ask it is {ModelNames.Ours}, {ModelNames.Cnn}, "
                    + $"{ModelNames.BioVil} or {ModelNames.BioVilT}; a model behind a server needs --ask URL, too.");
            return null;
        }

        var server = ServerAddress.Parse(address, parsed.GetValue(_remote));
        if (server.IsLoopback) parsed.Refuse("has no effect: the server is on this machine; leave it out", _remote);
        if (parsed.GetValue(_model) is not { } model || string.IsNullOrWhiteSpace(model) || model.Length > 200 || model.Any(char.IsControl))
            throw new InputException($"--ask {server} needs --model NAME, the model's name as the server knows it: those that "
                + $"{server}/models lists.");
        return (server, model);
    }

    /// <summary>Whether the plain network is asked.</summary>
    public bool IsCnn(ParseResult parsed) => parsed.GetValue(_server) is null && parsed.GetValue(_model) == ModelNames.Cnn;

    /// <summary>The name of the rival that is asked; null when none is.</summary>
    public string? Rival(ParseResult parsed) =>
        parsed.GetValue(_server) is null && ModelNames.RivalOf(parsed.GetValue(_model)) is not null ? parsed.GetValue(_model) : null;

    /// <summary>`--model`, which answers from a file have none of.</summary>
    public Option Model => _model;

    /// <summary>The options as they were given.</summary>
    public IEnumerable<string> Given(ParseResult parsed) =>
    [
        "--ask", parsed.GetValue(_server)!, "--model", parsed.GetValue(_model)!,
        .. parsed.GetValue(_remote) ? (string[])["--allow-remote"] : [],
    ];
}
