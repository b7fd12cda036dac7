using System.CommandLine;
using Pfmvg.Imaging;

namespace Pfmvg.Cli.Options;

/// <summary>`--truncated-pictures`, for commands without a configuration: what `data.truncated_pictures` is for the others.</summary>
internal sealed class TruncatedOption
{
    private readonly Option<string> _rule = new Option<string>("--truncated-pictures")
    {
        Description = "A picture whose compressed data end early: 'warn' of it and use it, or 'refuse' it; the same as "
            + "data.truncated_pictures of a configuration.",
        DefaultValueFactory = _ => "warn",
    }.AcceptOnlyFromAmong("warn", "refuse");

    public TruncatedOption AddTo(Command command)
    {
        command.Add(_rule);
        return this;
    }

    public TruncatedPictures Read(ParseResult parsed) => Enum.Parse<TruncatedPictures>(parsed.GetValue(_rule)!, ignoreCase: true);
}
